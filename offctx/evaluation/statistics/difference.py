"""The difference of two methods in mean return.

Dimensions: R training runs of one method, K contexts, M episodes per context.
"""

import numpy.typing as npt

from offctx.evaluation.statistics.intervals import Interval
from offctx.evaluation.statistics.joint import joint_means


def difference(method: npt.ArrayLike, other: npt.ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Returns the mean return of a method minus that of another one, with its Student t interval.

    Methods with the same number of runs are paired by seed, and a method with one run is a constant over the seeds of the
    other. Two methods with one run each are paired by episode. `offctx.evaluation.statistics.joint` states the rules.

    Args:
        method: returns (R, K, M).
        other: returns (R, K, M). K must agree with that of `method`; R and M may differ.
        confidence: of the interval, in (0, 1).

    Returns:
        the difference. `values` holds those of the seeds (R,) where the methods are paired by seed.

    Raises:
        EvaluationError: the numbers of contexts differ, returns are not finite or not (R, K, M), or a bad confidence.

    Example::

        difference(comparison.returns("CSE", "test"), comparison.returns("baseline", "test"))
    """
    return joint_means({"method": method, "other": other}).interval([1, -1], confidence)
