"""What an interval is over: the training seeds of a method, or the evaluation episodes of one agent.

Dimensions: R training runs of one method, K contexts, M episodes per context, U units.

1. R > 1: the unit is the training seed. A run is scored in each context by its mean over episodes. An interval needs at least
   `MIN_SEEDS` runs; with fewer, the values of the runs themselves are reported. More episodes do not narrow such an interval.
2. R == 1: the unit is the episode. Such an interval says nothing about other training seeds. It needs two episodes.

A unit is one row over all contexts. A run that is bad in one context tends to be bad in the next one, and `offctx.evaluate`
plays episode m from the same seed in all contexts. To treat contexts as independent would make intervals of a mean over
contexts too narrow (2.2 times for a random policy in sweeps of nine contexts of PendulumGoal).
"""

from offctx.evaluation.statistics.aggregates import Array
from offctx.evaluation.statistics.intervals import Over

MIN_SEEDS = 5
_MIN_EPISODES = 2


def as_units(returns: Array) -> Array:
    """The units (U, K) of returns (R, K, M): the episodes of the one run, or the runs, each by the mean of its episodes."""
    units: Array = returns[0].T if len(returns) == 1 else returns.mean(axis=2)
    return units


def kind_of_units(*arms: Array) -> Over:
    """What the units of returns (R, K, M) are; where several arms are compared, seeds as soon as one arm has several runs."""
    return "seeds" if any(len(arm) > 1 for arm in arms) else "episodes"


def enough_units(over: Over, count: int) -> bool:
    """Whether this many seeds or episodes give an interval."""
    return count >= (MIN_SEEDS if over == "seeds" else _MIN_EPISODES)
