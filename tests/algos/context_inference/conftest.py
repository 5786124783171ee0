"""Windows of random numbers, of several lengths."""

import pytest
import torch

from offctx.data.history.windows import HistoryWindows

LENGTHS = (0, 1, 3, 6)


def make_windows(lengths: tuple[int, ...] = LENGTHS, slots: int = 6, seed: int = 0) -> HistoryWindows:
    """Windows (G, slots) of the given lengths, the newest transition last, o = 3, a = 2."""
    generator = torch.Generator().manual_seed(seed)
    count = len(lengths)
    mask = torch.arange(slots)[None] >= slots - torch.tensor(lengths)[:, None]
    sizes = {"observations": 3, "actions": 2, "rewards": 1, "next_observations": 3}
    columns = {name: torch.randn(count, slots, size, generator=generator) for name, size in sizes.items()}
    return HistoryWindows(mask=mask, window_of_row=torch.arange(count), **columns)


def with_slots(windows: HistoryWindows, slots: torch.Tensor) -> HistoryWindows:
    """The windows with other slots (G, k) in their places."""
    columns = {}
    for name in ("observations", "actions", "rewards", "next_observations"):
        column = getattr(windows, name)
        columns[name] = column.gather(1, slots[..., None].expand(-1, -1, column.shape[-1]))
    return HistoryWindows(mask=windows.mask.gather(1, slots), window_of_row=windows.window_of_row, **columns)


@pytest.fixture
def windows() -> HistoryWindows:
    return make_windows()
