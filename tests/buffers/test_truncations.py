"""Truncations as terminals, for comparison with code that has this fault."""

from typing import Any

import d3rlpy
import gymnasium
import numpy as np
import pytest

import offctx
from offctx.data.dataset import ContextualDataset
from offctx.envs import LabelTransitions
from tests.buffers.histories import numbered_dataset

ENV = "offctx/DoubleIntegrator-v0"


@pytest.fixture
def dataset() -> ContextualDataset:
    return numbered_dataset(np.random.default_rng(0), episodes=6)


def test_the_last_transitions_of_episodes_are_terminal(dataset: ContextualDataset) -> None:
    rows = np.arange(len(dataset))
    buffer = dataset.replay_buffer(context="hidden")
    view = buffer.with_truncations_as_terminals()
    assert buffer.batch(rows).terminals[:, 0].tolist() == [0] * len(dataset)  # here all episodes end by truncation
    assert view.batch(rows).terminals[:, 0].tolist() == dataset.truncations.tolist()
    assert "are terminals" in repr(view)


def test_transitions_of_several_steps_that_reach_the_end_are_terminal(dataset: ContextualDataset) -> None:
    rows = np.arange(len(dataset))
    picker = d3rlpy.dataset.MultiStepTransitionPicker(n_steps=3, gamma=0.9)
    batch = dataset.replay_buffer(context="hidden", transition_picker=picker).with_truncations_as_terminals().batch(rows)
    ends = np.repeat(dataset.episode_ends, dataset.episode_ends - dataset.episode_starts)
    assert batch.terminals[:, 0].tolist() == (rows + 3 >= ends).tolist()


def test_an_episode_that_is_still_played_has_no_end() -> None:
    """Three environments, whose episodes have 100 steps: after 130 joint steps, the first three have ended."""
    env = LabelTransitions(gymnasium.make(ENV), context="hidden", gradients=False)
    buffer: Any = offctx.online_buffer(env, capacity=1000)
    contexts = np.array([[0.5, 1], [1.5, 1], [0.5, -1]])
    agent = d3rlpy.algos.SACConfig(batch_size=8).create()
    offctx.train_online(
        agent, ENV, contexts=contexts, steps=390, random_steps=390, update_start_step=390, seed=0, context="hidden",
        buffer=buffer, progress=False, epochs=1,
    )  # fmt: skip
    terminals = buffer.with_truncations_as_terminals().batch(np.arange(390)).terminals[:, 0]
    assert np.flatnonzero(terminals).tolist() == [297, 298, 299]
