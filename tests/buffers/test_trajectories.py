"""Trajectories, with d3rlpy's own slicer as the measure."""

import numpy as np
import pytest
from d3rlpy.dataset import (
    BasicTrajectorySlicer,
    TrajectoryMiniBatch,
)

from tests.buffers.helpers import feed, online_steps


@pytest.mark.parametrize("name", ["runner", "chooser"])
@pytest.mark.parametrize("length", [1, 4, 9])
def test_trajectories_equal_those_of_d3rlpys_slicer(name, length, library):
    """The very same ends, drawn by a second generator of the same seed."""
    buffer = library.datasets[name].replay_buffer(seed=8)
    ends = np.random.default_rng(8).integers(buffer.transition_count, size=80)
    slicer = BasicTrajectorySlicer()
    stock = [slicer(*buffer.buffer[int(end)], length) for end in ends]
    expected = TrajectoryMiniBatch.from_partial_trajectories(stock)
    found = buffer.sample_trajectory_batch(80, length)
    assert found.length == expected.length == length
    for field in ("observations", "actions", "rewards", "terminals", "timesteps", "masks"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field), err_msg=field)
        assert getattr(found, field).dtype == np.float32 and getattr(found, field).shape[:2] == (80, length)
    np.testing.assert_allclose(found.returns_to_go, expected.returns_to_go, rtol=1e-5, atol=1e-5)
    assert found.terminals.any() == (name == "runner") and found.masks.all() == (length == 1)


def test_one_trajectory_as_d3rlpys_object(runner):
    buffer = runner.replay_buffer(seed=8)
    end = int(np.random.default_rng(8).integers(60, size=1)[0])
    expected = BasicTrajectorySlicer()(*buffer.buffer[end], 4)
    found = buffer.sample_trajectory(4)
    for field in ("observations", "actions", "rewards", "terminals", "timesteps", "masks"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field), err_msg=field)


def test_trajectories_see_appended_steps(runner):
    buffer = runner.replay_buffer(seed=0)
    buffer.sample_trajectory_batch(4, 3)  # the running sum of rewards is kept from here ...
    feed(buffer, online_steps(runner, [(50, True)] * 10))  # ... and must not be
    found = buffer.sample_trajectory_batch(300, 3)
    assert found.timesteps.max() > 40
    remaining = [e.rewards[int(t) - 1 :].sum() for e in buffer.episodes[12:] for t in range(1, 51)]
    late = found.timesteps[:, -1] > 6
    for value in found.returns_to_go[late, -1, 0]:
        assert np.isclose(value, remaining, atol=1e-3).any()
