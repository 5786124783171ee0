"""Train the behaviours that datasets are collected with, and pick a ladder of them: random, medium, medium-replay, expert.

    python tools/behaviour.py offctx/HalfCheetahPhysics-v0 --steps 300000 --seed 0 --out out/behaviour/half-cheetah
    python tools/behaviour.py ladder out/behaviour/half-cheetah --out datasets/weights/half-cheetah

The first command trains d3rlpy's SAC online at the environment's base context, which the policy does not see. Every --every
steps it keeps a policy (safetensors) and a line of log.csv (steps, mean return of the mode, its standard deviation, return of
the last training episode, seconds). The same arguments on the same machine and packages give the same policies. Expect about
an hour for 300,000 steps on one core.

The second command picks among the policies that the first one kept. Expert is the checkpoint with the highest return. Medium
is the first one whose return reaches half (--medium) of the way from random to expert: D4RL's medium stands at a third to a
half of its expert. Replay are three checkpoints equally spaced in steps, the last of them medium. `medium-replay`, as
datasets/*.toml make it, is a mixture of these three and random in equal shares. A replay buffer holds such a mixture when
training has reached medium. Here the mixture is collected anew with the kept policies; it is not the transitions of that
training.
It writes <out>-expert.safetensors, <out>-medium.safetensors, <out>-replay-1.safetensors to -3, and <out>.md, a table of the
steps and returns of each: of its mode, as logged in training, and sampled, as collected.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from offctx.notices import quiet


def main(argv: Sequence[str]) -> None:
    """Train, or make a ladder, as the arguments say."""
    args = parse(argv)
    quiet()
    import gymnasium

    from offctx.errors import OffctxError

    try:
        make_ladder(args) if hasattr(args, "ladder") else train(args)
    except (OffctxError, gymnasium.error.Error) as error:
        sys.exit(f"error: {error}")


def train(args: argparse.Namespace) -> None:
    """The first command."""
    from tools.behaviour import training

    settings = training.TrainingSettings(
        args.env, args.steps, args.seed, args.every, args.random_steps, args.episodes, args.critic_learning_rate
    )
    training.train(settings, args.out, progress=not args.quiet)


def make_ladder(args: argparse.Namespace) -> None:
    """The second command."""
    from tools.behaviour import ladder, report

    settings = ladder.LadderSettings(args.env, args.medium, args.episodes, args.seed)
    rungs = ladder.make_ladder(args.folder, settings, progress=not args.quiet)
    print(report.write_ladder(rungs, args.out), end="")
    if rungs.medium_share > args.medium + 0.25:
        print(f"warning: medium lies far beyond {args.medium:.0%}; checkpoints are too far apart there", file=sys.stderr)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of one of the two commands; only those of the second have the attribute `ladder`."""
    parser = argparse.ArgumentParser(
        prog="python tools/behaviour.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--out", type=Path, required=True, help="training: an empty folder; ladder: how its files begin")
    if argv[:1] == ["ladder"]:
        parser.add_argument("ladder", help="the word ladder")
        parser.add_argument("folder", type=Path, help="a folder that a training filled")
        parser.add_argument("--env", help="a contextual environment to score in, where the policies name another")
        parser.add_argument("--medium", type=float, default=0.5, help="medium's place between random and expert")
        parser.add_argument("--episodes", type=int, default=20, help="sampled episodes of each behaviour")
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
