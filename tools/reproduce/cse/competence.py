"""Whether a learner has learned its task at all: it must be above null actions at c0, where all learners have trained."""

import math
from enum import Enum

import numpy as np

from tools.reproduce.cse.arms import UNTRAINED
from tools.reproduce.cse.results import AlgorithmResult
from tools.reproduce.cse.settings import TRAIN

_ROUNDING = 1e-6  # of the larger return: smaller differences are rounding errors


class Competence(Enum):
    """What the returns at c0 say of an arm."""

    LEARNED = "learned"
    NOT_LEARNED = "not learned"
    UNKNOWN = "unknown"
    NOTHING_TO_LEARN = "nothing to learn at c0"

    @property
    def allows_conclusions(self) -> bool:
        """Whether the arm's returns elsewhere may be judged."""
        return self in (Competence.LEARNED, Competence.NOTHING_TO_LEARN)


def competence(result: AlgorithmResult, arm: str) -> Competence:
    """Whether the returns of an arm at c0 lie above those of zero (constant, where actions are discrete) and random actions.

    The whole interval of each joint difference must lie above 0; with 2 to 4 seeds, the difference of each seed. Where every
    policy has the same return at c0, random actions included, there is nothing to learn at c0, and the other contexts decide.
    """
    nothing = result.do_nothing
    if nothing is None or arm not in result.runs or arm in UNTRAINED:
        return Competence.UNKNOWN
    if "random" in result.runs and _all_equal(result):
        return Competence.NOTHING_TO_LEARN
    bar = [nothing, *(["random"] if "random" in result.runs else [])]
    differences = [result.difference(arm, null, TRAIN) for null in bar]
    lowest = [min(d.values) if math.isnan(d.low) else d.low for d in differences if d and (d.values or not math.isnan(d.low))]
    if len(lowest) < len(bar):
        return Competence.UNKNOWN
    return Competence.LEARNED if min(lowest) > 0 else Competence.NOT_LEARNED


def _all_equal(result: AlgorithmResult) -> bool:
    """Whether all policies have the same returns at c0, episode by episode."""
    returns = np.concatenate([result.returns(arm, TRAIN) for arm in result.arms])
    return bool(np.ptp(returns, axis=0).max() <= _ROUNDING * max(1.0, float(np.abs(returns).max())))
