"""Augmentations of batches with history windows: a window and its rows stay in one context."""

import dataclasses

import numpy as np
import pytest

import offctx
from offctx.data.history.windows import SHOWN
from offctx.errors import DatasetError
from tests.buffers.histories import numbered_dataset

PENDULUM = "offctx/PendulumGoal-v0"
HISTORY = offctx.History(6, "context", "random", shortest=0, rows_per_window=3)


def pair(dataset, augmentation, history=HISTORY, context="append", seed=4, size=30):
    """The same batch without and with the augmentation."""
    return tuple(
        dataset.replay_buffer(context=context, augmentation=a, history=history, seed=seed).sample_transition_batch(size)
        for a in (None, augmentation)
    )


def slot_rows(dataset, windows):
    """The row of the dataset in each slot that is filled (n,)."""
    o = dataset.observations.shape[1]
    number = {row.tobytes(): i for i, row in enumerate(dataset.observations.astype(np.float32))}
    return np.array([number[row[:o].tobytes()] for row in windows.observations[windows.mask]])


def contexts_of_slots(batch):
    return np.repeat(batch.contexts[batch.history.first_rows()], batch.history.lengths, axis=0)


def assert_window_contexts(batch):
    """Rows of a window share a context, which its slots show where contexts are appended; empty slots are zero."""
    windows, p = batch.history, batch.contexts.shape[1]
    np.testing.assert_array_equal(batch.contexts, windows.per_row(batch.contexts[windows.first_rows()]))
    for name in SHOWN:
        assert not getattr(windows, name)[~windows.mask].any(), name
    for name in ("observations", "next_observations"):
        if batch.context == "append":
            np.testing.assert_array_equal(getattr(windows, name)[windows.mask][:, -p:], contexts_of_slots(batch))


@pytest.mark.parametrize("context", ["append", "hidden"])
def test_cse_moves_a_window_by_its_own_derivatives(context):
    dataset = numbered_dataset(np.random.default_rng(0))
    plain, moved = pair(dataset, offctx.CSE(0.2), context=context)
    assert_window_contexts(moved)
    dc = moved.contexts - plain.contexts
    assert np.abs(dc).min() > 0 and len(np.unique(dc)) == len(moved.history)
    of_slots = contexts_of_slots(moved) - contexts_of_slots(plain)
    mask = plain.history.mask
    number = plain.history.rewards[mask]
    np.testing.assert_array_equal(moved.history.observations[mask][:, :2], plain.history.observations[mask][:, :2])
    np.testing.assert_array_equal(moved.history.actions, plain.history.actions)
    expected = number * (1 + of_slots * [1, 2])
    np.testing.assert_allclose(moved.history.next_observations[mask][:, :2], expected, rtol=1e-5)
    np.testing.assert_allclose(moved.history.rewards[mask], number * (1 + of_slots), rtol=1e-5)
    np.testing.assert_allclose(moved.rewards, plain.rewards * (1 + dc), rtol=1e-5)


