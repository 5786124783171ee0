"""What is said of CSE in each region, against the baseline and every null control, and as a share of the references' gains.

The rule is that of `offctx.compare` (`offctx.evaluation.rule`): the deciding control is the one whose interval of method -
control has the lowest lower end; shares start at the strongest control, with the highest mean return. Here cells may be
missing: arms are compared on the seeds that they have in common, and without all controls nothing is judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from offctx.evaluation.rule import deciding_null, status_of
from offctx.evaluation.statistics import GapClosed, Interval
from tools.reproduce.cse.arms import METHODS, REFERENCES, TITLES
from tools.reproduce.cse.competence import Competence, competence
from tools.reproduce.cse.results import AlgorithmResult
from tools.reproduce.frame.verdicts import Threshold, Verdict, judge

ABOVE, BELOW, UNDECIDED = "above", "below", "not above"
NO_CONTROLS = "controls missing"


@dataclass(frozen=True)
class Judgement:
    """One method in one region.

    Attributes:
        result: of the algorithm.
        method: one of METHODS.
        region: a sweep, or all sweeps.
        control: the deciding one of the baseline and the null controls.
        difference: method minus control.
        lead: method minus the best control of each context; None where the arms have no seed in common.
        strongest: the control at which shares start.
        learned: whether the method has learned its task.
        shares: reference -> the method's share of the reference's gain over the strongest control, where it has learned.
    """

    result: AlgorithmResult
    method: str
    region: str
    control: str
    difference: Interval
    lead: Interval | None
    strongest: str
    learned: Competence
    shares: dict[str, GapClosed]

    @property
    def verdict(self) -> Verdict:
        """The claim that the method lies above the strongest control."""
        name = f"{self.result.environment.name}, {self.result.title}, {self.region}"
        claim = f"{name}: {TITLES[self.method]} - {TITLES[self.control]} > 0"
        if self.result.missing_nulls:
            return Verdict(claim, f"not judged: {NO_CONTROLS}", None)
        return judge(claim, self.difference, Threshold(above=0), self._has_learned)

    @property
    def word(self) -> str:
        """The verdict in one or two words."""
        if self.result.missing_nulls and self._has_learned:
            return NO_CONTROLS
        return status_of(self.difference, learned=self._has_learned)

    @property
    def _has_learned(self) -> bool:
        """False where it is known not to have learned. What was not seen to learn has no interval, and that is the reason."""
        return self.learned is not Competence.NOT_LEARNED

    def to_dict(self) -> dict[str, Any]:
        """For the JSON report."""
        return {
            "method": self.method,
            "region": self.region,
            "control": self.control,
            "difference": self.difference.to_dict(),
            "lead": None if self.lead is None else self.lead.to_dict(),
            "strongest": self.strongest,
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
    """One method in one region; None where it shares no seed with the baseline or a null control."""
    compared = {null: result.difference(method, null, region) for null in result.nulls}
    differences = {null: difference for null, difference in compared.items() if difference is not None}
    if not differences:
        return None
    control, strongest = deciding_null(differences), result.best(list(differences), region)
    assert strongest is not None
    learned = [ref for ref in REFERENCES if competence(result, ref) is not Competence.NOT_LEARNED]
    shares = {ref: share for ref in learned if (share := result.share(method, strongest, ref, region)) is not None}
    lead = result.lead(method, list(differences), region)
    return Judgement(result, method, region, control, differences[control], lead, strongest, competence(result, method), shares)


def not_learned(results: Sequence[AlgorithmResult]) -> list[tuple[AlgorithmResult, list[str]]]:
    """The arms that have not learned their task, by algorithm; algorithms without such arms are left out."""
    found = [(result, [arm for arm in result.arms if competence(result, arm) is Competence.NOT_LEARNED]) for result in results]
    return [(result, arms) for result, arms in found if arms]
