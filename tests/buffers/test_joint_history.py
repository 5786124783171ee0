"""History windows over episodes of several environments in one buffer, finished, running and overwritten."""

import numpy as np
import pytest

import offctx
from offctx import CSE
from offctx.buffers.buffer_state import buffer_state, restore_buffer
from offctx.buffers.joint_writer import JointWriter
from offctx.data.history.settings import History
from offctx.envs.parallel_episodes import EpisodePlan, ParallelEpisodes
from offctx.envs.resolve import resolve
from tests.buffers.helpers import assert_labelled_equal, make
from tests.buffers.histories import random_history
from tests.buffers.test_online_history import check
from tests.conftest import RUNNER_CONTEXTS


def joint(buffer, contexts, seed=0, rows=None):
    """A function that makes one joint step into the buffer."""
    resolved = resolve("testing/Runner-v0")
    plan = EpisodePlan(resolved.env.context_space, contexts, rows, seed)
    episodes, rng = ParallelEpisodes(resolved, plan), np.random.default_rng(seed)
    writer = JointWriter(buffer, plan.rows)

    def step():
        actions = rng.uniform(-1, 1, (plan.rows, 1))
        made = episodes.step(actions)
        dnext, dreward = resolved.env.derivatives(made.states, made.actions, made.contexts)
        labels = {"dnext_observation_dcontext": dnext, "dreward_dcontext": dreward}
        writer.append(made, actions, labels)

    return step


@pytest.mark.parametrize("capacity", [None, 17, 40])
@pytest.mark.parametrize("seed", range(4))
def test_windows_are_right_after_every_joint_step(seed, capacity):
    history = random_history(np.random.default_rng(seed))
    env = make(context="hidden" if seed % 2 else "append")
    buffer = offctx.online_buffer(env, capacity=capacity, history=history, seed=seed)
    step = joint(buffer, RUNNER_CONTEXTS, seed)
    for t in range(40):
        step()
        if t % 3 == 0 or t < 5:
            check(buffer, history)


@pytest.mark.parametrize("within", ["episode", "context"])
def test_environments_that_share_a_context_and_change_it(within):
    """Five environments take turns in three contexts; a window never crosses contexts, nor episodes where it must not."""
    history = History(6, within, draw="random") if within == "context" else History(6)
    buffer = offctx.online_buffer(make(context="hidden"), capacity=50, history=history)
    step = joint(buffer, RUNNER_CONTEXTS, rows=5)
    for t in range(60):
        step()
        if t % 7 == 0:
            check(buffer, history)


def test_cse_moves_a_window_and_its_rows_to_one_context():
    buffer = offctx.online_buffer(make(), augmentation=CSE(0.1), history=History(4, "context", rows_per_window=2))
    step = joint(buffer, RUNNER_CONTEXTS)
    for _ in range(20):
        step()
    batch = buffer.sample_transition_batch(12)
    seen = batch.history.observations[:, :, -2:]
    for window, rows in enumerate(batch.contexts.reshape(6, 2, 2)):
        mask = batch.history.mask[window]
        assert (rows[0] == rows[1]).all() and (seen[window][mask] == rows[0]).all()


def test_a_buffer_that_is_restored_draws_the_same_windows():
    history = History(5, "context", draw="random")

    def made():
        return offctx.online_buffer(make(context="hidden"), capacity=31, history=history, seed=3)

    whole, again = made(), made()
    step = joint(whole, RUNNER_CONTEXTS)
    for _ in range(25):
        step()
    whole.sample_transition_batch(8)
    restore_buffer(again, buffer_state(whole))
    one, other = whole.sample_transition_batch(16), again.sample_transition_batch(16)
    assert_labelled_equal(one, other, ("observations", "rewards", "contexts"))
    assert_labelled_equal(one.history, other.history, ("observations", "actions", "rewards", "next_observations", "mask"))
