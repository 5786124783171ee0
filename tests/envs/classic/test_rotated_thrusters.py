"""RotatedThrusters against an independent loop in NumPy, and what the rotation does to a controller that does not know it."""

import numpy as np
import pytest

import offctx
from offctx.envs import RotatedThrusters


def test_steps_equal_an_independent_loop() -> None:
    rng, env = np.random.default_rng(0), RotatedThrusters()
    contexts = env.context_space.sample(rng, 50)
    states, actions = rng.normal(size=(50, 4)), rng.uniform(-1, 1, (50, 2))
    next_states, rewards, terminations = env.simulate(states, actions, contexts)
    for k in range(50):
        theta, gain, wind_x, wind_y = contexts[k]
        rotation = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
        force = gain * rotation @ actions[k] + [wind_x, wind_y]
        velocity = states[k, 2:] + 0.1 * (force - 0.2 * states[k, 2:])
        position = states[k, :2] + 0.1 * velocity
        np.testing.assert_allclose(next_states[k], [*position, *velocity], rtol=1e-12)
        assert rewards[k] == pytest.approx(-(position @ position) - 0.1 * velocity @ velocity)
    assert not terminations.any()


def test_feedback_needs_to_know_the_angle() -> None:
    """A linear controller told theta brings the mass to 0 at every angle; the same without theta loses it at 1.5 rad."""

    def controller(told: bool):  # type: ignore[no-untyped-def]
        def act(observations: np.ndarray, contexts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
            push = -2 * observations[:, :2] - 2 * observations[:, 2:]
            cos, sin = (f(contexts[:, 0] if told else np.zeros(len(push))) for f in (np.cos, np.sin))
            return np.clip(np.stack([cos * push[:, 0] + sin * push[:, 1], -sin * push[:, 0] + cos * push[:, 1]], 1), -1, 1)

        return act

    contexts = RotatedThrusters.context_space.sweep("theta", [-1.5, 1.5])
    told, blind = (
        offctx.evaluate(controller(told), "offctx/RotatedThrusters-v0", contexts, episodes=8, seed=0, progress=False)
        for told in (True, False)
    )
    assert told.aer("test") > -15
    assert blind.aer("test") < 4 * told.aer("test")
