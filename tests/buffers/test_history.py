"""History windows: the rules that all keep, over random datasets; what each setting draws; what is refused."""

import dataclasses
import json

import numpy as np
import pytest
from d3rlpy.algos import TD3PlusBCConfig

import offctx
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.buffers.samplers import BalancedSampler
from offctx.errors import DatasetError
from tests.buffers.helpers import assert_batches_equal
from tests.buffers.histories import assert_windows_are_right, numbered_dataset, random_history, rows_of


def labels_of(dataset):
    return np.repeat(np.arange(dataset.num_episodes), dataset.episode_ends - dataset.episode_starts), dataset.context_ids


@pytest.mark.parametrize("seed", range(120))
def test_no_window_holds_its_row_another_context_or_what_is_masked(seed):
    rng = np.random.default_rng(seed)
    dataset = numbered_dataset(rng, int(rng.integers(1, 6)), int(rng.integers(1, 15)), int(rng.integers(1, 12)))
    history = random_history(rng)
    buffer = dataset.replay_buffer(context=str(rng.choice(["append", "hidden", "anonymous"])), history=history, seed=seed)
    for _ in range(3):
        batch = buffer.sample_transition_batch(30 - 30 % history.rows_per_window)
        assert_windows_are_right(batch, history, *labels_of(dataset))
    everything = buffer.batch(np.arange(len(dataset)))
    assert_windows_are_right(everything, dataclasses.replace(history, rows_per_window=1), *labels_of(dataset))


@pytest.mark.parametrize("seed", range(30))
def test_a_window_that_may_hold_its_row_still_holds_nothing_that_followed(seed):
    rng = np.random.default_rng(seed)
    dataset = numbered_dataset(rng, int(rng.integers(1, 4)), int(rng.integers(1, 9)), int(rng.integers(1, 9)))
    history = random_history(rng, include_row=True)
    buffer = dataset.replay_buffer(context="hidden", history=history, seed=seed)
    for _ in range(3):
        batch = buffer.sample_transition_batch(30 - 30 % history.rows_per_window)
        assert_windows_are_right(batch, history, *labels_of(dataset))


@pytest.mark.parametrize("within", ["episode", "context"])
def test_the_row_is_the_newest_of_its_window_where_it_may_be_in_it(within):
    dataset = numbered_dataset(np.random.default_rng(0), contexts=3)
    rows = np.arange(len(dataset))
    without = rows_of(dataset.replay_buffer(history=offctx.History(4, within)).batch(rows))[1]
    included = rows_of(dataset.replay_buffer(history=offctx.History(5, within, include_row=True)).batch(rows))[1]
    assert (included[:, -1] == rows).all()
    assert (included[:, :-1] == without).all()


def test_the_last_ones_are_those_just_before_the_row():
    dataset = numbered_dataset(np.random.default_rng(0), contexts=3)
    episodes, ids = labels_of(dataset)
    for within in ("episode", "context"):
        batch = dataset.replay_buffer(history=offctx.History(5, within)).batch(np.arange(len(dataset)))
        for row, window in zip(*rows_of(batch), strict=True):
            same = episodes == episodes[row] if within == "episode" else ids == ids[row]
            before = np.flatnonzero(same)
            before = before[before < row][-5:]
            assert window.tolist() == [-1] * (5 - len(before)) + before.tolist()


def test_a_window_may_begin_in_another_episode_of_the_context():
    dataset = numbered_dataset(np.random.default_rng(0), contexts=1, episodes=3, longest=3)
    starts = dataset.episode_starts
    batch = dataset.replay_buffer(history=offctx.History(2, "context")).batch(starts)
    assert batch.history.mask.sum(axis=1).tolist() == [min(2, s) for s in starts]


def test_runs_are_successive_and_end_anywhere():
    dataset = numbered_dataset(np.random.default_rng(1), contexts=1, episodes=6)
    n = len(dataset)
    episodes, _ = labels_of(dataset)
    row = int(dataset.episode_starts[2] + 1)
    buffer = dataset.replay_buffer(history=offctx.History(4, "context", "run"))
    windows = rows_of(buffer.batch(np.full(4000, row)))[1]
    candidates = np.flatnonzero(~((episodes == episodes[row]) & (np.arange(n) >= row)))
    numbers = np.searchsorted(candidates, windows)
    assert (np.diff(numbers, axis=1) == 1).all()
    ends, counts = np.unique(numbers[:, -1], return_counts=True)
    assert ends.tolist() == list(range(3, len(candidates))) and counts.min() > 0.6 * 4000 / len(ends)


