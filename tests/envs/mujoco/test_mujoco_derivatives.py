"""Context derivatives in MuJoCo: rollout and stepping agree, and the error estimate is large where contacts change."""

from typing import Any

import mujoco
import numpy as np
import pytest

import offctx.envs
from offctx.envs import CheetahVelocity, MujocoPhysics
from offctx.envs.registry import ENVIRONMENTS

CLASSES = {getattr(offctx.envs, row.class_name) for row in ENVIRONMENTS}
CLOSED_FORM = sorted((c for c in CLASSES if c.derivative_source == "closed form"), key=lambda c: c.__name__)
FOUR = ["gravity", "mass", "friction", "gear"]


def transitions(env: Any, episodes: int, steps: int, contexts: Any = None, seed: int = 0) -> tuple[Any, Any, Any]:
    """States, actions and contexts of random episodes."""
    rng, space = np.random.default_rng(seed), env.context_space
    contexts = np.tile(space.default, (episodes, 1)) if contexts is None else contexts
    state = np.stack([env.initial_state(rng, c) for c in contexts])
    states, actions = [], []
    for _ in range(steps):
        action = rng.uniform(-1, 1, (len(state), *env.action_space.shape)).astype(np.float32)
        states, actions = [*states, state], [*actions, action]
        state = env.simulate(state, action, contexts)[0]
    return np.concatenate(states), np.concatenate(actions), np.tile(contexts, (steps, 1))


@pytest.fixture(scope="module")
def cheetah() -> Any:
    return MujocoPhysics("HalfCheetah-v5", FOUR)


def test_two_step_sizes_agree_away_from_contact_switches(cheetah: Any) -> None:
    rows = transitions(cheetah, 20, 40)
    _, _, error = cheetah.derivatives_with_error(*rows)
    assert (error <= cheetah.derivative_tolerance).mean() >= 0.99
    assert np.median(error) < 1e-8


def test_a_row_at_a_contact_switch_has_a_large_error(cheetah: Any) -> None:
    """With steps wide enough for contacts to change between them, rows whose contacts do are those with large errors."""
    rows = transitions(cheetah, 20, 40)
    wide = MujocoPhysics("HalfCheetah-v5", FOUR)
    wide.derivative_steps = 1e-2 * np.abs(wide.context_space.default)
    _, _, error = wide.derivatives_with_error(*rows)
    switched = contacts_change(wide, *rows)
    assert 0.02 < switched.mean() < 0.98
    flagged = error > 1e-3  # the tolerance scales with the square of the step; contacts alone move it this far
    assert flagged[switched].mean() > 3 * flagged[~switched].mean()


def contacts_change(env: Any, states: Any, actions: Any, contexts: Any) -> Any:
    """Whether the number of contacts after the step differs between contexts moved up and down along some coordinate."""
    counts = []
    for offset in (*np.diag(env.derivative_steps), *-np.diag(env.derivative_steps)):
        workspace, counts_of_rows = env.simulator.workspace(), []
        for state, action, context in zip(states, actions, contexts + offset, strict=True):
            workspace.set_context(context)
            mujoco.mj_setState(workspace.model, workspace.data, state[: env.simulator.layout.end], 8223 | 32)
            workspace.data.ctrl[:] = action
            counts_of_row = []
            for _ in range(env.simulator.frame_skip):
                mujoco.mj_step(workspace.model, workspace.data)
                counts_of_row.append((workspace.data.ncon, workspace.data.nefc))
            counts_of_rows.append(counts_of_row)
        counts.append(counts_of_rows)
    counts = np.array(counts)
    return (counts != counts[0]).any(axis=(0, 2, 3))


def test_rollout_and_stepping_give_the_same_bits(cheetah: Any) -> None:
    contexts = np.repeat(cheetah.context_space.sample(np.random.default_rng(1), 2), 8, axis=0)
    rows = transitions(cheetah, 16, 10, contexts)
    together = cheetah.derivatives_with_error(*rows)  # 80 rows a context: by mujoco.rollout
    one_by_one = [cheetah.derivatives_with_error(*(array[i : i + 1] for array in rows)) for i in range(len(rows[0]))]
    for k in range(3):
        np.testing.assert_array_equal(together[k], np.concatenate([part[k] for part in one_by_one]))


def test_derivatives_predict_a_small_move_of_the_context(cheetah: Any) -> None:
    states, actions, contexts = transitions(cheetah, 10, 20)
    dnext, dreward, error = cheetah.derivatives_with_error(states, actions, contexts)
    dc = 1e-4 * np.array([9.81, -1, 1, 0.5])
    before, after = (cheetah.simulate(states, actions, contexts + move) for move in (0, dc))
    moved = cheetah.observations(after[0]) - cheetah.observations(before[0])
    good = error < 1e-6
    gap = np.linalg.norm(moved - dnext @ dc, axis=1)[good] / np.linalg.norm(moved, axis=1)[good]
    assert np.quantile(gap, 0.9) < 1e-3
    reward_gap = np.abs((after[1] - before[1]) - dreward @ dc)[good]
    assert np.quantile(reward_gap, 0.9) < 1e-3 * np.abs(dreward @ dc).max()


@pytest.mark.parametrize("family", CLOSED_FORM)
def test_reward_contexts_have_their_closed_form(family: Any) -> None:
    env = family()
    rng, space = np.random.default_rng(0), env.context_space
    rows = transitions(env, 8, 5, space.sample(rng, 8))
    dnext, dreward = env.derivatives(*rows)
    assert not dnext.any()
    h = 1e-6
    for k in range(space.size):
        up, down = (env.simulate(rows[0], rows[1], rows[2] + sign * h * np.eye(space.size)[k])[1] for sign in (1, -1))
        np.testing.assert_allclose(dreward[:, k], (up - down) / (2 * h), rtol=1e-6, atol=1e-8)


def test_rewards_are_those_of_the_paper() -> None:
    env = CheetahVelocity()
    env.reset(seed=0, options={"context": [-1.0]})
    before = env._state.copy()
    action = np.full(6, 0.5, np.float32)
    _, reward, _, _, info = env.step(action)
    speed = (info["state"][1] - before[1]) / 0.05  # x lies behind the time
    assert reward == pytest.approx(1 - np.sqrt(1 + (speed + 1) ** 2) - 0.1 * 6 * 0.25)


def test_states_from_positions_velocities_or_observations(cheetah: Any) -> None:
    states, actions, contexts = transitions(cheetah, 4, 10)
    layout = cheetah.simulator.layout
    for rebuilt in (
        cheetah.states_from_physics(states[:, layout.qpos], states[:, layout.qvel]),
        cheetah.states_from_observations(cheetah.observations(states)),
    ):
        again, first = (cheetah.simulate(rows, actions, contexts) for rows in (rebuilt, states))
        np.testing.assert_allclose(cheetah.observations(again[0]), cheetah.observations(first[0]), atol=1e-4)
        np.testing.assert_allclose(again[1], first[1], atol=1e-4)
