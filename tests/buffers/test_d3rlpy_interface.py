"""A buffer of ours together with d3rlpy's own, in memory and in files."""

import io

import numpy as np
import pytest
from d3rlpy.dataset import (
    Episode,
    InfiniteBuffer,
    MixedReplayBuffer,
    ReplayBuffer,
    create_infinite_replay_buffer,
)

from tests.buffers.helpers import all_of, stock_batch


def stock_buffer(dataset):
    """A stock buffer of d3rlpy with recognisable observations (all 7) of the same shape."""
    d = dataset.replay_buffer().dataset_info.observation_signature.shape[0][0]
    observations = np.full((6, d), 7, np.float32)
    return create_infinite_replay_buffer(
        [Episode(observations, np.zeros((6, 1), np.float32), np.ones((6, 1), np.float32), True)]
    )


@pytest.mark.parametrize("ours_first", [True, False])
def test_mixed_replay_buffer_both_ways_round(ours_first, runner):
    ours, stock = runner.replay_buffer(), stock_buffer(runner)
    pair = (ours, stock) if ours_first else (stock, ours)
    mixed = MixedReplayBuffer(*pair, secondary_mix_ratio=0.25)
    batch = mixed.sample_transition_batch(40)
    from_stock = (batch.observations == 7).all(axis=1)
    assert from_stock.sum() == (10 if ours_first else 30)
    truth = {row.tobytes() for row in all_of(ours).observations}
    assert all(row.tobytes() in truth for row in batch.observations[~from_stock])
    trajectories = mixed.sample_trajectory_batch(40, 3)
    assert trajectories.observations.shape == (40, 3, 5)
    assert mixed.transition_count == 66 and len(mixed.episodes) == 13
    mixed.append(np.zeros(5, np.float32), np.zeros(1, np.float32), 0.0)
    mixed.clip_episode(True)
    assert ours.transition_count == (61 if ours_first else 60)


@pytest.mark.parametrize("name", ["runner", "chooser"])
def test_dump_is_read_by_d3rlpy_with_every_transition(name, library):
    buffer = library.datasets[name].replay_buffer()
    file = io.BytesIO()
    buffer.dump(file)
    file.seek(0)
    stock = ReplayBuffer.load(file, InfiniteBuffer())
    truth, found = all_of(buffer), stock_batch(stock)
    assert stock.transition_count == buffer.transition_count and stock.size() == buffer.size()
    for field in ("observations", "actions", "rewards", "terminals"):
        np.testing.assert_array_equal(getattr(found, field), getattr(truth, field), err_msg=field)
    alive = truth.terminals[:, 0] == 0
    np.testing.assert_array_equal(found.next_observations[alive], truth.next_observations[alive])
    assert stock.dataset_info.action_space == buffer.dataset_info.action_space
    for one, other in zip(truth.transitions, found.transitions, strict=True):
        assert one.rewards_to_go.sum() == pytest.approx(other.rewards_to_go.sum(), abs=1e-5)


def test_our_load_gives_d3rlpys_buffer(runner):
    buffer = runner.replay_buffer()
    file = io.BytesIO()
    buffer.dump(file)
    file.seek(0)
    found = type(buffer).load(file, InfiniteBuffer())
    assert isinstance(found, ReplayBuffer) and found.transition_count == 60