@pytest.mark.parametrize(
    ("length", "episodes"), [(4, 6), (4, 40), (20, 3)], ids=["by sorting", "by redrawing", "few candidates"]
)
def test_random_sets_have_every_candidate_alike(length, episodes):
    dataset = numbered_dataset(np.random.default_rng(2), contexts=1, episodes=episodes, longest=5)
    row = int(dataset.episode_ends[1] - 1)
    windows = rows_of(dataset.replay_buffer(history=offctx.History(length, "context", "random")).batch(np.full(6000, row)))[1]
    counts = np.bincount(windows[windows >= 0], minlength=len(dataset))
    assert counts[row] == 0
    others = np.delete(counts, row)
    expected = 6000 * min(length, len(others)) / len(others)
    assert others.sum() == round(expected * len(others)) and np.abs(others - expected).max() <= 5 * np.sqrt(expected)


def test_random_lengths_are_uniform_where_there_is_enough():
    dataset = numbered_dataset(np.random.default_rng(3), contexts=1, episodes=1, longest=200)
    buffer = dataset.replay_buffer(history=offctx.History(4, shortest=0))
    lengths = buffer.batch(np.full(5000, len(dataset) - 1)).history.lengths
    counts = np.bincount(lengths, minlength=5)
    assert len(counts) == 5 and np.abs(counts - 1000).max() < 130
    assert set(dataset.replay_buffer(history=offctx.History(4, shortest=3)).batch(np.full(99, 20)).history.lengths) == {3, 4}


def test_part_of_a_window_is_kept():
    dataset = numbered_dataset(np.random.default_rng(3), contexts=1, episodes=1, longest=60)
    row = np.array([12])
    even = dataset.replay_buffer(history=offctx.History(12, keep=4, spacing="even")).batch(row)
    assert rows_of(even)[1].tolist() == [[2, 5, 8, 11]]
    short = dataset.replay_buffer(history=offctx.History(12, keep=4, spacing="even")).batch(np.array([2]))
    assert rows_of(short)[1].tolist() == [[-1, -1, 0, 1]]
    drawn = rows_of(dataset.replay_buffer(history=offctx.History(12, keep=4)).batch(np.full(6000, 12)))[1]
    assert (np.diff(drawn, axis=1) > 0).all() and np.abs(np.bincount(drawn.ravel(), minlength=12) - 2000).max() < 200
    shuffled = rows_of(dataset.replay_buffer(history=offctx.History(12, keep=4, shuffle=True)).batch(np.full(6000, 12)))[1]
    assert np.abs((shuffled[:, 0] > shuffled[:, 1]).mean() - 0.5) < 0.03


@pytest.mark.parametrize("within", ["episode", "context"])
def test_rows_that_share_a_window_are_drawn_alike(within):
    dataset = numbered_dataset(np.random.default_rng(5))
    buffer = dataset.replay_buffer(history=offctx.History(3, within, "run", rows_per_window=4))
    batch = buffer.sample_transition_batch(80_000)
    episodes, ids = labels_of(dataset)
    rows = rows_of(batch)[0]
    labels = (episodes if within == "episode" else ids)[rows].reshape(-1, 4)
    assert (labels == labels[:, :1]).all()
    expected = 80_000 / len(dataset)
    assert np.abs(np.bincount(rows, minlength=len(dataset)) - expected).max() < 10 * np.sqrt(expected)  # four share a context


def test_balanced_rows_share_windows():
    dataset = numbered_dataset(np.random.default_rng(6))
    buffer = dataset.replay_buffer(context="hidden", history=offctx.History(3, "context", rows_per_window=4))
    contexts = len(dataset.unique_contexts)
    batch = buffer.stratified(buffer.table["context_ids"]).sample_transition_batch(12 * contexts)
    assert np.bincount(batch.context_ids).tolist() == [12] * contexts
    view = buffer.with_sampler(BalancedSampler(lambda table: table["context_ids"]))
    assert np.bincount(view.sample_transition_batch(12 * contexts).context_ids).tolist() == [12] * contexts
    with pytest.raises(DatasetError, match="these labels differ within one; expected one label for each context"):
        buffer.stratified(np.arange(len(dataset)) % 2)
    with pytest.raises(DatasetError, match=r"multiple of 4 rows.*found 30"):
        buffer.sample_transition_batch(30)


