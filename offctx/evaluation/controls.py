"""Null controls that can be played without training: the zero action, a random action, the best constant action.

Dimensions: K contexts, M episodes per context, n training contexts, p context coordinates.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike

from offctx.envs.policies import Policy
from offctx.envs.resolve import EnvLike, resolve
from offctx.evaluation.arms import CONSTANT, RANDOM, ZERO
from offctx.evaluation.evaluator import ContextsLike, evaluate
from offctx.evaluation.kept_chunks import Resume, kept_chunks
from offctx.evaluation.report import ZeroShotReport
from offctx.evaluation.run import TRAIN
from offctx.workers.engine import Backend


def evaluate_controls(
    env: EnvLike,
    contexts: ContextsLike = None,
    *,
    episodes: int,
    seed: int,
    train_contexts: ArrayLike | None = None,
    extrapolate: bool = False,
    batch_size: int | None = None,
    progress: bool = False,
    n_jobs: int = 1,
    backend: Backend = "loky",
    resume: Resume = None,
) -> dict[str, ZeroShotReport]:
    """Plays the controls that need no training, for a comparison with learners that were played alike.

    A learner that is not above them in its own training context has learnt nothing, and nothing is concluded from it. A gap
    that they close is closed without any knowledge of the context.

    Discrete actions have no zero. There the constant action stands in: each action is played all the time, and the one with
    the highest mean return in the split "train" is kept (over all contexts, where there is no such split). This costs as many
    plays as there are actions.

    Args:
        env: a Gymnasium id, a factory or an environment; contextual and with a time limit.
        contexts: (K, p), or split names with such arrays, or None for the splits of the environment's context space: those of
            the learners' reports.
        episodes: M, per context, as in the learners' reports.
        seed: of the episodes, as in the learners' reports.
        train_contexts: (n, p), as for `evaluate`.
        extrapolate: allow contexts outside the bounds of the context space.
        batch_size: rows per call of the simulator, to bound memory. It does not change results.
        progress: show progress bars.
        n_jobs: chunks of contexts that are played at a time, as for `evaluate`.
        backend: who plays them, as for `evaluate`.
        resume: a folder that keeps finished chunks of all controls until the call succeeds, or `offctx.KeptChunks`, as for
            `evaluate`.

    Returns:
        "zero action" (or "constant action" where actions are Discrete) and "random action" (left out where actions have no
        bounds) -> their reports, as arms with one run each.

    Raises:
        OffctxError: as `evaluate`.

    Example::

        controls = offctx.evaluate_controls(env, contexts, episodes=64, seed=0)
        print(offctx.compare(reports | controls))
    """
    options: dict[str, Any] = {
        "episodes": episodes,
        "seed": seed,
        "train_contexts": train_contexts,
        "extrapolate": extrapolate,
        "batch_size": batch_size,
        "progress": progress,
        "n_jobs": n_jobs,
        "backend": backend,
    }
    controls = null_policies(resolve(env).env.action_space)
    with kept_chunks(resume) as kept:
        return {title: best_of(each, title, env, contexts, options | {"resume": kept}) for title, each in controls.items()}


def null_policies(space: spaces.Space[Any]) -> dict[str, list[Policy]]:
    """Returns title -> the policies of which the control is the best one, for a space of actions."""
    if isinstance(space, spaces.Discrete):
        return {
            CONSTANT: [_constant(action) for action in range(int(space.start), int(space.start + space.n))],
            RANDOM: ["random"],
        }
    bounded = isinstance(space, spaces.Box) and space.is_bounded()
    return {ZERO: ["zero"]} | ({RANDOM: ["random"]} if bounded else {})


def best_of(
    policies: Sequence[Policy], title: str, env: EnvLike, contexts: ContextsLike, options: Mapping[str, Any]
) -> ZeroShotReport:
    """Plays policies, with the options of `evaluate`, and returns the report of the best one under this title."""
    return max((evaluate(policy, env, contexts, name=title, **options) for policy in policies), key=_score)


def _constant(action: int) -> Policy:
    """The policy that plays one action all the time."""
    return lambda observations, contexts, rng: np.full(len(observations), action)


def _score(report: ZeroShotReport) -> float:
    """The mean return in the split "train"; over all contexts where there is no such split."""
    if TRAIN in report.splits:
        return report.aer(TRAIN)
    return float(np.concatenate([returns.ravel() for returns in report.returns.values()]).mean())
