"""Arguments of d3rlpy's buffers: its basic ones are taken, others are refused with the way that works; and that way works."""

import io

import numpy as np
import pytest
from d3rlpy.dataset import (
    BasicTrajectorySlicer,
    BasicTransitionPicker,
    FrameStackTransitionPicker,
    InfiniteBuffer,
    MultiStepTransitionPicker,
    ReplayBuffer,
)

from offctx.errors import DatasetError


def test_the_basic_ones_change_nothing(runner):
    plain = runner.replay_buffer(seed=3)
    same = runner.replay_buffer(seed=3, transition_picker=BasicTransitionPicker(), trajectory_slicer=BasicTrajectorySlicer())
    np.testing.assert_array_equal(same.sample_transition_batch(8).rewards, plain.sample_transition_batch(8).rewards)


@pytest.mark.parametrize("picker", [MultiStepTransitionPicker(n_steps=3, gamma=0.99), FrameStackTransitionPicker(n_frames=4)])
def test_other_pickers_are_refused_with_the_way_that_works(runner, picker):
    with pytest.raises(DatasetError, match=f"takes no {type(picker).__name__}.*ReplayBuffer.load.*transition_picker="):
        runner.replay_buffer(transition_picker=picker)


def test_a_misspelt_argument_is_named(runner):
    with pytest.raises(TypeError, match="unexpected keyword argument 'agumentation'; it takes context, augmentation, seed"):
        runner.replay_buffer(agumentation=None)


def test_the_way_that_works_gives_n_step_returns_of_every_transition(runner):
    ours, file, gamma = runner.replay_buffer(), io.BytesIO(), 0.9
    ours.dump(file)
    file.seek(0)
    picker = MultiStepTransitionPicker(n_steps=3, gamma=gamma)
    theirs = ReplayBuffer.load(file, InfiniteBuffer(), transition_picker=picker)
    assert theirs.transition_count == ours.transition_count
    for row in range(ours.transition_count):
        picked = picker(*theirs.buffer[row])
        episode, t = ours.buffer[row]
        steps = min(3, len(episode) - t)
        assert picked.interval == steps and picked.terminal == float(episode.terminated and t + steps == len(episode))
        np.testing.assert_allclose(picked.reward, (gamma ** np.arange(steps)) @ episode.rewards[t : t + steps], rtol=1e-5)
        if not picked.terminal:
            np.testing.assert_array_equal(picked.next_observation, episode.observations[t + steps])
