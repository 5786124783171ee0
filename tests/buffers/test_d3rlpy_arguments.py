"""Arguments of d3rlpy's buffers: basic ones are taken, others are refused with the way that works; and that way works."""

import io

import numpy as np
import pytest
from d3rlpy.dataset import (
    BasicTrajectorySlicer,
    BasicTransitionPicker,
    FrameStackTransitionPicker,
    InfiniteBuffer,
    ReplayBuffer,
    SparseRewardTransitionPicker,
)

from offctx.errors import DatasetError


def test_the_basic_ones_change_nothing(runner):
    plain = runner.replay_buffer(seed=3)
    same = runner.replay_buffer(seed=3, transition_picker=BasicTransitionPicker(), trajectory_slicer=BasicTrajectorySlicer())
    np.testing.assert_array_equal(same.sample_transition_batch(8).rewards, plain.sample_transition_batch(8).rewards)


@pytest.mark.parametrize("picker", [SparseRewardTransitionPicker(-1.0), FrameStackTransitionPicker(n_frames=4)])
def test_other_pickers_are_refused_with_the_way_that_works(runner, picker):
    with pytest.raises(DatasetError, match=f"takes no {type(picker).__name__}.*ReplayBuffer.load.*transition_picker="):
        runner.replay_buffer(transition_picker=picker)


def test_a_misspelt_argument_is_named(runner):
    with pytest.raises(TypeError, match="unexpected keyword argument 'agumentation'; it takes context, augmentation, seed"):
        runner.replay_buffer(agumentation=None)


def test_the_way_that_works_gives_stacked_frames_of_every_transition(runner):
    ours, file = runner.replay_buffer(), io.BytesIO()
    ours.dump(file)
    file.seek(0)
    picker = FrameStackTransitionPicker(n_frames=2)
    theirs = ReplayBuffer.load(file, InfiniteBuffer(), transition_picker=picker)
    assert theirs.transition_count == ours.transition_count
    for row in range(ours.transition_count):
        episode, t = ours.buffer[row]
        frames = episode.observations[[t - 1, t]] if t else np.stack([0 * episode.observations[0], episode.observations[0]])
        np.testing.assert_array_equal(picker(*theirs.buffer[row]).observation, frames.ravel())
