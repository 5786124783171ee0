"""Relabelling by the true reward: rewards by hand, transitions untouched, coordinates of the dynamics refused."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

import offctx
from offctx import RewardRelabelling
from offctx.errors import ContextError

ENV = "offctx/PendulumGoal-v0"


@pytest.fixture(scope="module")
def pendulum(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(tmp_path_factory.mktemp("datasets")))
        yield offctx.collect(ENV, "offctx/test/pendulum-v0", episodes_per_context=2, seed=0, progress=False)


@pytest.mark.parametrize("context", ["append", "hidden"])
def test_rewards_are_those_of_the_drawn_contexts(context: Any, pendulum: Any) -> None:
    plain = pendulum.replay_buffer(context=context, seed=1).sample_transition_batch(256)
    drawn = pendulum.replay_buffer(
        context=context, augmentation=RewardRelabelling(ENV, ["tau"]), seed=1
    ).sample_transition_batch(256)
    tau = drawn.contexts[:, 3]
    assert tau.min() < -0.9 and tau.max() > 0.9 and abs(tau.mean()) < 0.15, "uniform within the bounds"
    np.testing.assert_array_equal(drawn.contexts[:, :3], plain.contexts[:, :3])
    cos, sin, theta_dot = drawn.next_observations[:, :3].T.astype(np.float64)
    goal = np.arcsin(-tau.astype(np.float64) / 2)  # m g l = 2
    angle = np.arctan2(sin, cos) - goal
    by_hand = -(np.pi**2 * np.sin(angle / 2) ** 2 + 0.1 * theta_dot**2 + 0.001 * drawn.actions[:, 0] ** 2)
    np.testing.assert_allclose(drawn.rewards[:, 0], by_hand, rtol=1e-4, atol=1e-4)
    for name in ("actions", "terminals"):
        np.testing.assert_array_equal(getattr(drawn, name), getattr(plain, name), err_msg=name)
    np.testing.assert_array_equal(drawn.next_observations[:, :3], plain.next_observations[:, :3])
    if context == "append":
        np.testing.assert_array_equal(drawn.observations[:, 3:], drawn.contexts)
        np.testing.assert_array_equal(drawn.next_observations[:, 3:], drawn.contexts)


def test_a_coordinate_of_the_dynamics_is_refused(pendulum: Any) -> None:
    buffer = pendulum.replay_buffer(augmentation=RewardRelabelling(ENV, ["tau", "g"]))
    with pytest.raises(ContextError, match=r"\['tau', 'g'\] change the next observation"):
        buffer.sample_transition_batch(32)


def test_unknown_and_missing_coordinates_are_refused(pendulum: Any) -> None:
    with pytest.raises(ContextError, match="at least one coordinate"):
        RewardRelabelling(ENV, [])
    with pytest.raises(ContextError, match="at least one coordinate"):
        RewardRelabelling(ENV, None)  # type: ignore[arg-type]
    with pytest.raises(ContextError, match="names a coordinate twice"):
        RewardRelabelling(ENV, ["tau", "tau"])
    with pytest.raises(ContextError, match="torque"):
        RewardRelabelling(ENV, ["torque"])
    with pytest.raises(ContextError, match="environment has the context"):
        pendulum.replay_buffer(augmentation=RewardRelabelling("offctx/SimpleDirection-v0", ["c_x"]))


def test_discrete_coordinates_are_refused() -> None:
    env = offctx.envs.MujocoPhysics("Hopper-v5", {"inversion": (0, 1), "gravity": (5, 15)})
    with pytest.raises(ContextError, match="continuous coordinates within finite bounds"):
        RewardRelabelling(lambda: TimeLimit(env, max_episode_steps=10), ["inversion"])


def test_its_repr_names_the_coordinates() -> None:
    assert repr(RewardRelabelling(ENV, "tau")) == "RewardRelabelling(PendulumGoal, ['tau'])"


class _RoundedStates(offctx.Augmentation):
    """Moves states by more than float32 rounds, as contacts in MuJoCo amplify a rounded state."""

    requires = ("states",)

    def __call__(self, batch: Any, rng: np.random.Generator) -> Any:
        return dataclasses.replace(batch, states=batch.states + np.float32(1e-3))


@pytest.mark.parametrize(("coordinates", "refused"), [(["tau"], False), (["tau", "g"], True)])
def test_states_that_do_not_lead_to_the_stored_next_observations(coordinates: Any, refused: bool, pendulum: Any) -> None:
    augmentations = [_RoundedStates(), RewardRelabelling(ENV, coordinates)]
    buffer = pendulum.replay_buffer(augmentation=augmentations, seed=1)
    if refused:
        with pytest.raises(ContextError, match="change the next observation"):
            buffer.sample_transition_batch(32)
        return
    exact = pendulum.replay_buffer(augmentation=augmentations[1], seed=1).sample_transition_batch(32)
    np.testing.assert_allclose(buffer.sample_transition_batch(32).rewards, exact.rewards, atol=0.1)
