"""Feedback: each candidate of the search plays its own rows; feedback by hand is measured; environments that a user names."""

import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

import offctx
from offctx.envs.resolve import resolve
from offctx.errors import EnvError
from tools.reproduce import registry
from tools.reproduce.cse.by_hand import GAINS, Gains, damped_feedback, motion
from tools.reproduce.cse.environments import BY_NAME, ENVIRONMENTS
from tools.reproduce.feedback.search import SearchSettings, play, search
from tools.reproduce.frame import command

ENV = "offctx/RotatedThrusters-v0"
SWEEP = BY_NAME["RotatedThrusters"].splits()["sweep_theta"][[0, 5]]
FEW = SearchSettings(candidates=16, elites=4, rounds=6, episodes=2)


def played(gains: np.ndarray) -> np.ndarray:
    return play(ENV, gains, SWEEP, told=False, sweep=SWEEP, episodes=3, seed=0)


def test_candidates_play_apart_and_as_they_play_alone() -> None:
    gains = np.random.default_rng(0).standard_normal((3, 5, 2))
    together = played(gains)
    for candidate in range(3):
        np.testing.assert_allclose(together[candidate], played(gains[candidate : candidate + 1])[0], rtol=1e-5)
    assert len({round(float(x), 3) for x in together.mean(axis=(1, 2))}) == 3


def test_candidates_play_apart_over_a_discrete_coordinate_too() -> None:
    env = "offctx/DoubleIntegrator-v0"
    sweep = resolve(env).env.context_space.sweep("action_factor", [-1.0])
    gains = np.random.default_rng(0).standard_normal((3, 5, 2))
    returns = play(env, gains, sweep, told=False, sweep=sweep, episodes=3, seed=0)
    assert returns.shape == (3, 1, 3)
    np.testing.assert_array_equal(returns[1:2], play(env, gains[1:2], sweep, told=False, sweep=sweep, episodes=3, seed=0))


def test_the_search_beats_doing_nothing_and_the_same_seed_gives_the_same_gains() -> None:
    gains = search(ENV, SWEEP, told=False, seed=0, settings=FEW)
    np.testing.assert_array_equal(gains, search(ENV, SWEEP, told=False, seed=0, settings=FEW))
    assert played(gains[None]).mean() > played(np.zeros((1, 5, 2))).mean()
    assert gains.shape == (resolve(ENV).env.observation_space.shape[0] + 1, 2)


class Sled(offctx.envs.DifferentiableEnv):
    """Observes (velocity, a constant, position); the first action pushes backwards, by half of it, the second does nothing."""

    context_space = offctx.ContextSpace(["mass"], 0.5, 2.0, 1.0)
    observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float32)
    action_space = spaces.Box(np.array([-1, -1], np.float32), np.array([3, 1], np.float32))

    def initial_state(self, rng, context):
        return np.concatenate([rng.uniform(-1, 1, 2), [1.0]])

    def transition(self, state, action, context):
        velocity = state[..., 1:2] - 0.1 * 0.5 * action[..., :1] / context
        return torch.cat([state[..., :1] + 0.1 * velocity, velocity, state[..., 2:]], dim=-1)

    def observe(self, state):
        return torch.stack([state[..., 1], state[..., 2], state[..., 0]], dim=-1)

    def reward(self, state, action, next_state, context):
        return -(next_state[..., 0] ** 2)


@pytest.fixture
def sled() -> str:
    gymnasium.register("Sled-v0", entry_point=Sled, max_episode_steps=50)
    yield "Sled-v0"
    del gymnasium.registry["Sled-v0"]


def test_positions_velocities_and_the_direction_of_actions_are_measured(sled: str) -> None:
    found = motion(sled)
    assert (found.positions.tolist(), found.velocities.tolist()) == ([2], [0])
    assert found.directions.tolist() == [[-1], [0]]
    act = damped_feedback(sled, Gains(0.25, 0.5))
    observations = np.array([[1.0, 7.0, 0.5], [0.0, 0.0, 100.0]])  # wanted: -(-0.25 * 0.5 - 0.5 * 1), and more than the bound
    assert act(observations, np.zeros((2, 1)), np.random.default_rng(0)).tolist() == [[1 + 2 * 0.625, 0], [3, 0]]
    thrusters = damped_feedback(ENV, GAINS)(np.array([[0.5, -0.1, 0.25, 0.0]]), np.zeros((1, 4)), np.random.default_rng(0))
    np.testing.assert_allclose(thrusters, [[-1.0, 0.1]])


