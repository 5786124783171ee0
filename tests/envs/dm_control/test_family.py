"""What all tasks of DeepMind Control promise beside their numbers."""

import importlib.abc
import importlib.util
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import offctx
import offctx.envs
from offctx.envs.dm_control.compiled import CompiledModels
from offctx.envs.dm_control.suite_files import suite_model
from offctx.envs.random_transitions import random_transitions
from offctx.envs.resolve import resolve
from offctx.errors import ContextError, EnvError
from tests.envs.dm_control.suite import TASKS

TRAINING = {
    "CartpoleBalance": {"pole_length": (0.3, 0.85)},
    "BallInCupCatch": {"gravity": (8, 12), "string_length": (0.24, 0.36)},
    "WalkerWalk": {"gravity": (4.91, 14.71), "actuator_strength": (0.5, 1.5)},
    "CheetahRun": {"limb_length": (0.8, 1.2)},
    "ReacherEasy": {"arm_length": (0.8, 1.2)},
    "ReacherHard": {"arm_length": (0.8, 1.2)},
    "ReacherHardPermuted": {"arm_length": (0.8, 1.2)},
}


@pytest.mark.parametrize("name", TASKS)
def test_splits_are_those_of_the_benchmark(name: str) -> None:
    space = getattr(offctx.envs, name).context_space
    expected = offctx.aib_splits(space, TRAINING[name])
    assert space.splits.keys() == expected.keys() == {"train", "eval-in", "eval-out"}
    for split, contexts in expected.items():
        np.testing.assert_array_equal(space.splits[split], contexts)


def test_without_dm_control_the_ids_are_there_and_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for name in TASKS:
        with pytest.raises(EnvError, match=r"pip install 'offctx\[dm-control\]'"):
            gymnasium.make(f"offctx/{name}-v0")


class Raises(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name == "dm_control":
            raise RuntimeError("the GL backend is gone")


def test_a_dm_control_that_cannot_be_located_says_what_was_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def made() -> str:
        with pytest.raises(EnvError) as error:
            gymnasium.make("offctx/CheetahRun-v0")
        return str(error.value)

    monkeypatch.delitem(sys.modules, "dm_control", raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "meta_path", [Raises(), *sys.meta_path])
        assert "RuntimeError: the GL backend is gone" in made() and "pip install 'offctx[dm-control]'" in made()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "dm_control", types.ModuleType("dm_control"))  # a stub, without a specification
        assert "__spec__" in made() and "pip install 'offctx[dm-control]'" in made()
    (tmp_path / "dm_control.py").write_text("raise SystemExit")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        assert f"{tmp_path / 'dm_control.py'} is another module" in made()
    (tmp_path / "dm_control.py").unlink()
    (tmp_path / "dm_control").mkdir()
    (tmp_path / "dm_control" / "__init__.py").write_text("raise RuntimeError")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        text = made()
        assert str(tmp_path) in text and "FileNotFoundError" in text and "pip install --force-reinstall dm_control" in text


