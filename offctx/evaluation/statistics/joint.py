"""The means of several arms, with the covariance of their errors over seeds or episodes that the arms share.

Dimensions: A arms (methods), R training runs of an arm, K contexts, M episodes per context, U units (`units`: seeds or
episodes).

1. One arm at least has several runs: the unit is the training seed. Arms with the same number of runs are paired: the position
   of a run is its training seed. An arm with one run (a zero action, say) is a constant over seeds. Arms with different numbers
   of runs are independent.
2. All arms have one run: the unit is the episode. Arms with the same number of episodes are paired by their positions, because
   `offctx.evaluate` plays the same episode seeds for every policy; others are independent. Where episodes are not common to
   arms, to pair them is still right: their covariance is then 0 on average.
3. The t quantile of arms of different sizes is that of the smallest, which is on the safe side.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from offctx.errors import EvaluationError
from offctx.evaluation.statistics.aggregates import Array, as_returns
from offctx.evaluation.statistics.intervals import Interval, Over
from offctx.evaluation.statistics.student import checked_confidence, t_quantile
from offctx.evaluation.statistics.units import as_units, enough_units, kind_of_units


@dataclass(frozen=True, eq=False)
class JointMeans:
    """Mean returns of A arms over runs, contexts and episodes, made by `joint_means`.

    Attributes:
        means: (A,).
        covariance: of the errors of the means, (A, A); 0 between independent arms, and for an arm that is a constant.
        over: what the units are.
        units: number of units of the smallest arm that is no constant.
        by_seed: the mean of each run (R, A), constants repeated; (0, A) where the units are episodes or arms are not paired.
    """

    means: Array
    covariance: Array
    over: Over
    units: int
    by_seed: Array

    @property
    def has_interval(self) -> bool:
        """Whether there are enough units for an interval."""
        return enough_units(self.over, self.units)

    def quantile(self, confidence: float) -> float:
        """The factor of standard errors in an interval."""
        return t_quantile(confidence, self.units)

    def interval(self, weights: npt.ArrayLike, confidence: float) -> Interval:
        """The weighted sum of the means, weights (A,), with its Student t interval."""
        w = np.asarray(weights, dtype=np.float64)
        estimate, seeds = float(w @ self.means), tuple((self.by_seed @ w).tolist())
        if not self.has_interval:
            return Interval(estimate, math.nan, math.nan, checked_confidence(confidence), None, seeds)
        margin = self.quantile(confidence) * math.sqrt(max(float(w @ self.covariance @ w), 0.0))
        return Interval(estimate, estimate - margin, estimate + margin, confidence, self.over, seeds)


def joint_means(arms: Mapping[str, npt.ArrayLike]) -> JointMeans:
    """Returns the means of arms. The module says what their units are and which arms are paired.

    Args:
        arms: label -> returns (R, K, M). K must agree; R and M may differ.

    Raises:
        EvaluationError: the numbers of contexts differ, or returns are not finite or not (R, K, M); labels name them.
    """
    arrays = [as_returns(returns, label) for label, returns in arms.items()]
    contexts = [array.shape[1] for array in arrays]
    if len(set(contexts)) > 1:
        raise EvaluationError(f"expected the same contexts for {_listed(list(arms))}, found {_listed(contexts)} contexts")
    over = kind_of_units(*arrays)
    means = np.array([array.mean() for array in arrays])
    if over == "episodes":
        units = [as_units(array).mean(axis=1) for array in arrays]  # (M,) each
        return JointMeans(means, _covariance(units), over, min(map(len, units)), np.zeros((0, len(units))))
    units = [array.mean(axis=(1, 2)) for array in arrays]  # (R,) each
    return JointMeans(means, _covariance(units), over, min(len(unit) for unit in units if len(unit) > 1), _by_seed(units))


def _covariance(units: Sequence[Array]) -> Array:
    """The covariance (A, A) of the errors of A means of units (U,). Arms with equal U are paired; 0 where U is 1."""
    covariance = np.zeros((len(units), len(units)))
    sizes = np.array([len(unit) for unit in units])
    for size in set(sizes.tolist()) - {1}:
        paired = np.flatnonzero(sizes == size)
        covariance[np.ix_(paired, paired)] = np.cov([units[arm] for arm in paired.tolist()]) / size
    return covariance


def _by_seed(units: Sequence[Array]) -> Array:
    """The arms (R, A) side by side, constants repeated; (0, A) where their numbers of units above 1 differ."""
    sizes = {len(unit) for unit in units} - {1}
    rows = sizes.pop() if len(sizes) == 1 else 0
    return np.stack([unit if len(unit) == rows else np.full(rows, unit[0]) for unit in units], axis=1)


def _listed(parts: list[str] | list[int]) -> str:
    """Several parts as words: a, b and c."""
    *most, last = map(str, parts)
    return f"{', '.join(most)} and {last}"
