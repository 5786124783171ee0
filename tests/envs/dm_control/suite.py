"""DeepMind Control's own environments, as it ships them or with models edited by hand, beside ours."""

import importlib
import warnings
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from gymnasium.utils.seeding import np_random

pytest.importorskip("dm_control")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it looks for a display
    from dm_control.rl import control
    from dm_control.suite import common

TASKS = {
    "CartpoleBalance": ("cartpole", "balance"),
    "BallInCupCatch": ("ball_in_cup", "catch"),
    "WalkerWalk": ("walker", "walk"),
    "CheetahRun": ("cheetah", "run"),
    "ReacherEasy": ("reacher", "easy"),
    "ReacherHard": ("reacher", "hard"),
    "ReacherHardPermuted": ("reacher", "hard"),
}


def their_env(name: str, seed: int, model: str | None = None) -> Any:
    """The suite's environment, whose starts are drawn as ours are with this seed.

    Args:
        name: of our class.
        seed: as of `env.reset(seed=seed)`.
        model: its XML; the suite's own where not given.
    """
    domain, task = TASKS[name]
    module: Any = importlib.import_module(f"dm_control.suite.{domain}")
    random = np.random.RandomState(np_random(seed)[0].bit_generator)
    env = module.SUITE[task](random=random)
    if model is not None:
        physics = module.Physics.from_xml_string(model, common.ASSETS)
        env = control.Environment(physics, env.task, control_timestep=env.control_timestep())
    return env


def model_xml(name: str) -> ElementTree.Element:
    """The suite's own model file."""
    return ElementTree.fromstring(common.read_model(f"{TASKS[name][0]}.xml"))


def flat(observation: Any) -> Any:
    return np.concatenate([np.ravel(part) for part in observation.values()])


def assert_same_episode(ours: Any, theirs: Any, steps: int, mix: Any = None, **reset: Any) -> float:
    """Resets and steps both under the same actions, `mix`ed for theirs; returns the sum of rewards."""
    rng, total = np.random.default_rng(0), 0.0
    np.testing.assert_array_equal(ours.reset(**reset)[0], flat(theirs.reset().observation))
    for t in range(steps):
        action = rng.uniform(-1, 1, ours.action_space.shape)
        observation, reward, terminated, _, _ = ours.step(action)
        expected = theirs.step(action if mix is None else mix(action))
        np.testing.assert_array_equal(observation, flat(expected.observation), err_msg=f"step {t}")
        assert reward == expected.reward and not terminated, f"step {t}"
        total += reward
    return total
