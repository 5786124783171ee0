"""The means of several arms, with the covariance of their errors over the seeds and episodes that the arms share.

Dimensions: A arms (methods), R training runs of an arm, K contexts, M episodes per context.

1. One arm at least has several runs: intervals are over seeds and episodes. Arms with the same number of runs are paired: the
   position of a run is its training seed. An arm with one run (a zero action, say) does not vary with the seed, but with the
   episodes. Seeds of arms with different numbers of runs are independent.
2. All arms have one run: intervals are over episodes.
3. In both cases arms are paired by episode, because `offctx.evaluate` plays the same episode seeds for every policy. Where
   episodes are not common to arms, to pair them is still right: their covariance is then 0 on average. Where an arm has fewer
   episodes, they are the first ones of the others.
4. Degrees of freedom are those of the smallest number of runs and of episodes, which is on the safe side.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from offctx.errors import EvaluationError
from offctx.evaluation.statistics.aggregates import Array, as_returns
from offctx.evaluation.statistics.crossed import ErrorParts, parts_of_arms
from offctx.evaluation.statistics.intervals import Interval, Over
from offctx.evaluation.statistics.student import checked_confidence, t_factor
from offctx.evaluation.statistics.units import enough_units, kind_of_interval


@dataclass(frozen=True, eq=False)
class JointMeans:
    """Mean returns of A arms over runs, contexts and episodes, made by `joint_means`.

    Attributes:
        means: (A,).
        parts: the covariances (A, A) of the errors of the means.
        over: what intervals are over.
        units: number of seeds of the smallest arm with several, or of episodes where all arms have one run.
        by_seed: the mean of each run (R, A), constants repeated; (0, A) where arms have one run, or are not paired.
    """

    means: Array
    parts: ErrorParts
    over: Over
    units: int
    by_seed: Array

    @property
    def has_interval(self) -> bool:
        """Whether there are enough seeds or episodes for an interval."""
        return enough_units(self.over, self.units)

    def margin(self, weights: Array, confidence: float) -> Array:
        """Half the width of the intervals of weighted sums of the means: weights (..., A) -> (...)."""
        parts = self.parts.of(weights)
        return np.asarray(t_factor(confidence, parts.degrees) * np.sqrt(parts.variance))

    def interval(self, weights: npt.ArrayLike, confidence: float) -> Interval:
        """The weighted sum of the means, weights (A,), with its Student t interval."""
        w = np.asarray(weights, dtype=np.float64)
        estimate, seeds = float(w @ self.means), tuple((self.by_seed @ w).tolist())
        if not self.has_interval:
            return Interval(estimate, math.nan, math.nan, checked_confidence(confidence), None, seeds)
        margin = float(self.margin(w, confidence))
        return Interval(estimate, estimate - margin, estimate + margin, confidence, self.over, seeds)


def joint_means(arms: Mapping[str, npt.ArrayLike]) -> JointMeans:
    """Returns the means of arms. The module says what intervals are over and which arms are paired.

    Args:
        arms: label -> returns (R, K, M). K must agree; R and M may differ.

    Raises:
        EvaluationError: the numbers of contexts differ, or returns are not finite or not (R, K, M); labels name them.
    """
    arrays = [as_returns(returns, label) for label, returns in arms.items()]
    contexts = [array.shape[1] for array in arrays]
    if len(set(contexts)) > 1:
        raise EvaluationError(f"expected the same contexts for {_listed(list(arms))}, found {_listed(contexts)} contexts")
    over = kind_of_interval(*arrays)
    means = np.array([array.mean() for array in arrays])
    parts = parts_of_arms([array.mean(axis=1) for array in arrays])
    if over == "episodes":
        return JointMeans(means, parts, over, min(array.shape[2] for array in arrays), np.zeros((0, len(arrays))))
    seeds = [array.mean(axis=(1, 2)) for array in arrays]  # (R,) each
    return JointMeans(means, parts, over, min(len(unit) for unit in seeds if len(unit) > 1), _by_seed(seeds))


def _by_seed(units: Sequence[Array]) -> Array:
    """The arms (R, A) side by side, constants repeated; (0, A) where their numbers of units above 1 differ."""
    sizes = {len(unit) for unit in units} - {1}
    rows = sizes.pop() if len(sizes) == 1 else 0
    return np.stack([unit if len(unit) == rows else np.full(rows, unit[0]) for unit in units], axis=1)


def _listed(parts: list[str] | list[int]) -> str:
    """Several parts as words: a, b and c."""
    *most, last = map(str, parts)
    return f"{', '.join(most)} and {last}"