def test_the_seed_fixes_windows_and_rows_are_those_without():
    dataset = numbered_dataset(np.random.default_rng(7))
    history = offctx.History(5, "context", "random", shortest=0)
    one, other = (dataset.replay_buffer(history=history, seed=3).sample_transition_batch(16) for _ in range(2))
    assert_batches_equal(one, other)
    np.testing.assert_array_equal(one.history.observations, other.history.observations)
    assert_batches_equal(one, dataset.replay_buffer(seed=3).sample_transition_batch(16))
    assert dataset.replay_buffer().sample_transition_batch(4).history is None


def test_windows_of_several_steps_end_before_their_row():
    from d3rlpy.dataset import MultiStepTransitionPicker

    dataset = numbered_dataset(np.random.default_rng(8))
    history = offctx.History(6, "context", "random")
    buffer = dataset.replay_buffer(history=history, transition_picker=MultiStepTransitionPicker(3, 0.9))
    assert_windows_are_right(buffer.sample_transition_batch(60), history, *labels_of(dataset))


def test_windows_as_tensors():
    dataset = numbered_dataset(np.random.default_rng(9))
    windows = dataset.replay_buffer(history=offctx.History(5, rows_per_window=2)).sample_transition_batch(12).history
    tensors = windows.to_torch()
    assert tensors.observations.dtype.is_floating_point and tensors.mask.shape == (6, 5) and len(tensors) == 6
    z = tensors.rewards.sum(dim=(1, 2))
    np.testing.assert_array_equal(tensors.per_row(z).numpy(), windows.per_row(windows.rewards.sum(axis=(1, 2))))
    assert tensors.per_row(z).shape == (12,)


def test_d3rlpy_trains_on_a_buffer_with_windows(runner):
    buffer = runner.replay_buffer(history=offctx.History(4))
    TD3PlusBCConfig(batch_size=8).create().fit(buffer, n_steps=2, n_steps_per_epoch=1, show_progress=False, save_interval=9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 0}, "length of a History must be a whole number, at least 1; found 0"),
        ({"length": 4, "shortest": 5}, "shortest must be at most the length of the History, 4; found 5"),
        ({"length": 4, "shortest": -1}, "shortest must be a whole number, at least 0; found -1"),
        ({"length": 4, "keep": 5}, "keep must be at most the length"),
        ({"length": 4, "keep": 0}, "keep must be a whole number, at least 1; found 0"),
        ({"length": 4, "rows_per_window": 0}, "rows_per_window must be a whole number, at least 1"),
        ({"length": 4, "within": "dataset"}, "within must be one of episode, context; found 'dataset'"),
        ({"length": 4, "draw": "first"}, "draw must be one of last, run, random; found 'first'"),
        ({"length": 4, "spacing": "odd"}, "spacing must be one of random, even"),
        ({"length": 4, "draw": "random", "keep": 2}, "give length=2, no keep"),
        ({"length": 4, "shuffle": 1}, "shuffle must be True or False"),
    ],
)
def test_wrong_settings_are_refused(options, message):
    with pytest.raises(DatasetError, match=message):
        offctx.History(**options)


def test_what_is_no_history_is_refused(runner):
    with pytest.raises(DatasetError, match=r"expected history as offctx.History\(length=...\), or None; found 24"):
        runner.replay_buffer(history=24)
    with pytest.raises(DatasetError, match=r'tells not even which transitions share a context.*context="anonymous"'):
        runner.replay_buffer(context="withheld", history=offctx.History(4, "context"))
    with pytest.raises(DatasetError, match="<lambda> does not say what it does to history windows"):
        runner.replay_buffer(history=offctx.History(4), augmentation=lambda batch, rng: batch)


def test_the_card_names_the_windows(runner):
    buffer = runner.replay_buffer(history=offctx.History(4))
    assert "History(length=4" in repr(buffer) and "7 windows of 4 slots" in repr(buffer.sample_transition_batch(7))
    assert isinstance(buffer, ContextualReplayBuffer)


def test_settings_of_numpy_are_settings_of_python():
    given = offctx.History(np.int64(4), shuffle=np.True_, include_row=np.False_, shortest=np.uint8(1), keep=np.int32(2))
    assert given == offctx.History(4, shuffle=True, include_row=False, shortest=1, keep=2)
    assert json.loads(json.dumps(vars(given))) == vars(given)  # as a run's config.json holds them
    for flag in (1, np.int64(1), "yes", None):
        with pytest.raises(DatasetError, match="shuffle must be True or False"):
            offctx.History(4, shuffle=flag)
