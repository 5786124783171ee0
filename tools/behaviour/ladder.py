"""The ladder of behaviours from random to expert: which checkpoints it takes, and how they score.

Dimensions: E episodes.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from offctx.algos import GaussianActor, load_actor
from offctx.envs.policies import Policy, make_actor
from offctx.envs.resolve import resolve
from offctx.envs.rollout import episode_seeds, play
from offctx.errors import EnvError, PolicyError
from tools.behaviour.log import Checkpoint, read_log

REPLAY = 3  # checkpoints in medium-replay


@dataclass(frozen=True)
class LadderSettings:
    """How a ladder is picked and scored.

    Attributes:
        env: a contextual environment to score in; None for the one that the policies name.
        medium: the place of medium between random (0) and expert (1).
        episodes: sampled episodes of each behaviour.
        seed: of these episodes.
    """

    env: str | None = None
    medium: float = 0.5
    episodes: int = 20
    seed: int = 0


@dataclass(frozen=True)
class Rung:
    """A behaviour of the ladder, and its sampled episodes.

    Attributes:
        name: of the behaviour.
        checkpoint: where it comes from; None for random actions.
        returns: of sampled episodes at the base context (E,).
        lengths: of the same episodes (E,).
    """

    name: str
    checkpoint: Checkpoint | None
    returns: NDArray[np.float64] = field(repr=False)
    lengths: NDArray[np.int64] = field(repr=False)


@dataclass(frozen=True)
class Ladder:
    """Behaviours in rising order: random, three of replay, medium, expert.

    Attributes:
        env: the environment in which they were scored.
        rungs: the behaviours.
        actors: the policy of each behaviour but random, by name.
    """

    env: str
    rungs: list[Rung]
    actors: dict[str, GaussianActor]

    def share(self, value: float) -> float:
        """How far a return lies on the way from random (0) to the expert's mode (1)."""
        expert = self.rungs[-1].checkpoint
        assert expert is not None
        low = float(self.rungs[0].returns.mean())
        return (value - low) / (expert.mean - low)

    @property
    def medium_share(self) -> float:
        """How far the mode of medium lies on the way from random to expert."""
        (medium,) = (rung.checkpoint for rung in self.rungs if rung.name == "medium")
        assert medium is not None
        return self.share(medium.mean)


def make_ladder(folder: Path, settings: LadderSettings, *, progress: bool = True) -> Ladder:
    """Pick a ladder among the checkpoints of a training, and score it with sampled actions.

    Args:
        folder: that a training filled.
        settings: how the ladder is picked and scored.
        progress: show a progress bar.

    Raises:
        PolicyError: the folder is not of a training, or the training gives no ladder.
        EnvError: the environment is not contextual.
    """
    checkpoints = read_log(folder)
    env = settings.env or str(load_actor(checkpoints[0].path(folder), stochastic=False).about.get("env"))
    try:
        random = Rung("random", None, *score("random", env, settings.episodes, settings.seed))
    except EnvError as error:
        raise EnvError(f"{error}; the ladder is scored in a contextual environment, which --env names") from error
    picked = pick(checkpoints, float(random.returns.mean()), settings.medium)
    actors = {name: load_actor(checkpoint.path(folder), stochastic=False) for name, checkpoint in picked.items()}
    rungs = [
        Rung(name, picked[name], *score(actor.sampler(), env, settings.episodes, settings.seed))
        for name, actor in tqdm(actors.items(), desc="sampling", unit="policy", disable=not progress)
    ]
    return Ladder(env, [random, *rungs], actors)


def pick(checkpoints: list[Checkpoint], random: float, medium: float) -> dict[str, Checkpoint]:
    """Choose the checkpoints of the ladder.

    Expert is the checkpoint with the highest return. Medium is the first one whose return reaches the given place between
    random and expert. Replay are REPLAY checkpoints equally spaced in steps, the last of which is medium.

    Args:
        checkpoints: in order of steps.
        random: mean return of the random policy.
        medium: the place of medium between random (0) and expert (1).

    Returns:
        From "replay-1", "replay-2", ..., "medium" and "expert" to checkpoints, in this order.

    Raises:
        PolicyError: no checkpoint is better than random, or there are too few checkpoints around medium.
    """
    expert = max(checkpoints, key=lambda checkpoint: checkpoint.mean)
    if expert.mean <= random:
        raise PolicyError(f"no checkpoint does better than random ({random:.1f}): train longer")
    threshold = random + medium * (expert.mean - random)
    m = next(k for k, checkpoint in enumerate(checkpoints) if checkpoint.mean >= threshold)
    middle = checkpoints[m]
    steps = np.array([checkpoint.steps for checkpoint in checkpoints[: m + 1]])
    replay = [int(np.abs(steps - middle.steps * k / REPLAY).argmin()) for k in range(1, REPLAY + 1)]
    if middle is expert or len(set(replay)) < REPLAY:
        raise PolicyError(
            f"medium ({middle.steps} steps) needs {REPLAY - 1} checkpoints before it and the expert ({expert.steps} steps) "
            f"after it: train with a smaller --every"
        )
    return {f"replay-{k}": checkpoints[index] for k, index in enumerate(replay, start=1)} | {"medium": middle, "expert": expert}


def score(policy: Policy, env: str, episodes: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns (E,) and lengths (E,) of episodes at the base context."""
    resolved = resolve(env)
    contexts = np.repeat(resolved.env.context_space.default[None], episodes, axis=0)
    actors, rng = [make_actor(policy, resolved.env, "hidden")], np.random.default_rng(seed)
    returns, lengths = np.zeros(episodes), np.zeros(episodes, dtype=np.int64)
    assignment = np.zeros(episodes, dtype=np.int64)
    for step in play(resolved, contexts, episode_seeds(seed, episodes), actors, assignment, rng):
        returns[step.rows] += step.rewards
        lengths[step.rows] += 1
    return returns, lengths
