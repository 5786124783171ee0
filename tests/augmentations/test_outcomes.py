"""Expansions to first order against exact simulation."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from offctx import CSE
from offctx.envs import PendulumGoal, SimpleDirection
from tests.augmentations.helpers import ID, Linear, batch_of, by_hand, rows_of


def test_the_error_against_exact_simulation_is_of_second_order(datasets: Any) -> None:
    """PendulumGoal: half the radius, a quarter of the error, in the next observation and in the reward."""
    env, rng, n = PendulumGoal(), np.random.default_rng(0), 4000
    space = env.context_space
    contexts = np.tile(space.default, (n, 1)).astype(np.float32)
    states, actions = rng.uniform([-np.pi, -3], [np.pi, 3], (n, 2)), rng.uniform(-2, 2, (n, 1))
    dnext, dreward = env.derivatives(states, actions, contexts)
    next_states, rewards, _ = env.simulate(states, actions, contexts)
    seen = [np.concatenate([env.observations(s), contexts], axis=1) for s in (states, next_states)]
    batch = dataclasses.replace(
        batch_of(datasets[True]), observations=seen[0], next_observations=seen[1], actions=actions.astype(np.float32),
        rewards=rewards[:, None].astype(np.float32), contexts=contexts, dnext_observation_dcontext=dnext.astype(np.float32),
        dreward_dcontext=dreward.astype(np.float32), context_space=space,
    )  # fmt: skip
    radii, errors = np.array([0.4, 0.2, 0.1, 0.05]), []
    for radius in radii:
        moved = CSE(radius, perturbation="sphere")(batch, np.random.default_rng(1))
        exact_states, exact_rewards, _ = env.simulate(states, actions, moved.contexts.astype(np.float64))
        gap = moved.next_observations[:, :3] - env.observations(exact_states)
        errors.append([np.abs(gap).mean(), np.abs(moved.rewards[:, 0] - exact_rewards).mean()])
    slopes = np.polyfit(np.log(radii), np.log(np.array(errors)), 1)[0]
    assert slopes == pytest.approx([2, 2], abs=0.15)


def test_simple_directions_transition_is_exact_and_its_reward_off_by_the_square(batch: Any) -> None:
    """s' is linear in c; r = (s + a + c) . c is quadratic, so what first order leaves out is |dc|^2 exactly."""
    moved = CSE(0.5)(batch, np.random.default_rng(0))
    exact, rewards, _ = SimpleDirection().simulate(batch.observations[:, :2], batch.actions, moved.contexts)
    dc = moved.contexts.astype(np.float64) - batch.contexts
    np.testing.assert_allclose(moved.next_observations[:, :2], exact, atol=1e-5)
    np.testing.assert_allclose(rewards - moved.rewards[:, 0], (dc**2).sum(axis=1), atol=1e-5)


@pytest.mark.parametrize("context", ["append", "hidden"])
def test_exact_enhancement_simulates_the_perturbed_context(datasets: Any, context: Any) -> None:
    dataset, cse = datasets[False], CSE(0.5, exact="offctx/SimpleDirection-v0")
    buffer = dataset.replay_buffer(context=context, augmentation=cse)  # derivatives are not needed
    plain = buffer.batch(np.arange(len(dataset)))
    moved = cse(plain, np.random.default_rng(0))
    same_draw = CSE(0.5).perturb(plain.contexts, dataset.context_space, np.random.default_rng(0))[0]
    assert np.array_equal(moved.contexts, same_draw)
    after = plain.observations[:, :2] + plain.actions + moved.contexts
    np.testing.assert_allclose(moved.next_observations[:, :2], after, atol=1e-6)
    np.testing.assert_allclose(moved.rewards[:, 0], (after * moved.contexts).sum(axis=1), atol=1e-5)
    assert np.array_equal(moved.observations[:, :2], plain.observations[:, :2])
    if context == "append":
        for seen in (moved.observations, moved.next_observations):
            assert np.array_equal(seen[:, 2:], moved.contexts)
    assert moved.rewards.dtype == moved.next_observations.dtype == moved.terminals.dtype == np.float32
    assert moved.rewards.shape == moved.terminals.shape == (len(dataset), 1)


def test_exact_enhancement_asks_for_what_it_needs() -> None:
    assert CSE(0.5).requires == ("dnext_observation_dcontext", "dreward_dcontext")
    assert CSE(0.5, exact="offctx/PendulumGoal-v0").requires == ("states",)
    assert CSE(0.5, exact="offctx/SimpleDirectionStochastic-v0").requires == ("states", "noise")


