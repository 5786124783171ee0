"""Train the behaviours that datasets are collected with, and pick a ladder of them: random, medium, medium-replay, expert.

    python tools/behaviour.py offctx/HalfCheetahPhysics-v0 --steps 300000 --seed 0 --out out/behaviour/half-cheetah
    python tools/behaviour.py ladder out/behaviour/half-cheetah --out datasets/weights/half-cheetah

The first trains d3rlpy's SAC online at the environment's base context, which the policy does not see, and keeps a policy
(safetensors) and a line of log.csv (steps, mean return of the mode, its standard deviation, return of the last training
episode, seconds) every --every steps. The same arguments on the same machine and packages give the same policies. Expect
about an hour for 300,000 steps on one core.

The second picks among what the first kept. Expert is the checkpoint with the highest return; medium the first whose return
reaches half (--medium) of the way from random to expert: D4RL's medium stands at a third to a half of its expert. Replay
are three checkpoints equally spaced in steps, the last of them medium. `medium-replay`, as datasets/*.toml make it, is
a mixture of these three and random in equal shares: the mixture that a replay buffer holds while training gets to medium,
made again from weights, not the very transitions of that training.
It writes <out>-expert.safetensors, <out>-medium.safetensors, <out>-replay-1.safetensors to -3, and <out>.md, a table of
the steps and returns of each: of its mode, as logged in training, and sampled, as collected.
"""

import argparse
import csv
import sys
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import d3rlpy
import gymnasium
import numpy as np
import structlog
import torch
from d3rlpy.algos import SACConfig
from d3rlpy.dataset import TransitionMiniBatch
from numpy.typing import NDArray
from tqdm.auto import tqdm

import offctx.envs  # noqa: F401  # registers the ids
from offctx.algos.shared.actor import GaussianActor, actor_of, load_actor
from offctx.envs.policies import Policy, make_actor
from offctx.envs.resolve import resolve
from offctx.envs.rollout import episode_seeds, play
from offctx.errors import EnvError, OffctxError, PolicyError

Floats = NDArray[np.float32]
BATCH = 256
EVALUATION_SEED = 1000  # of the first evaluation episode; the others count on
REPLAY = 3  # checkpoints in medium-replay


# --- training ------------------------------------------------------------------------------------------------------------


@dataclass
class Memory:
    """Every transition so far, in arrays as long as the training; d3rlpy's online buffer makes an object of each."""

    observations: Floats  # (steps, o)
    actions: Floats  # (steps, a)
    rewards: Floats  # (steps, 1)
    next_observations: Floats  # (steps, o)
    terminals: Floats  # (steps, 1)
    rng: np.random.Generator
    size: int = 0

    @classmethod
    def empty(cls, steps: int, o: int, a: int, seed: int) -> "Memory":
        """Room for that many transitions."""
        wide = [np.zeros((steps, width), dtype=np.float32) for width in (o, a, 1, o, 1)]
        return cls(wide[0], wide[1], wide[2], wide[3], wide[4], np.random.default_rng(seed))

    def add(self, *transition: Any) -> None:
        """Keep (observation, action, reward, next observation, terminal)."""
        for array, value in zip(self._arrays(), transition, strict=True):
            array[self.size] = value
        self.size += 1

    def sample(self) -> TransitionMiniBatch:
        """A batch, drawn uniformly with replacement."""
        rows = self.rng.integers(self.size, size=BATCH)
        observations, actions, rewards, next_observations, terminals = (array[rows] for array in self._arrays())
        return TransitionMiniBatch(
            observations, actions, rewards, next_observations,
            next_actions=actions,  # SAC draws its own
            terminals=terminals, intervals=np.ones_like(rewards), transitions=[],
        )  # fmt: skip

    def _arrays(self) -> tuple[Floats, ...]:
        return self.observations, self.actions, self.rewards, self.next_observations, self.terminals


