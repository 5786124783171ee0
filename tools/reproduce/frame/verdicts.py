"""Claims, and whether measurements support them: one rule for all experiments.

A claim with an interval and a threshold is met when the whole interval meets the threshold, and not met otherwise. It
cannot be judged where there is no interval over seeds, or where the learner has not learned its task.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from offctx.evaluation.rule import over_seeds
from offctx.evaluation.statistics import Interval
from tools.reproduce.frame.markdown import table

RULE = (
    "A claim is met when its whole 95 % interval over seeds and episodes meets the threshold, and not met otherwise. It cannot "
    "be judged where there is no interval over seeds (fewer than five seeds), or where the learner has not learned its task."
)
"""The rule in words, for the heads of reports."""

RULE_OVER_SEEDS = RULE.replace("over seeds and episodes", "over seeds")
"""The same for reports that have one score a seed."""


class Verdict(NamedTuple):
    """A claim and what was measured.

    Attributes:
        claim: what is claimed, with its threshold.
        measured: the measured value, usually with its interval, in words.
        met: whether the measurement meets the threshold; None if there is no threshold or if it cannot be judged.
    """

    claim: str
    measured: str
    met: bool | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON reports."""
        return {"claim": self.claim, "found": self.measured, "met": self.met}


@dataclass(frozen=True)
class Threshold:
    """What an interval must meet. Bounds that are None ask for nothing.

    Attributes:
        at_least: no value of the interval is smaller.
        at_most: no value of the interval is larger.
        above: every value of the interval is larger.
    """

    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None

    def met_by(self, interval: Interval | None) -> bool | None:
        """Whether the whole interval meets the threshold; None without an interval over seeds."""
        if interval is None or not over_seeds(interval):
            return None
        return (
            (self.at_least is None or interval.low >= self.at_least)
            and (self.at_most is None or interval.high <= self.at_most)
            and (self.above is None or interval.low > self.above)
        )


def judge(claim: str, interval: Interval | None, threshold: Threshold | None, learned: bool = True) -> Verdict:
    """Judge a claim by the rule of this module.

    Args:
        claim: what is claimed, with its threshold, in words.
        interval: what was measured; None where something is missing.
        threshold: what the interval must meet; None where the interval is only shown.
        learned: whether the learner has learned its task. Nothing is concluded from a learner that has not.
    """
    measured = "not measured" if interval is None else str(interval)
    if not learned:
        return Verdict(claim, f"{measured}; not learned", None)
    return Verdict(claim, measured, None if threshold is None else threshold.met_by(interval))


def verdict_table(verdicts: Iterable[Verdict], unjudged: str = "cannot be judged") -> list[str]:
    """Verdicts as a Markdown table.

    Args:
        verdicts: one row each.
        unjudged: the last column where `met` is None.
    """
    words = {True: "met", False: "**not met**", None: unjudged}
    return table(["claim", "measured", "threshold"], [[v.claim, v.measured, words[v.met]] for v in verdicts])
