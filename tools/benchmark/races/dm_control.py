"""Stepping 20 contexts of a task of DeepMind Control side by side, against `dm_control`'s own loop over environments."""

import importlib
import warnings
from typing import Any

import numpy as np
from gymnasium.utils.seeding import np_random

from offctx.envs.rollout import episode_seeds
from tools.benchmark.bench import Bench, Size
from tools.benchmark.race import Measurement, Race
from tools.benchmark.timing import alternate, timed

_THREADS = 2
_STEPS = Size(full=400, quick=10)


def suite_environment(ours: Any, domain: str, task: str, context: Any, seed: int) -> Any:
    """The suite's environment with our model of a context, whose starts are those of `ours` with this seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a display
        module: Any = importlib.import_module(f"dm_control.suite.{domain}")
        control: Any = importlib.import_module("dm_control.rl.control")
        wrapper: Any = importlib.import_module("dm_control.mujoco.wrapper")
    theirs = module.SUITE[task](random=np.random.RandomState(np_random(seed)[0].bit_generator))
    model = ours.simulator.workspace().model_of(context)
    physics = module.Physics.from_model(wrapper.MjModel(model))
    return control.Environment(physics, theirs.task, control_timestep=theirs.control_timestep())


def flat(observation: Any) -> Any:
    """An observation of the suite as one vector."""
    return np.concatenate([np.ravel(part) for part in observation.values()])


def stepping(bench: Bench, name: str, domain: str, task: str) -> Measurement:
    """Steps the training contexts of an environment side by side, and one environment of the suite for each in a loop."""
    from offctx import envs

    ours = getattr(envs, name)(threads=_THREADS)
    contexts = ours.context_space.splits["train"]
    n, seeds = len(contexts), episode_seeds(0, len(contexts))
    theirs = [suite_environment(ours, domain, task, *pair) for pair in zip(contexts, seeds.tolist(), strict=True)]
    start = np.stack([ours.initial_state(np_random(int(s))[0], c) for s, c in zip(seeds, contexts, strict=True)])
    actions = np.random.default_rng(0).uniform(-1, 1, (bench.size(_STEPS), n, *ours.action_space.shape))
    their_actions = actions * contexts[:, [ours.context_space.index("action_factor")]]

    def batched() -> Any:
        states = start
        for joint in actions:
            states, rewards, _ = ours.simulate(states, joint, contexts)
            observations = ours.observations(states)
        return observations, rewards

    def loop() -> Any:
        for joint in their_actions:
            steps = [environment.step(action) for environment, action in zip(theirs, joint, strict=True)]
        return np.stack([flat(step.observation) for step in steps]), np.array([step.reward for step in steps])

    def timed_loop() -> float:
        reset_all()
        return timed(loop)

    def reset_all() -> None:
        for environment in theirs:
            environment.reset()

    reset_all()
    for found, expected in zip(batched(), loop(), strict=True):
        np.testing.assert_array_equal(found, expected)
    what = (
        f"{len(actions)} steps of {n} contexts of {name}, observations and rewards included, on {_THREADS} threads at most; "
        f"the peer steps one environment of dm_control.suite for each context, with the same models, in a Python loop; last "
        f"observations and rewards are the same to the last bit"
    )
    return Measurement(what, *alternate(lambda: timed(batched), timed_loop, bench.repeats))


RACES = (
    Race("dm-control-cartpole", lambda bench: stepping(bench, "CartpoleBalance", "cartpole", "balance"), 2),
    Race("dm-control-cheetah", lambda bench: stepping(bench, "CheetahRun", "cheetah", "run"), 2),
)