def test_the_environments_with_feedback_by_hand_are_those_with_positions_and_velocities() -> None:
    for entry in ENVIRONMENTS:
        if entry.by_hand:
            assert motion(entry.env).directions.tolist() == [[1, 0], [0, 1]]
    for env, text in (
        ("offctx/SimpleDirection-v0", "none in the 2"),
        ("offctx/CartGoal-v0", r"expected continuous.*Discrete\(2\)"),
    ):
        with pytest.raises(EnvError, match=text):
            motion(env)


def run(tmp_path: Path, *words: str) -> tuple[str, dict]:
    folders = ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    options = command.parse(registry.load("feedback"), ["report", *words, *folders])
    for cell in registry.load("feedback").cells(options):
        cell.run()
    command.run(registry.load("feedback"), ["report", *words, *folders])
    return (tmp_path / "out" / "feedback.md").read_text(), json.loads((tmp_path / "out" / "feedback.json").read_text())


def test_an_environment_that_the_user_names(tmp_path: Path, sled: str) -> None:
    text, stored = run(tmp_path, "--env", sled, "--sweep", "mass=0.5,2", "--seeds", "1", "--quick")
    (answer,) = stored["answers"]
    assert answer["sweep"] == "sweep_mass" and stored["missing"] == [] and stored["gains"] == {"kp": 1, "kd": 4}
    by_hand = np.array(answer["returns_by_start_state"]["by hand"])
    assert by_hand.shape == (1, 4) and by_hand.mean() == pytest.approx(answer["by hand"]["estimate"], abs=1e-4)
    assert f"{answer['told - by hand']['estimate']:.0f} [" in text and "| mass |" in text


def test_by_hand_alone_needs_no_search_and_has_the_gains_that_are_given(tmp_path: Path) -> None:
    words = ("--only", "RotatedThrusters", "--kinds", "by-hand", "--gains", "2", "3", "--quick")
    text, stored = run(tmp_path, *words)
    assert "a = clip(-2 p - 3 v, -1, 1)" in text and len(stored["answers"]) == 4
    assert set(stored["answers"][0]["returns_by_start_state"]) == {"by hand"} and "--gains 2.0 3.0" in stored["command"]
    options = command.parse(registry.load("feedback"), ["--only", "RotatedThrusters", "--kinds", "by-hand", "--quick"])
    default = {cell.path.parent.name for cell in registry.load("feedback").cells(options)}
    assert default == {"by-hand"} and len(list(tmp_path.rglob("by-hand-2-3/seed0.json"))) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--env", "offctx/CartGoal-v0"], r"expected continuous actions with bounds.*Discrete\(2\)"),
        (
            ["--env", "offctx/SimpleDirection-v0", "--kinds", "by-hand"],
            "expected positions and their velocities.*none in the 2",
        ),
        (["--env", "CartPole-v1"], "expected the id or factory of an offctx.envs.ContextualEnv"),
        (["--gains", "0", "nan"], "expected two positive numbers; found 0.0 nan"),
        (["--sweep", "theta"], "expected --env beside it"),
    ],
)
def test_what_feedback_cannot_do_is_refused_at_the_door(words: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=message):
        command.run(registry.load("feedback"), [*words, "--list", "--work", str(tmp_path), "--out", str(tmp_path)])


def test_an_environment_without_positions_says_why_it_has_no_feedback_by_hand(tmp_path: Path) -> None:
    text, stored = run(tmp_path, "--env", "offctx/SimpleDirection-v0", "--sweep", "c_x=-1,1", "--seeds", "1", "--quick")
    assert "Without feedback by hand:" in text and "expected positions and their velocities in the observation" in text
    assert "by hand" not in stored["answers"][0] and "told - not told" in stored["answers"][0]
