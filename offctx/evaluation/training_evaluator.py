"""The evaluator in the form that d3rlpy's `fit` takes: called after each epoch, it returns one number."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from offctx.checks import whole_number
from offctx.envs.policies import ContextMode, Policy
from offctx.envs.resolve import EnvLike
from offctx.errors import EvaluationError
from offctx.evaluation.adaptation import NO_WARM_UP
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
        policy: makes the policy that is scored from what is trained, such as a policy with memory; where not given, what is
            trained is the policy.
        warmup: steps in the context that a policy with memory sees before the episode that is scored; one number. A policy
            without memory is scored as it is.
        warmup_policy: who plays these steps; the policy itself where not given.

    Raises:
        EvaluationError: an unknown metric, or a bad warm-up.

    Example::

        held_out = offctx.ZeroShotEvaluator("offctx/PendulumGoal-v0", episodes=10)
        agent.fit(buffer, n_steps=10_000, evaluators={"zero_shot": held_out})

        # a Decision Transformer has no evaluators, but a callback
        warm = offctx.ZeroShotEvaluator(
            env, context="hidden", policy=lambda algo: offctx.TransformerPolicy(algo, target_return=150.0), warmup=128
        )
        transformer.fit(buffer, n_steps=10_000, callback=lambda algo, epoch, step: step % 1000 or print(step, warm(algo)))
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
        policy: Callable[[Any], Policy] | None = None,
        warmup: int = 0,
        warmup_policy: Policy | None = None,
    ) -> None:
        if metric not in _METRICS:
            raise EvaluationError(f'metric must be "aer", "iqm" or "worst"; found {metric!r}')
        self._env, self._contexts, self._metric, self._splits = env, contexts, metric, splits
        self._policy, self._warmup = policy, whole_number(warmup, "warmup", 0, EvaluationError)
        if warmup_policy is not None and not warmup:
            raise EvaluationError(NO_WARM_UP)
        self._options: dict[str, Any] = {"episodes": episodes, "seed": seed, "context": context}
        self._options |= {"warmup": self._warmup, "warmup_policy": warmup_policy}

    def __call__(self, algo: Any, dataset: Any = None) -> float:
        """Returns the score of a policy.

        Args:
            algo: what is trained, such as a d3rlpy algorithm.
            dataset: not used; d3rlpy passes it.

        Raises:
            OffctxError: as `evaluate`.
        """
        policy = algo if self._policy is None else self._policy(algo)
        report = evaluate(policy, self._env, self._contexts, **self._options).after(self._warmup)
        held_out = [split for split in report.splits if split != TRAIN]
        score = _METRICS[self._metric]
        return float(np.mean([score(report, split) for split in self._splits or held_out or report.splits]))
