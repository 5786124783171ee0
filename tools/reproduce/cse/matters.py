"""Does the context matter here? Policies that are told the context against policies that are not.

Told: the better of LDR and GDR, which see the context and were trained in many: the one with the higher mean return in the
sweep. Not told: the policy that was trained at c0 with the context hidden, the policy that was trained on GDR's data with the
context hidden, and the untrained policies (zero, constant, random action). The context matters where the whole interval of
told - not told lies above 0 for each of these; the one that is named has the lowest lower end, as in `offctx.evaluation.rule`.
"""

from dataclasses import dataclass
from typing import Any

from offctx.evaluation.rule import deciding_null
from offctx.evaluation.statistics import Interval
from tools.reproduce.cse.arms import TITLES, TOLD, UNTOLD, UNTRAINED
from tools.reproduce.cse.competence import Competence, competence
from tools.reproduce.cse.results import AlgorithmResult
from tools.reproduce.frame.verdicts import Threshold

MATTERS, NOT_SHOWN = "yes", "not shown"


@dataclass(frozen=True)
class Proof:
    """Told against not told in one sweep.

    Attributes:
        result: of the algorithm.
        sweep: its name.
        told: the better arm that is told the context; None where none was run.
        untold: the deciding arm that is not told; None where none was run.
        difference: told minus not told; None where something is missing.
        reason: why nothing is concluded; "" where something is.
    """

    result: AlgorithmResult
    sweep: str
    told: str | None
    untold: str | None
    difference: Interval | None
    reason: str = ""

    @property
    def answer(self) -> str:
        """Whether the context matters, in a few words."""
        if self.reason:
            return f"not judged: {self.reason}"
        met = Threshold(above=0).met_by(self.difference)
        return "not judged: no interval over seeds" if met is None else MATTERS if met else NOT_SHOWN

    def to_dict(self) -> dict[str, Any]:
        """For the JSON report."""
        difference = None if self.difference is None else self.difference.to_dict()
        return {
            "sweep": self.sweep,
            "told": self.told,
            "not told": self.untold,
            "difference": difference,
            "answer": self.answer,
        }


def proofs(result: AlgorithmResult) -> list[Proof]:
    """Every sweep of an algorithm."""
    return [_proof(result, sweep) for sweep in result.sweeps]


def complete_proofs(result: AlgorithmResult) -> list[Proof]:
    """Every sweep, where all four arms were run; otherwise nothing can be concluded, and there is nothing to show."""
    return proofs(result) if set(result.runs) >= {*TOLD, *UNTOLD} else []


def _proof(result: AlgorithmResult, sweep: str) -> Proof:
    told = result.best(TOLD, sweep)
    missing = [TITLES[arm] for arm in (*TOLD, *UNTOLD) if arm not in result.runs]
    untold, difference = (None, None) if told is None else _deciding(result, told, sweep)
    reason = f"{', '.join(missing)} not run" if missing else _incompetence(result, told)
    return Proof(result, sweep, told, untold, difference, reason)


def _deciding(result: AlgorithmResult, told: str, sweep: str) -> tuple[str | None, Interval | None]:
    """The deciding arm that is not told, and told minus it."""
    arms = [arm for arm in (*UNTOLD, *UNTRAINED) if arm in result.runs]
    compared = {arm: result.difference(told, arm, sweep) for arm in arms}
    differences = {arm: difference for arm, difference in compared.items() if difference is not None}
    if not differences:
        return None, None
    untold = deciding_null(differences)
    return untold, differences[untold]


def _incompetence(result: AlgorithmResult, told: str | None) -> str:
    """Why the better arm that is told says nothing, if it has not learned its task."""
    if told is None or competence(result, told) is not Competence.NOT_LEARNED:
        return ""
    return f"{TITLES[told]} has not learned its task (its return at c0 is not above doing nothing)"