@pytest.mark.parametrize("context", ["append", "hidden"])
@pytest.mark.parametrize("action", ["unchanged", "random"])
def test_exact_cse_simulates_the_window_in_the_new_context(context, action, pendulum):
    cse = offctx.CSE([0.1, 0, 0, 0.1], exact=PENDULUM, action=action)
    plain, moved = pair(pendulum, cse, context=context)
    assert_window_contexts(moved)
    rows, mask = slot_rows(pendulum, plain.history), plain.history.mask
    env = offctx.envs.PendulumGoal()
    states, rewards, _ = env.simulate(pendulum.states[rows], pendulum.actions[rows], contexts_of_slots(moved).astype(float))
    o = pendulum.observations.shape[1]
    np.testing.assert_allclose(moved.history.next_observations[mask][:, :o], env.observations(states), atol=1e-5)
    np.testing.assert_allclose(moved.history.rewards[mask][:, 0], rewards, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(moved.history.actions, plain.history.actions)  # those that were seen
    assert (moved.actions != plain.actions).any() == (action == "random")


def test_first_order_by_the_environment_is_that_of_stored_derivatives(pendulum):
    stored = pair(pendulum, offctx.CSE([0.1, 0, 0, 0.1]))[1]
    computed = pair(pendulum, offctx.CSE([0.1, 0, 0, 0.1], env=PENDULUM, action="random", action_radius=0.0))[1]
    np.testing.assert_array_equal(stored.contexts, computed.contexts)
    for name in SHOWN:
        np.testing.assert_allclose(getattr(stored.history, name), getattr(computed.history, name), atol=2e-4, err_msg=name)


def test_jitter_moves_the_appended_contexts_alone(pendulum):
    plain, moved = pair(pendulum, offctx.ContextJitter([0.1, 0, 0, 0.1]))
    enhanced = pair(pendulum, offctx.CSE([0.1, 0, 0, 0.1]))[1]
    assert_window_contexts(moved)
    np.testing.assert_array_equal(moved.contexts, enhanced.contexts)
    np.testing.assert_array_equal(moved.history.rewards, plain.history.rewards)
    p = plain.contexts.shape[1]
    for name in ("observations", "next_observations"):
        np.testing.assert_array_equal(getattr(moved.history, name)[..., :-p], getattr(plain.history, name)[..., :-p])


def test_relabelling_gives_the_window_the_rewards_of_its_new_context(pendulum):
    plain, moved = pair(pendulum, offctx.RewardRelabelling(PENDULUM, ["tau"]))
    assert_window_contexts(moved)
    rows, mask = slot_rows(pendulum, plain.history), plain.history.mask
    env = offctx.envs.PendulumGoal()
    _, rewards, _ = env.simulate(pendulum.states[rows], pendulum.actions[rows], contexts_of_slots(moved).astype(float))
    np.testing.assert_allclose(moved.history.rewards[mask][:, 0], rewards, rtol=1e-4, atol=1e-5)
    assert len(np.unique(moved.contexts, axis=0)) == len(moved.history) > len(np.unique(plain.contexts, axis=0))


def test_pessimism_leaves_windows_as_an_agent_sees_them(pendulum):
    plain, lowered = pair(pendulum, offctx.Pessimism(1.0, size=8))
    assert (lowered.rewards < plain.rewards).all()
    for name in SHOWN:
        np.testing.assert_array_equal(getattr(lowered.history, name), getattr(plain.history, name))


def test_noise_of_windows_is_their_own():
    dataset = numbered_dataset(np.random.default_rng(1), contexts=1, episodes=2, longest=90)
    plain, noisy = pair(dataset, offctx.ObservationNoise([0.5, 0.0]), offctx.History(20), size=400)
    alone = dataset.replay_buffer(seed=4, augmentation=offctx.ObservationNoise([0.5, 0.0])).sample_transition_batch(400)
    np.testing.assert_allclose(noisy.observations - plain.observations, alone.observations - plain.observations, atol=1e-5)
    assert_window_contexts(noisy)
    for name in ("observations", "next_observations"):
        noise = (getattr(noisy.history, name) - getattr(plain.history, name))[plain.history.mask]
        assert abs(noise[:, 0].std() - 0.5) < 0.02 and abs(noise[:, 0].mean()) < 0.02 and not noise[:, 1:].any()


def test_a_list_changes_windows_in_order():
    dataset = numbered_dataset(np.random.default_rng(0))
    one = pair(dataset, [offctx.CSE(0.2), offctx.ObservationNoise([0.0, 0.3])])[1]
    other = pair(dataset, offctx.CSE(0.2))[1]
    np.testing.assert_array_equal(one.contexts, other.contexts)
    np.testing.assert_array_equal(one.history.rewards, other.history.rewards)
    np.testing.assert_array_equal(one.history.next_observations[..., 0], other.history.next_observations[..., 0])
    assert (one.history.next_observations[..., 1] != other.history.next_observations[..., 1]).any()
    assert_window_contexts(one)


class Careless(offctx.Augmentation):
    """Says that it handles windows, and writes into empty slots."""

    handles_history = True

    def __call__(self, batch, rng):
        return dataclasses.replace(batch, history=dataclasses.replace(batch.history, rewards=batch.history.rewards + 1))


class Forgetful(Careless):
    def __call__(self, batch, rng):
        return dataclasses.replace(batch, history=None)


def test_augmentations_that_do_wrong_by_windows_are_refused(runner):
    history = offctx.History(4)
    with pytest.raises(DatasetError, match=r"Careless to return history.rewards that is zero in slots that are not filled"):
        runner.replay_buffer(history=history, augmentation=Careless()).sample_transition_batch(16)
    with pytest.raises(DatasetError, match=r"expected Forgetful to return history, as the batch .* has it; it returned None"):
        runner.replay_buffer(history=history, augmentation=Forgetful()).sample_transition_batch(16)
    with pytest.raises(DatasetError, match=r"<lambda> does not say what it does to history windows"):
        runner.replay_buffer(history=history, augmentation=[offctx.ObservationNoise(0.1), lambda batch, rng: batch])