def test_each_sample_expands_around_its_own_context(pendulum: Any) -> None:
    """Four base contexts: at this radius first order is near the truth around a sample's own context, and around no other."""
    env, rng = PendulumGoal(), np.random.default_rng(0)
    with_states = CSE(1, exact="offctx/PendulumGoal-v0")
    plain = pendulum.replay_buffer(augmentation=with_states).batch(np.arange(len(pendulum)))
    assert len(np.unique(plain.context_ids)) == 4
    moved = CSE([0.2, 0, 0, 0.03])(plain, rng)
    assert np.abs(moved.contexts - plain.contexts).max() <= 0.2
    _, rewards, _ = env.simulate(plain.states, plain.actions, moved.contexts)
    error = np.abs(moved.rewards[:, 0] - rewards).max()
    defaults = np.tile(env.context_space.default, (len(rewards), 1))
    _, before, _ = env.simulate(plain.states, plain.actions, defaults)
    _, dreward = env.derivatives(plain.states, plain.actions, defaults)
    dc = moved.contexts.astype(np.float64)
    recorded_with_derivatives_of_default = plain.rewards[:, 0] + (dreward * (dc - plain.contexts)).sum(axis=1)
    all_around_default = before + (dreward * (dc - defaults)).sum(axis=1)
    assert error < 0.1
    for wrong in (recorded_with_derivatives_of_default, all_around_default):
        assert np.abs(wrong - rewards).max() > 3 * error


@pytest.mark.parametrize("action", ["random", "resampled", "transported"])
def test_first_order_of_action_state_and_context_together(datasets: Any, action: Any) -> None:
    """SimpleDirection's transition is linear, so exact; r = s'_bar . c_bar less the products of two changes."""
    cse = CSE(0.2, env=ID, action=action, action_radius=0.3, state_radius=[0.1, 0.0], policy=Linear())
    assert cse.requires == ("states",)
    batch = rows_of(datasets[False], cse)
    moved = cse(batch, np.random.default_rng(0))
    ds = moved.observations[:, :2] - batch.observations[:, :2]
    assert np.abs(ds[:, 0]).max() <= 0.1 + 1e-6 and (np.abs(ds[:, 0]) > 1e-4).mean() > 0.9 and (ds[:, 1] == 0).all()
    after, rewards = by_hand(batch, moved, moved.observations[:, :2])
    np.testing.assert_allclose(moved.next_observations[:, :2], after, atol=1e-5)
    dc = moved.contexts.astype(np.float64) - batch.contexts
    change = ds + (moved.actions - batch.actions) + dc
    np.testing.assert_allclose(moved.rewards[:, 0], rewards - (change * dc).sum(axis=1), atol=1e-5)
    assert np.array_equal(moved.terminals, batch.terminals)
    for seen in (moved.observations, moved.next_observations):
        assert np.array_equal(seen[:, 2:], moved.contexts)


def test_a_state_moves_in_simulator_coordinates(pendulum: Any) -> None:
    """theta and theta_dot move; the observation (cos, sin, theta_dot), the transition and the reward follow."""
    env, cse = PendulumGoal(), CSE(0.0, exact="offctx/PendulumGoal-v0", state_radius=[0.3, 0.1], perturbation="sphere")
    batch = rows_of(pendulum, cse)
    moved = cse(batch, np.random.default_rng(0))
    assert np.array_equal(moved.contexts, batch.contexts) and np.array_equal(moved.actions, batch.actions)
    theta = [np.arctan2(b.observations[:, 1], b.observations[:, 0]) for b in (batch, moved)]
    dtheta = np.angle(np.exp(1j * (theta[1] - theta[0])))
    speed = moved.observations[:, 2] - batch.observations[:, 2]
    np.testing.assert_allclose((dtheta / 0.3) ** 2 + (speed / 0.1) ** 2, 1, atol=1e-3)
    states = np.stack([theta[1], moved.observations[:, 2]], axis=1)
    after, rewards, _ = env.simulate(states, batch.actions, batch.contexts)
    np.testing.assert_allclose(moved.next_observations[:, :3], env.observations(after), atol=1e-5)
    np.testing.assert_allclose(moved.rewards[:, 0], rewards, atol=1e-4)
    first = CSE(0.0, env="offctx/PendulumGoal-v0", state_radius=[0.003, 0.001])
    near = first(batch, np.random.default_rng(0))
    ds = np.stack([np.angle(np.exp(1j * (np.arctan2(near.observations[:, 1], near.observations[:, 0]) - theta[0])))], 1)
    after, rewards, _ = env.simulate(
        np.concatenate([theta[0][:, None] + ds, near.observations[:, 2:3]], axis=1), batch.actions, batch.contexts
    )
    np.testing.assert_allclose(near.next_observations[:, :3], env.observations(after), atol=1e-5)
    np.testing.assert_allclose(near.rewards[:, 0], rewards, atol=1e-4)
    assert np.abs(near.rewards - batch.rewards).max() > 1e-3
