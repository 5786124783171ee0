"""Windows of a dataset: runs of single episodes, as they are or with the outcomes of another context, and their codes.

Dimensions: W windows, K slots, C contexts, d code, p context.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from offctx.analysis.counterfactual import outcomes
from offctx.contexts.space import Contexts
from offctx.data.dataset import ContextualDataset
from offctx.data.history.windows import HistoryWindows
from offctx.envs.base import Array, ContextualEnv
from offctx.errors import DatasetError
from offctx.module_modes import evaluation_mode

_BLOCK = 1024  # windows per call of an encoder


@dataclass(frozen=True)
class DrawnWindows:
    """W windows, each a run of transitions of one episode.

    Attributes:
        dataset: whose rows they are.
        rows: of each slot (W, K); any row in slots that are not filled, which are the first ones.
        mask: which slots are filled (W, K).
        episodes: of each window (W,).
        context_ids: of each window (W,).
    """

    dataset: ContextualDataset
    rows: Array
    mask: Array
    episodes: Array
    context_ids: Array

    @classmethod
    def draw(cls, dataset: ContextualDataset, length: int, per_context: int, rng: np.random.Generator) -> "DrawnWindows":
        """Equally many windows of each context, at random places of its episodes, of which as many are used as there are."""
        ids = dataset.episode_context_ids
        order = np.lexsort((rng.random(len(ids)), ids))  # the episodes of each context, in random order
        _, starts, counts = np.unique(ids[order], return_index=True, return_counts=True)
        places = starts[:, None] + np.arange(per_context) % counts[:, None]
        episodes = order[places.ravel()]
        steps = dataset.episode_ends[episodes] - dataset.episode_starts[episodes]
        filled = np.minimum(steps, length)
        stops = dataset.episode_starts[episodes] + filled + rng.integers(0, steps - filled + 1)
        mask = np.arange(length) >= length - filled[:, None]
        rows = np.where(mask, stops[:, None] - length + np.arange(length), 0)
        return cls(dataset, rows, mask, episodes, ids[episodes])

    def take(self, chosen: Array) -> "DrawnWindows":
        """Some of the windows."""
        return DrawnWindows(self.dataset, self.rows[chosen], self.mask[chosen], self.episodes[chosen], self.context_ids[chosen])

    def seen(self) -> HistoryWindows:
        """The windows as the data have them."""
        return self._windows(self.dataset.next_observations[self._filled], self.dataset.rewards[self._filled])

    def played_in(self, env: ContextualEnv, context: Contexts) -> HistoryWindows:
        """The same states and actions, with what follows in one context (p,)."""
        contexts = np.broadcast_to(context, (len(self._filled), len(context)))
        next_observations, rewards, _ = outcomes(env, self.dataset, self._filled, contexts)
        return self._windows(next_observations, rewards)

    @property
    def _filled(self) -> Array:
        """The rows of the filled slots, window by window."""
        return self.rows[self.mask]

    def _windows(self, next_observations: Array, rewards: Array) -> HistoryWindows:
        data, rows = self.dataset, self._filled
        return HistoryWindows(
            observations=self._in_slots(data.observations[rows]),
            actions=self._in_slots(data.actions[rows]),
            rewards=self._in_slots(rewards),
            next_observations=self._in_slots(next_observations),
            mask=self.mask,
            window_of_row=np.arange(len(self.rows)),
        )

    def _in_slots(self, column: Array) -> Array:
        """A column of the filled slots as (W, K, ...) float32, zero elsewhere."""
        values = column.reshape(len(column), -1)
        slots = np.zeros((*self.mask.shape, values.shape[1]), dtype=np.float32)
        slots[self.mask] = values
        return slots


def codes(encoder: Callable[[HistoryWindows], Any], windows: HistoryWindows) -> Array:
    """What an encoder makes of windows, float64 (W, d).

    Args:
        encoder: a torch module is given tensors, in evaluation mode and without gradients; any other callable NumPy arrays.
        windows: W windows.

    Raises:
        DatasetError: it is no function, or returns anything else than W vectors of finite numbers.
    """
    if not callable(encoder):
        raise DatasetError(f"expected a function from HistoryWindows to z (W, d); found {type(encoder).__name__}")
    blocks = [slice(begin, begin + _BLOCK) for begin in range(0, len(windows), _BLOCK)]
    parts = [_codes(encoder, _part(windows, block)) for block in blocks]
    return np.concatenate(parts)


def _codes(encoder: Callable[[HistoryWindows], Any], windows: HistoryWindows) -> Array:
    if isinstance(encoder, torch.nn.Module):
        parameter = next(encoder.parameters(), None)
        with evaluation_mode(encoder), torch.no_grad():
            returned = encoder(windows.to_torch(None if parameter is None else parameter.device))
    else:
        returned = encoder(windows)
    values = returned.detach().cpu().numpy() if isinstance(returned, torch.Tensor) else _array(returned)
    if values.ndim != 2 or len(values) != len(windows) or values.dtype.kind not in "fiub":
        description = f"{values.dtype} of shape {values.shape}"
    elif not np.isfinite(values).all():
        description = "nan or inf"
    else:
        return values.astype(np.float64)
    raise DatasetError(
        f"expected the encoder to return one vector of finite numbers a window, z ({len(windows)}, d); found {description}"
    )


def _array(returned: Any) -> Array:
    """What an encoder returned as an array; ragged rows and other objects as one without dimensions."""
    try:
        return np.asarray(returned)
    except ValueError:
        return np.empty((), dtype=object)


def _part(windows: HistoryWindows, block: slice) -> HistoryWindows:
    return HistoryWindows(
        observations=windows.observations[block],
        actions=windows.actions[block],
        rewards=windows.rewards[block],
        next_observations=windows.next_observations[block],
        mask=windows.mask[block],
        window_of_row=np.arange(len(windows.mask[block])),
    )
