"""What an interval is over: training seeds and evaluation episodes, or the episodes of one agent.

Dimensions: R training runs of one method, K contexts, M episodes per context, U units.

1. R > 1: seeds and episodes, which cross, as all agents play the same start states (`crossed`). An interval needs at least
   `MIN_SEEDS` runs; with fewer, the values of the runs themselves are reported. With one episode (M == 1) the interval is over
   seeds alone: it holds for this start state.
2. R == 1: the episodes of one agent. Such an interval says nothing about other training seeds. It needs two episodes.

A seed or an episode is one row over all contexts. A run that is bad in one context tends to be bad in the next one, and
`offctx.evaluate` plays episode m from the same seed in all contexts. To treat contexts as independent would make intervals of a
mean over contexts too narrow (2.2 times for a random policy in sweeps of nine contexts of PendulumGoal).
"""

from offctx.evaluation.statistics.aggregates import Array
from offctx.evaluation.statistics.intervals import Over

MIN_SEEDS = 5
_MIN_EPISODES = 2


def as_units(returns: Array) -> Array:
    """The units (U, K) of returns (R, K, M): the episodes of the one run, or the runs, each by the mean of its episodes."""
    units: Array = returns[0].T if len(returns) == 1 else returns.mean(axis=2)
    return units


def kind_of_interval(*arms: Array) -> Over:
    """What an interval of returns (R, K, M) is over; where several arms are compared, seeds as soon as one has several runs."""
    if all(len(arm) == 1 for arm in arms):
        return "episodes"
    return "seeds and episodes" if min(arm.shape[2] for arm in arms) > 1 else "seeds"


def enough_units(over: Over, count: int) -> bool:
    """Whether this many seeds, or episodes of one agent, give an interval."""
    return count >= (_MIN_EPISODES if over == "episodes" else MIN_SEEDS)
