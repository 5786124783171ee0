"""Online training of a behaviour with d3rlpy's SAC, which keeps policies as it learns."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import d3rlpy
import gymnasium
import numpy as np
import torch
from d3rlpy.algos import SACConfig
from numpy.typing import NDArray
from tqdm.auto import tqdm

import offctx.envs  # noqa: F401  # registers the ids
from offctx.algos import actor_of
from offctx.errors import EnvError, PolicyError
from tools.behaviour.log import append_log, policy_path
from tools.behaviour.memory import TransitionMemory

BATCH = 256
EVALUATION_SEED = 1000  # of the first evaluation episode; the others count on


@dataclass(frozen=True)
class TrainingSettings:
    """What is trained, and for how long.

    Attributes:
        env: a Gymnasium id; a contextual environment stays at its base context.
        steps: in the environment.
        seed: of networks, episodes and batches.
        every: steps between kept policies.
        random_steps: steps of random actions before the first gradient step.
        episodes: evaluation episodes for each kept policy.
        critic_learning_rate: of SAC's critics.

    Raises:
        PolicyError: a number is below 1, or no policy would be kept.
    """

    env: str
    steps: int
    seed: int = 0
    every: int = 10_000
    random_steps: int = 10_000
    episodes: int = 5
    critic_learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        if self.steps < self.every or min(self.every, self.random_steps, self.episodes) < 1:
            raise PolicyError("--steps must be at least --every, so that something is kept, and every number at least 1")


def train(settings: TrainingSettings, out: Path, *, progress: bool = True) -> None:
    """Train online; keep a policy and a line of the log every `settings.every` steps.

    The same settings on the same machine and packages give the same policies.

    Args:
        settings: what is trained, and for how long.
        out: an empty folder, or one that does not exist yet.
        progress: show a progress bar.

    Raises:
        PolicyError: `out` is not empty.
        EnvError: actions of the environment do not lie in [-1, 1].
    """
    if out.exists() and any(out.iterdir()):
        raise PolicyError(f"{out} is not empty: training again would mix two runs; give another --out")
    torch.set_num_threads(1)  # such small networks are quicker on one
    d3rlpy.seed(settings.seed)
    env, evaluation_env = gymnasium.make(settings.env), gymnasium.make(settings.env)
    env.action_space.seed(settings.seed)
    algo = make_sac(env, settings.critic_learning_rate)
    out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with tqdm(total=settings.steps, desc=settings.env, unit="step", disable=not progress) as bar:
        for steps, last_return in enumerate(training_steps(algo, env, settings), start=1):
            if steps % settings.every == 0:
                returns = evaluate(algo, evaluation_env, settings.episodes)
                about = {"env": settings.env, "steps": steps, "seed": settings.seed, "return": float(returns.mean())}
                actor_of(algo, about).save(policy_path(out, steps))
                append_log(out, steps, returns, last_return, time.perf_counter() - start)
                bar.set_postfix({"return": f"{returns.mean():.0f}"})
            bar.update()


def training_steps(algo: Any, env: gymnasium.Env[Any, Any], settings: TrainingSettings) -> Iterator[float]:
    """Play and learn; after each step, yield the return of the last finished episode (0 before the first)."""
    assert env.observation_space.shape is not None and env.action_space.shape is not None
    memory = TransitionMemory.empty(settings.steps, env.observation_space.shape[0], env.action_space.shape[0], settings.seed)
    episode_return, last_return = 0.0, 0.0
    observation, _ = env.reset(seed=settings.seed)
    for t in range(1, settings.steps + 1):
        explore = t <= settings.random_steps
        action = env.action_space.sample() if explore else algo.sample_action(observation[None].astype(np.float32))[0]
        next_observation, reward, terminated, truncated, _ = env.step(action)
        memory.add(observation, action, reward, next_observation, terminated)
        observation, episode_return = next_observation, episode_return + float(reward)
        if terminated or truncated:
            last_return, episode_return = episode_return, 0.0
            observation, _ = env.reset()
        if not explore:
            algo.update(memory.sample(BATCH))
        yield last_return


def make_sac(env: gymnasium.Env[Any, Any], critic_learning_rate: float) -> Any:
    """SAC for an environment whose actions lie in [-1, 1].

    Raises:
        EnvError: the actions have other bounds.
    """
    space = env.action_space
    if not isinstance(space, gymnasium.spaces.Box) or not (np.all(space.low == -1) and np.all(space.high == 1)):
        raise EnvError(f"expected actions in [-1, 1], as a saved policy gives them; found {space}")
    rates: dict[str, Any] = {
        "actor_learning_rate": 3e-4,
        "critic_learning_rate": critic_learning_rate,
        "temp_learning_rate": 3e-4,
    }
    algo = SACConfig(batch_size=BATCH, **rates).create(device="cpu")
    algo.build_with_env(env)
    return algo


def evaluate(policy: Any, env: gymnasium.Env[Any, Any], episodes: int) -> NDArray[np.float64]:
    """Returns (E,) of the mode of a policy in E episodes, which are the same at every call."""
    returns = np.zeros(episodes)
    for k in range(episodes):
        observation, _ = env.reset(seed=EVALUATION_SEED + k)
        done = False
        while not done:
            action = policy.predict(observation[None].astype(np.float32))[0]
            observation, reward, terminated, truncated, _ = env.step(action)
            returns[k] += float(reward)
            done = terminated or truncated
    return returns
