"""History windows online: finished and running episodes, overwritten ones, and steps of unknown contexts."""

import numpy as np
import pytest

import offctx
from offctx.data.history.settings import History
from tests.buffers.helpers import feed, make, online_steps
from tests.buffers.histories import random_history


def play(env, buffer, rng, steps):
    """Random steps in random contexts; yields after each step."""
    contexts = [(0.5, 0.2), (2.0, -0.4), (0.9, 0.7)]
    observation = None
    for _ in range(steps):
        if observation is None:
            context = np.array(contexts[rng.integers(3)])
            observation, _ = env.reset(seed=int(rng.integers(1 << 30)), options={"context": context})
        action = env.action_space.sample()
        following, reward, terminated, truncated, _ = env.step(action)
        buffer.append(observation, action, float(reward))
        observation = following
        if terminated or truncated:
            buffer.clip_episode(terminated)
            observation = None
        yield


def check(buffer, history, batch_size=20):
    """The rules of windows, by the observations of the rows that the buffer holds now."""
    table, o = buffer._episodes.table, 3
    number = {row[:o].tobytes(): i for i, row in enumerate(table["observations"])}
    assert len(number) == table.size
    episodes, ids = table["episode"], table["context_ids"]
    keys = np.where(ids < 0, -1 - episodes, ids)
    batch = buffer.sample_transition_batch(batch_size - batch_size % history.rows_per_window)
    for i, row in enumerate(number[observation[:o].tobytes()] for observation in batch.observations):
        window = batch.history.window_of_row[i]
        mask = batch.history.mask[window]
        assert not batch.history.next_observations[window][~mask].any()
        shown = np.array([number[slot[:o].tobytes()] for slot in batch.history.observations[window][mask]], dtype=int)
        assert (keys[shown] == keys[row]).all() and not ((episodes[shown] == episodes[row]) & (shown >= row)).any()
        assert history.within == "context" or (episodes[shown] == episodes[row]).all()
        if history.within == "context" and history.rows_per_window == 1 and history.shortest is None and history.keep is None:
            candidates = (keys == keys[row]) & ~((episodes == episodes[row]) & (np.arange(table.size) >= row))
            if history.draw == "last":
                candidates[row:] = False
                expected = np.flatnonzero(candidates)[-history.length :]
                assert history.shuffle or shown.tolist() == expected.tolist()
            assert len(shown) == min(history.length, candidates.sum())


@pytest.mark.parametrize("capacity", [None, 17, 40])
@pytest.mark.parametrize("seed", range(4))
def test_windows_are_right_after_every_step(seed, capacity):
    rng = np.random.default_rng(seed)
    history = random_history(rng)
    env = make(context="hidden" if seed % 2 else "append")
    env.action_space.seed(seed)
    buffer = offctx.online_buffer(env, capacity=capacity, history=history, seed=seed)
    for step, _ in enumerate(play(env, buffer, rng, 90)):
        if step % 3 == 0 or step < 5:
            check(buffer, history)


def test_the_window_of_the_newest_row_holds_the_running_episode():
    env = make()
    buffer = offctx.online_buffer(env, history=History(4))
    env.reset(seed=0, options={"context": np.array([0.5, 0.2])})
    for _ in play(env, buffer, np.random.default_rng(0), 3):
        pass
    batch = buffer.batch(np.array([2]))
    np.testing.assert_array_equal(batch.history.observations[0, 2:], buffer.table["observations"][:2])
    assert batch.history.mask.tolist() == [[False, False, True, True]]


def test_rows_that_come_and_go_between_two_draws():
    env, history = make(), History(6, "context")
    buffer = offctx.online_buffer(env, capacity=12, history=history)
    for step, _ in enumerate(play(env, buffer, np.random.default_rng(1), 200)):
        if step % 40 == 0:
            check(buffer, history)


@pytest.mark.parametrize("within", ["episode", "context"])
def test_steps_of_unknown_contexts_have_windows_of_their_episode(within, runner):
    buffer = runner.replay_buffer(context="hidden", history=History(8, within))
    size = runner.observations.shape[1]
    steps = [(observation[:size], *rest) for observation, *rest in online_steps(runner, [(5, True), (4, False), (3, True)])]
    feed(buffer, steps)
    assert (buffer.table["context_ids"][len(runner) :] == -1).all()
    for _ in range(20):
        check(buffer, buffer.history)
