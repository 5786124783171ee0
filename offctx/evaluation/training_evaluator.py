"""The evaluator in the form that d3rlpy's `fit` takes: called after each epoch, it returns one number."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from offctx.envs.policies import ContextMode
from offctx.envs.resolve import EnvLike
from offctx.errors import EvaluationError
from offctx.evaluation.evaluator import ContextsLike, evaluate
from offctx.evaluation.report import ZeroShotReport
from offctx.evaluation.run import TRAIN

_METRICS: dict[str, Callable[[ZeroShotReport, str], float]] = {
    "aer": lambda report, split: report.aer(split),
    "iqm": lambda report, split: report.iqm(split).estimate,
    "worst": lambda report, split: report.worst_context(split)[1],
}


class ZeroShotEvaluator:
    """Scores a policy on contexts while it is trained, as one number.

    Args:
        env: a Gymnasium id, a factory or an environment; contextual and with a time limit.
        contexts: (K, p), or split names with such arrays, or None for the splits of the environment's context space.
        episodes: per context.
        seed: of the episodes, the same at every call.
        context: whether the policy gets observations with the context appended ("append") or hidden ("hidden").
        metric: "aer", the mean return over contexts and episodes; "iqm", its interquartile mean; "worst", the mean return in
            the worst context.
        splits: over which splits the score is averaged; where not given, over all splits but "train".

    Raises:
        EvaluationError: an unknown metric.

    Example::

        held_out = offctx.ZeroShotEvaluator("offctx/PendulumGoal-v0", episodes=10)
        agent.fit(buffer, n_steps=10_000, evaluators={"zero_shot": held_out})
    """

    def __init__(
        self,
        env: EnvLike,
        contexts: ContextsLike = None,
        *,
        episodes: int = 10,
        seed: int = 0,
        context: ContextMode = "append",
        metric: Literal["aer", "iqm", "worst"] = "aer",
        splits: Sequence[str] | None = None,
    ) -> None:
        if metric not in _METRICS:
            raise EvaluationError(f'metric must be "aer", "iqm" or "worst"; found {metric!r}')
        self._env, self._contexts, self._metric, self._splits = env, contexts, metric, splits
        self._options: dict[str, Any] = {"episodes": episodes, "seed": seed, "context": context}

    def __call__(self, algo: Any, dataset: Any = None) -> float:
        """Returns the score of a policy.

        Args:
            algo: anything with `predict`, such as a d3rlpy algorithm.
            dataset: not used; d3rlpy passes it.

        Raises:
            OffctxError: as `evaluate`.
        """
        report = evaluate(algo, self._env, self._contexts, **self._options)
        held_out = [split for split in report.splits if split != TRAIN]
        score = _METRICS[self._metric]
        return float(np.mean([score(report, split) for split in self._splits or held_out or report.splits]))