def make_sac(env: gymnasium.Env[Any, Any], critic_rate: float) -> Any:
    """SAC for an environment whose actions lie in [-1, 1]."""
    space = env.action_space
    if not isinstance(space, gymnasium.spaces.Box) or not (np.all(space.low == -1) and np.all(space.high == 1)):
        raise EnvError(f"expected actions in [-1, 1], as a saved policy gives them; found {space}")
    rates: dict[str, Any] = {"actor_learning_rate": 3e-4, "critic_learning_rate": critic_rate, "temp_learning_rate": 3e-4}
    algo = SACConfig(batch_size=BATCH, **rates).create(device="cpu")
    algo.build_with_env(env)
    return algo


def evaluate(algo: Any, env: gymnasium.Env[Any, Any], episodes: int) -> NDArray[np.float64]:
    """The return of the mode in each of some episodes, always the same ones."""
    returns = np.zeros(episodes)
    for k in range(episodes):
        observation, _ = env.reset(seed=EVALUATION_SEED + k)
        over = False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(algo.predict(observation[None].astype(np.float32))[0])
            returns[k] += float(reward)
            over = terminated or truncated
    return returns


def train(args: argparse.Namespace) -> None:
    """Train online; keep a policy and a line of the log every so many steps."""
    if args.steps < args.every or min(args.every, args.random_steps, args.episodes) < 1:
        raise PolicyError("--steps must be at least --every, so that something is kept, and every number at least 1")
    if args.out.exists() and any(args.out.iterdir()):
        raise PolicyError(f"{args.out} is not empty: training again would mix two runs; give another --out")
    torch.set_num_threads(1)  # such small networks are quicker on one
    d3rlpy.seed(args.seed)
    env, evaluation = gymnasium.make(args.env), gymnasium.make(args.env)
    env.action_space.seed(args.seed)
    algo = make_sac(env, args.critic_learning_rate)
    assert env.observation_space.shape is not None and env.action_space.shape is not None
    memory = Memory.empty(args.steps, env.observation_space.shape[0], env.action_space.shape[0], args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    start, total, last = time.perf_counter(), 0.0, 0.0
    observation, _ = env.reset(seed=args.seed)
    with tqdm(total=args.steps, desc=args.env, unit="step", disable=args.quiet) as bar:
        for t in range(1, args.steps + 1):
            explore = t <= args.random_steps
            action = env.action_space.sample() if explore else algo.sample_action(observation[None].astype(np.float32))[0]
            following, reward, terminated, truncated, _ = env.step(action)
            memory.add(observation, action, reward, following, terminated)
            observation, total = following, total + float(reward)
            if terminated or truncated:
                last, total = total, 0.0
                observation, _ = env.reset()
            if not explore:
                algo.update(memory.sample())
            if t % args.every == 0:
                returns = evaluate(algo, evaluation, args.episodes)
                about = {"env": args.env, "steps": t, "seed": args.seed, "return": float(returns.mean())}
                actor_of(algo, about).save(args.out / f"{t:07d}.safetensors")
                log(args.out, t, returns, last, time.perf_counter() - start)
                bar.set_postfix({"return": f"{returns.mean():.0f}"})
            bar.update()


def log(folder: Path, steps: int, returns: NDArray[np.float64], last: float, seconds: float) -> None:
    """One line; its columns are told above."""
    with open(folder / "log.csv", "a", newline="", encoding="utf-8") as file:
        file.write(f"{steps},{returns.mean():.1f},{returns.std():.1f},{last:.1f},{seconds:.0f}\n")


# --- the ladder ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checkpoint:
    """A line of the log."""

    steps: int
    mean: float
    deviation: float


@dataclass(frozen=True)
class Rung:
    """A behaviour of the ladder: where it comes from, and its sampled episodes, returns (E,) and lengths (E,)."""

    name: str
    checkpoint: Checkpoint | None  # None: random
    returns: NDArray[np.float64] = field(repr=False)
    lengths: NDArray[np.int64] = field(repr=False)


def read_log(folder: Path) -> list[Checkpoint]:
    """What a training logged, in order of steps."""
    try:
        with open(folder / "log.csv", newline="", encoding="utf-8") as file:
            found = [Checkpoint(int(row[0]), float(row[1]), float(row[2])) for row in csv.reader(file)]
    except OSError as error:
        raise PolicyError(f"cannot read {folder / 'log.csv'}: {error.strerror}; is this a folder of a training?") from error
    except (ValueError, IndexError) as error:
        raise PolicyError(f"{folder / 'log.csv'} is not the log of a training: {error}") from error
    steps = [checkpoint.steps for checkpoint in found]
    if not found or steps != sorted(set(steps)) or not np.isfinite([checkpoint.mean for checkpoint in found]).all():
        raise PolicyError(f"{folder / 'log.csv'} must have lines in rising order of steps with finite returns")
    return found


def pick(checkpoints: list[Checkpoint], random: float, part: float) -> dict[str, Checkpoint]:
    """Which checkpoint is what.

    Args:
        checkpoints: in order of steps.
        random: mean return of the random policy.
        part: how far medium is on the way from random to expert.
    """
    expert = max(checkpoints, key=lambda checkpoint: checkpoint.mean)
    if expert.mean <= random:
        raise PolicyError(f"no checkpoint does better than random ({random:.1f}): train longer")
    wanted = random + part * (expert.mean - random)
    m = next(k for k, checkpoint in enumerate(checkpoints) if checkpoint.mean >= wanted)
    medium = checkpoints[m]
    steps = np.array([checkpoint.steps for checkpoint in checkpoints[: m + 1]])
    replay = [int(np.abs(steps - medium.steps * k / REPLAY).argmin()) for k in range(1, REPLAY + 1)]
    if medium is expert or len(set(replay)) < REPLAY:
        raise PolicyError(
            f"medium ({medium.steps} steps) needs {REPLAY - 1} checkpoints before it and the expert ({expert.steps} steps) "
            f"after it: train with a smaller --every"
        )
    return {f"replay-{k}": checkpoints[index] for k, index in enumerate(replay, start=1)} | {"medium": medium, "expert": expert}


def score(policy: Policy, env: str, episodes: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns (E,) and lengths (E,) of episodes at the base context."""
    task = resolve(env)
    contexts = np.repeat(task.env.context_space.default[None], episodes, axis=0)
    actors, rng = [make_actor(policy, task.env, "hidden")], np.random.default_rng(seed)
    returns, lengths = np.zeros(episodes), np.zeros(episodes, dtype=np.int64)
    assignment = np.zeros(episodes, dtype=np.int64)
    for step in play(task, contexts, episode_seeds(seed, episodes), actors, assignment, rng):
        returns[step.rows] += step.rewards
        lengths[step.rows] += 1
    return returns, lengths


def ladder(args: argparse.Namespace) -> None:
    """Pick, score, copy, and write the table."""
    checkpoints = read_log(args.folder)
    first = open_checkpoint(args.folder, checkpoints[0])
    env = args.env or str(first.about.get("env"))
    try:
        random = Rung("random", None, *score("random", env, args.episodes, args.seed))
    except EnvError as error:
        raise EnvError(f"{error}; the ladder is scored in a contextual environment, which --env names") from error
    picked = pick(checkpoints, float(random.returns.mean()), args.medium)
    actors = {name: open_checkpoint(args.folder, checkpoint) for name, checkpoint in picked.items()}
    rungs = [random] + [
        Rung(name, picked[name], *score(actor.sampler(), env, args.episodes, args.seed))
        for name, actor in tqdm(actors.items(), desc="sampling", unit="policy", disable=args.quiet)
    ]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    for name, actor in actors.items():
        GaussianActor(actor.hidden, actor.mean, actor.log_std, actor.about | {"name": f"{args.out.name}-{name}"}).save(
            Path(f"{args.out}-{name}.safetensors")
        )
    table = render(args.out.name, env, rungs)
    Path(f"{args.out}.md").write_text(table, encoding="utf-8")
    print(table, end="")
    if share(picked["medium"].mean, rungs) > args.medium + 0.25:
        print(f"warning: medium lies far beyond {args.medium:.0%}; checkpoints are too far apart there", file=sys.stderr)


def open_checkpoint(folder: Path, checkpoint: Checkpoint) -> GaussianActor:
    """The policy that was kept with a line of the log."""
    return load_actor(folder / f"{checkpoint.steps:07d}.safetensors", stochastic=False)


def share(value: float, rungs: list[Rung]) -> float:
    """How far a return lies on the way from random to expert's mode, the first rung and the last."""
    random, expert = rungs[0], rungs[-1]
    assert expert.checkpoint is not None
    low = float(random.returns.mean())
    return (value - low) / (expert.checkpoint.mean - low)


def render(title: str, env: str, rungs: list[Rung]) -> str:
    """The table in Markdown."""
    said = (
        f"d3rlpy's SAC, trained online at the base context of `{env}`, which the policy does not see. Mean return and standard "
        f"deviation over episodes at the base context: of the mode, as logged in training, and sampled, as datasets are "
        f"collected, over {len(rungs[0].returns)} episodes, whose mean length is the last column. The share is how far the "
        f"mode lies on the way from random to expert. Medium-replay is a mixture of random and the three of replay."
    )
    lines = [
        f"# Behaviours of {title}",
        "",
        *textwrap.wrap(said, 120, break_on_hyphens=False),
        "",
        "| behaviour | training steps | return of the mode | share | return sampled | steps an episode |",
        "|---|---|---|---|---|---|",
    ]
    for rung in rungs:
        at, mode = rung.checkpoint, "|  |  | 0.00"
        if at is not None:
            mode = f"| {at.steps} | {at.mean:.1f} ± {at.deviation:.1f} | {share(at.mean, rungs):.2f}"
        sampled = f"{rung.returns.mean():.1f} ± {rung.returns.std():.1f}"
        lines.append(f"| {rung.name} {mode} | {sampled} | {rung.lengths.mean():.0f} |")
    return "\n".join(lines) + "\n"


# --- the command line ----------------------------------------------------------------------------------------------------


def arguments(argv: list[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--out", type=Path, required=True, help="training: an empty folder; ladder: how its files begin")
    if argv[:1] == ["ladder"]:
        parser.add_argument("ladder", help="the word")
        parser.add_argument("folder", type=Path, help="a folder that a training filled")
        parser.add_argument("--env", help="a contextual environment to score in, where the policies name another")
        parser.add_argument("--medium", type=float, default=0.5, help="medium's place between random and expert")
        parser.add_argument("--episodes", type=int, default=20, help="sampled episodes a behaviour")
        parser.add_argument("--seed", type=int, default=0, help="of these episodes")
        return parser.parse_args(argv)
    parser.add_argument("env", metavar="ENV_ID", help="a Gymnasium id; a contextual environment stays at its base context")
    parser.add_argument("--steps", type=int, required=True, help="steps in the environment")
    parser.add_argument("--seed", type=int, default=0, help="of networks, episodes and batches")
    parser.add_argument("--every", type=int, default=10_000, help="steps between kept policies")
    parser.add_argument("--random-steps", type=int, default=10_000, help="random steps before the first gradient step")
    parser.add_argument("--episodes", type=int, default=5, help="evaluation episodes for each kept policy")
    parser.add_argument("--critic-learning-rate", type=float, default=1e-3, help="of SAC's critics")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Read the command line and do as it says."""
    args = arguments(sys.argv[1:] if argv is None else argv)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))  # warnings; d3rlpy tells of every shape
    try:
        ladder(args) if hasattr(args, "ladder") else train(args)
    except (OffctxError, gymnasium.error.Error) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
