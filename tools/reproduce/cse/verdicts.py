"""What is said of CSE in each region: against the strongest of baseline and null controls, and as a share of the references.

The strongest of the baseline and the null controls is the one with the highest mean return in the region. The gain of a
reference is what it has above this one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from offctx.evaluation.statistics import GapClosed, Interval
from tools.reproduce.cse.arms import METHODS, REFERENCES, TITLES
from tools.reproduce.cse.competence import Competence, competence
from tools.reproduce.cse.results import AlgorithmResult
from tools.reproduce.frame.verdicts import Threshold, Verdict, judge

ABOVE, BELOW, UNDECIDED = "above", "below", "not above"
NOT_LEARNED, NO_INTERVAL, NO_CONTROLS = "not learned", "no interval over seeds", "controls missing"


@dataclass(frozen=True)
class Judgement:
    """One method in one region.

    Attributes:
        result: of the algorithm.
        method: one of METHODS.
        region: a sweep, or all sweeps.
        strongest: the strongest of the baseline and the null controls.
        difference: method minus strongest; None where they have no seed in common.
        learned: whether the method has learned its task.
        shares: reference -> the method's share of the reference's gain over the strongest control, where it has learned.
    """

    result: AlgorithmResult
    method: str
    region: str
    strongest: str
    difference: Interval | None
    learned: Competence
    shares: dict[str, GapClosed]

    @property
    def verdict(self) -> Verdict:
        """The claim that the method lies above the strongest control."""
        name = f"{self.result.environment.name}, {self.result.title}, {self.region}"
        claim = f"{name}: {TITLES[self.method]} - {TITLES[self.strongest]} > 0"
        if self.result.missing_nulls:
            return Verdict(claim, f"not judged: {NO_CONTROLS}", None)
        # Where there is no interval, that is the reason, and not that the learner has not been seen to learn.
        learned = self.learned is not Competence.NOT_LEARNED
        return judge(claim, self.difference, Threshold(above=0), learned)

    @property
    def word(self) -> str:
        """The verdict in one or two words."""
        if self.learned is Competence.NOT_LEARNED:
            return NOT_LEARNED
        if self.result.missing_nulls:
            return NO_CONTROLS
        met = self.verdict.met
        if met is None or self.difference is None:
            return NO_INTERVAL
        return ABOVE if met else BELOW if self.difference.high < 0 else UNDECIDED

    def to_dict(self) -> dict[str, Any]:
        """For the JSON report."""
        return {
            "method": self.method,
            "region": self.region,
            "strongest": self.strongest,
            "difference": None if self.difference is None else self.difference.to_dict(),
            "learned": self.learned.value,
            "verdict": self.word,
            "shares": {reference: share.to_dict() for reference, share in self.shares.items()},
        }


def judgements(result: AlgorithmResult) -> list[Judgement]:
    """Every method in every region."""
    return [
        judged
        for method in METHODS
        for region in result.regions
        if method in result.runs and (judged := judgement(result, method, region)) is not None
    ]


def judgement(result: AlgorithmResult, method: str, region: str) -> Judgement | None:
    """One method in one region; None where neither the baseline nor a null control was run."""
    strongest = result.best(result.nulls, region)
    if strongest is None:
        return None
    learned = [ref for ref in REFERENCES if competence(result, ref) is not Competence.NOT_LEARNED]
    shares = {ref: share for ref in learned if (share := result.share(method, strongest, ref, region)) is not None}
    difference = result.difference(method, strongest, region)
    return Judgement(result, method, region, strongest, difference, competence(result, method), shares)


def not_learned(results: Sequence[AlgorithmResult]) -> list[tuple[AlgorithmResult, list[str]]]:
    """The arms that have not learned their task, by algorithm; algorithms without such arms are left out."""
    found = [(result, [arm for arm in result.arms if competence(result, arm) is Competence.NOT_LEARNED]) for result in results]
    return [(result, arms) for result, arms in found if arms]