def test_nothing_of_dm_control_is_imported_and_so_no_renderer() -> None:
    code = """
import sys, mujoco
before = set(sys.modules)  # mujoco imports glfw itself
import gymnasium, numpy, offctx.envs
env = gymnasium.make("offctx/CheetahRun-v0")
env.reset(seed=0, options={"context": [1.3, -1]})
env.step(env.action_space.sample())
env.unwrapped.derivatives(env.unwrapped._state[None], numpy.zeros((1, 6)), env.unwrapped.context[None])
print([name for name in set(sys.modules) - before if name.split(".")[0] in ("dm_control", "dm_env", "glfw", "OpenGL", "torch")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert "deprecated" not in done.stderr


def test_an_episode_ends_at_its_time_limit_only() -> None:
    env = gymnasium.make("offctx/WalkerWalk-v0")
    env.reset(seed=0)
    ends = [env.step(np.ones(6))[2:4] for _ in range(1000)]
    assert ends == [(False, False)] * 999 + [(False, True)]


def test_a_model_is_compiled_once_for_each_length(monkeypatch: pytest.MonkeyPatch) -> None:
    env: Any = offctx.envs.CartpoleBalance()
    compiled: list[Any] = []
    original = CompiledModels._compiled_changes
    monkeypatch.setattr(CompiledModels, "_compiled_changes", lambda self, l: compiled.append(l[0]) or original(self, l))
    lengths = np.array([[length, factor] for length in (0.3, 0.5, 0.7) for factor in (-1, 1)])
    for _ in range(3):
        states = np.stack([env.initial_state(np.random.default_rng(0), context) for context in lengths])
        env.simulate(states, np.ones((6, 1)), lengths)
    assert compiled == [0.3, 0.7]  # the default's is there
    env.derivatives(states, np.ones((6, 1)), lengths)
    assert len(compiled) == len(set(compiled)) == 2 + 2 * 3


def test_rows_that_go_on_and_rows_that_are_new_get_the_same_bits() -> None:
    """More rows than data is kept for, in every order, twice the same state, and one row alone in a fresh environment."""
    env: Any = offctx.envs.CheetahRun(threads=2)
    rng = np.random.default_rng(0)
    contexts = np.repeat(env.context_space.splits["train"], 5, axis=0)
    states = np.stack([env.initial_state(rng, context) for context in contexts])
    states[1] = states[0]
    for _ in range(4):
        actions = rng.uniform(-1, 1, (len(states), 6))
        order = rng.permutation(len(states))
        next_states = env.simulate(states, actions, contexts)[0]
        few = env.simulate(states[order][:7], actions[order][:7], contexts[order][:7])[0]
        np.testing.assert_array_equal(few, next_states[order][:7])
        fresh = offctx.envs.CheetahRun().simulate(states[7:8], actions[7:8], contexts[7:8])[0]
        np.testing.assert_array_equal(fresh[0], next_states[7])
        states = next_states


@pytest.mark.parametrize(("name", "tight"), [("CartpoleBalance", 1e-7), ("WalkerWalk", 1e-8), ("CheetahRun", 1e-7)])
def test_derivatives_have_an_error_estimate(name: str, tight: float) -> None:
    env: Any = getattr(offctx.envs, name)()
    rng = np.random.default_rng(0)
    contexts = env.context_space.splits["train"]
    states = np.stack([env.initial_state(rng, context) for context in contexts])
    dnext, dreward, error = env.derivatives_with_error(states, rng.uniform(-1, 1, (20, *env.action_space.shape)), contexts)
    assert dnext.shape == (20, *env.observation_space.shape, 2) and dreward.shape == (20, 2)
    assert np.median(error) < tight and (error <= env.derivative_tolerance).mean() >= 0.9
    assert (np.abs(dnext[..., env.context_space.continuous]).max(axis=1) > 0).all()
    assert not dnext[..., ~env.context_space.continuous].any()


def test_lengths_that_are_none_are_refused() -> None:
    env = offctx.envs.CheetahRun()
    with pytest.raises(ContextError, match="limb_length > 0"):
        env.reset(options={"context": {"limb_length": 0.0}, "extrapolate": True})
    with pytest.raises(ContextError, match="action_factor"):
        env.reset(options={"context": {"action_factor": 0.5}})
    observation, _ = env.reset(seed=0, options={"context": {"limb_length": 2.0}, "extrapolate": True})
    assert np.isfinite(observation).all()


def test_a_model_that_mujoco_refuses_is_an_error_with_its_lengths() -> None:
    def edit(spec: Any, lengths: Any) -> None:
        spec.geom("pole_1").size[0] = lengths[0]

    models = CompiledModels(suite_model("cartpole"), edit, np.array([0.045]))
    with pytest.raises(EnvError, match=r"lengths \[-1.0\]"):
        models.apply(models.model, np.array([-1.0]))


def test_an_unknown_model_is_an_error() -> None:
    with pytest.raises(EnvError, match="no usable model of 'zebra'"):
        suite_model("zebra")


def test_an_unstable_simulation_is_an_error_as_in_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as actuators that are far too strong: MuJoCo itself warns, and goes on from rest."""
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log
    env = offctx.envs.WalkerWalk()
    env.reset(seed=0, options={"context": {"actuator_strength": 1e5}, "extrapolate": True})
    with pytest.raises(EnvError, match=r"WalkerWalk: MuJoCo finds the simulation unstable .* actuator_strength=100000"):
        for _ in range(20):
            env.step(np.ones(6))


@pytest.mark.parametrize("name", ["CartpoleBalance", "BallInCupCatch", "WalkerWalk", "CheetahRun"])
def test_observations_determine_what_happens_next(name: str) -> None:
    (states, actions, contexts, _), (next_states, rewards, _) = random_transitions(resolve(f"offctx/{name}-v0"), 0, episodes=8)
    env: Any = getattr(offctx.envs, name)()
    again = env.states_from_observations(env.observations(states))
    found, found_rewards, _ = env.simulate(again, actions, contexts)
    np.testing.assert_allclose(env.observations(found), env.observations(next_states), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found_rewards, rewards, rtol=1e-4, atol=1e-6)


def test_targets_are_not_in_positions_and_velocities() -> None:
    env = offctx.envs.ReacherHard()
    with pytest.raises(EnvError, match="qpos and qvel do not determine"):
        env.states_from_physics(np.zeros((1, 2)), np.zeros((1, 2)))
    with pytest.raises(EnvError, match=r"expected qpos \(N, 2\)"):
        env.states_from_physics(np.zeros((1, 3)), np.zeros((1, 2)))
    with pytest.raises(EnvError, match="infos/state is needed"):
        env.states_from_observations(np.zeros((1, 6)))


def test_a_string_with_which_every_start_touches_the_ground_is_an_error() -> None:
    env = offctx.envs.BallInCupCatch()
    with pytest.raises(EnvError, match=r"no start without contact found in 10,000 draws, .*string_length=0\.99"):
        env.reset(seed=0, options={"context": [9.81, 0.99], "extrapolate": True})
    env.reset(seed=0, options={"context": [9.81, 0.6], "extrapolate": True})


@pytest.mark.parametrize("threads", [0, "a", -2, True])
@pytest.mark.parametrize("name", ["BallInCupCatch", "WalkerWalk", "HopperGravity", "CheetahVelocity"])
def test_threads_are_checked_when_an_environment_is_made(name: str, threads: Any) -> None:
    with pytest.raises(EnvError, match="threads must be a whole number, at least 1; found"):
        getattr(offctx.envs, name)(threads=threads)
