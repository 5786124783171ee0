"""What the tests of history windows share: random datasets whose rows tell their number, and the rules of windows."""

import numpy as np
from gymnasium.spaces import Box

import offctx
from offctx import ContextSpace, ContextualDataset


def numbered_dataset(rng, contexts=4, episodes=12, longest=9):
    """A dataset with random lengths and contexts. Row i has i + 1 in all columns, so that no zero stands for a row."""
    lengths = rng.integers(1, longest + 1, episodes)
    n = int(lengths.sum())
    number = np.arange(1, n + 1, dtype=np.float32)
    drawn = rng.integers(contexts, size=episodes)
    _, first, of_episode = np.unique(drawn, return_index=True, return_inverse=True)
    ids = np.argsort(np.argsort(first))[of_episode]  # numbered by first appearance, as datasets are
    ends = np.cumsum(lengths)
    truncations = np.zeros(n, bool)
    truncations[ends - 1] = True
    context_ids = np.repeat(ids, lengths)
    space = ContextSpace(["c"], 0.0, 1.0, [0.5])
    return ContextualDataset(
        dataset_id="numbered/random-v0",
        context_space=space,
        observation_space=Box(-np.inf, np.inf, (2,), np.float32),
        action_space=Box(-np.inf, np.inf, (1,), np.float32),
        observations=np.stack([number, number], axis=1),
        actions=number[:, None].copy(),
        rewards=number.copy(),
        next_observations=np.stack([number, number], axis=1),
        terminations=np.zeros(n, bool),
        truncations=truncations,
        contexts=np.linspace(0.1, 0.9, contexts)[np.repeat(drawn, lengths)][:, None],
        context_ids=context_ids,
        episode_starts=ends - lengths,
        episode_ends=ends,
        dnext_observation_dcontext=np.stack([number, 2 * number], axis=1)[:, :, None],
        dreward_dcontext=number[:, None].copy(),
    )


def random_history(rng, include_row=False):
    length = int(rng.integers(1, 14))
    draw = str(rng.choice(["last", "run", "random"]))
    return offctx.History(
        length=length,
        within=str(rng.choice(["episode", "context"])),
        draw=draw,
        shortest=None if rng.random() < 0.5 else int(rng.integers(0, length + 1)),
        rows_per_window=int(rng.choice([1, 1, 2, 5])),
        keep=None if draw == "random" or rng.random() < 0.5 else int(rng.integers(1, length + 1)),
        spacing=str(rng.choice(["random", "even"])),
        shuffle=bool(rng.random() < 0.3),
        include_row=include_row,
    )


def rows_of(batch):
    """The row of each transition (B,), and of each slot (G, K), -1 where it is not filled, as the observations tell them."""
    return batch.observations[:, 0].astype(int) - 1, batch.history.observations[:, :, 0].astype(int) - 1


def assert_windows_are_right(batch, history, episodes, ids):
    """The rules of windows. `episodes` and `ids` (N,) are those of all rows; an id of -1 is unknown."""
    rows, slots = rows_of(batch)
    windows, mask = batch.history, batch.history.mask
    b, k = len(rows), history.slots
    assert mask.dtype == bool and mask.shape == slots.shape == (b // history.rows_per_window, k)
    assert windows.window_of_row.tolist() == [i // history.rows_per_window for i in range(b)]
    for name in ("observations", "actions", "rewards", "next_observations"):
        column = getattr(windows, name)
        assert column.dtype == np.float32 and column.shape[:2] == mask.shape
        assert not column[~mask].any(), f"{name} of a masked slot shows something"
    assert (np.diff(mask.astype(int), axis=1) >= 0).all()  # filled slots are the last ones
    assert ((slots >= 0) == mask).all()
    keys = np.where(ids < 0, -1 - episodes, ids)
    for i, row in enumerate(rows):
        window = slots[windows.window_of_row[i]]
        shown = window[window >= 0]
        assert len(set(shown)) == len(shown) and (history.shuffle or (np.diff(shown) > 0).all())
        assert history.include_row or row not in shown
        assert (keys[shown] == keys[row]).all(), "a window crosses contexts"
        assert not ((episodes[shown] == episodes[row]) & (shown > row)).any(), "a window shows what followed its row"
        if history.within == "episode":
            assert (episodes[shown] == episodes[row]).all()
