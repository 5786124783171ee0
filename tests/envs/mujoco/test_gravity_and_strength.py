"""HopperGravity and Walker2dGravity against Gymnasium's environments with models edited by hand, bit for bit."""

from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest

import offctx
from offctx.envs import HopperGravity

BODIES = ["Hopper", "Walker2d"]


def compare(body: str, steps: int, context: Any = None) -> float:
    """Steps ours and Gymnasium's, whose model is edited by hand; returns the lowest torso [m]."""
    ours = gymnasium.make(f"offctx/{body}Gravity-v0")
    theirs: Any = gymnasium.make(f"{body}-v5", terminate_when_unhealthy=False)
    options = {}
    if context is not None:
        model = theirs.unwrapped.model
        model.opt.gravity[2] = -context[0]
        model.actuator_gear[:] *= context[1]
        mujoco.mj_setConst(model, mujoco.MjData(model))
        options = {"context": context}
    rng, lowest = np.random.default_rng(0), np.inf
    np.testing.assert_array_equal(ours.reset(seed=5, options=options)[0], theirs.reset(seed=5)[0])
    for t in range(steps):
        action = rng.uniform(-1, 1, theirs.action_space.shape).astype(np.float32)
        (observation, reward, *ended, _), (expected, their_reward, *their_end, _) = ours.step(action), theirs.step(action)
        np.testing.assert_array_equal(observation, expected, err_msg=f"step {t}")
        assert reward == their_reward and ended == their_end == [False, t == 999], f"step {t}"
        lowest = min(lowest, float(observation[0]))
    return lowest


@pytest.mark.parametrize("body", BODIES)
def test_at_the_default_it_is_gymnasium_s_without_termination(body: str) -> None:
    assert compare(body, 1000) < 0.5, "it should have fallen, and gone on"


@pytest.mark.parametrize("context", [(4.91, 1.5), (19.62, 0.1), (0.98, 2.0)])
@pytest.mark.parametrize("body", BODIES)
def test_elsewhere_it_is_gymnasium_s_with_an_edited_model(body: str, context: tuple[float, float]) -> None:
    compare(body, 200, np.array(context))


@pytest.mark.parametrize("body", BODIES)
def test_contexts_and_splits(body: str) -> None:
    env: Any = gymnasium.make(f"offctx/{body}Gravity-v0").unwrapped
    space = env.context_space
    assert space.names == ("gravity", "actuator_strength")
    assert (space.low.tolist(), space.high.tolist(), space.default.tolist()) == ([0.98, 0.1], [19.62, 2], [9.81, 1])
    expected = offctx.aib_splits(space, {"gravity": (4.91, 14.71), "actuator_strength": (0.5, 1.5)})
    assert {name: rows.tolist() for name, rows in space.splits.items()} == {n: rows.tolist() for n, rows in expected.items()}
    assert env.derivative_steps.shape == (2,) and type(env).__name__ == f"{body}Gravity"


def test_gymnasium_s_arguments_pass_through() -> None:
    env = HopperGravity(exclude_current_positions_from_observation=False)
    assert env.observation_space.shape == (12,)
