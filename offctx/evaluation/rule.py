"""The rule of verdicts, stated once: `offctx.compare` and the experiments judge by these functions.

1. A method is "above" where the whole interval of its difference lies above 0 against each of the nulls (baseline and null
   controls). Each claim "above this null" may be false with its own small probability; that all are claimed though one is false
   is less probable still (intersection-union test), so that intervals need no correction for the number of nulls.
2. The deciding null is the one with the lowest lower end of these intervals. The method is above it exactly where it is above
   all. It is "below" where the whole interval against this null lies below 0, and "not above" else.
3. Intervals must be over training seeds. Without one against some null, there is no verdict ("no interval over seeds").
4. Nothing is concluded from a method that has not learned its task.

Source: R. L. Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24 (1982).

Dimensions: R training runs, K contexts, M episodes per context.
"""

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np

from offctx.evaluation.statistics import Array, Interval

Status = Literal["above", "not above", "below", "not learned", "no interval over seeds", "no control"]


def over_seeds(interval: Interval) -> bool:
    """Whether an interval says anything of other training seeds."""
    return not math.isnan(interval.low) and interval.over != "episodes"


def deciding_null(differences: Mapping[str, Interval]) -> str:
    """The null with the lowest lower end of method - null.

    A null without an interval over seeds comes first, as it leaves the verdict open; of several, the lowest estimate decides.

    Args:
        differences: null -> the mean return of the method minus its own; at least one.
    """

    def order(null: str) -> tuple[bool, float]:
        difference = differences[null]
        known = over_seeds(difference)
        return known, difference.low if known else difference.estimate

    return min(differences, key=order)


def status_of(difference: Interval, *, learned: bool = True) -> Status:
    """The verdict of a method from its difference to the deciding null.

    Args:
        difference: method - deciding null.
        learned: False where the method is known not to have learned its task.
    """
    if not learned:
        return "not learned"
    if not over_seeds(difference):
        return "no interval over seeds"
    return "above" if difference.low > 0 else "below" if difference.high < 0 else "not above"


def strongest_null(returns: Mapping[str, Array]) -> str:
    """The null with the highest mean return: where shares of a reference's gain start.

    Args:
        returns: null -> (R, K, M); at least one.
    """
    return max(returns, key=lambda null: float(returns[null].mean()))


def best_nulls(returns: Mapping[str, Array]) -> tuple[str, ...]:
    """The null with the highest mean return in each context, (K,): a control that knows which null suits which context.

    Args:
        returns: null -> (R, K, M), K the same for all; at least one.
    """
    names = list(returns)
    best = np.stack([returns[null].mean(axis=(0, 2)) for null in names]).argmax(axis=0)
    return tuple(names[k] for k in best.tolist())


def returns_of_each_context(returns: Mapping[str, Array], chosen: tuple[str, ...]) -> Array:
    """The returns (R, K, M) of the method that a context's position names in `chosen` (K,).

    A method with one run is the same for all seeds. Where numbers of runs or episodes differ, the first ones that all have are
    taken, so that seeds and episodes stay matched by position.

    Args:
        returns: method -> (R, K, M).
        chosen: a method for each context.
    """
    chosen_returns = [returns[name] for name in set(chosen)]
    runs = min((len(array) for array in chosen_returns if len(array) > 1), default=1)
    episodes = min(array.shape[2] for array in chosen_returns)
    columns = [np.broadcast_to(returns[name][:runs, k, :episodes], (runs, episodes)) for k, name in enumerate(chosen)]
    return np.stack(columns, axis=1)
