"""Does the context matter here? Policies that are told the context against policies that are not.

Told: LDR and GDR, which see the context and were trained in many. Each is compared by itself: none is picked by its returns.
Not told: the policy that was trained at c0 with the context hidden, the policy that was trained on GDR's data with the context
hidden, and the policies that know nothing (zero, constant, random action). The context matters where the whole interval of
told - not told lies above 0 for each of these; the one that is named has the lowest lower end, as in `offctx.evaluation.rule`.

Damped feedback by hand is not told either. It was not trained, and knows where the target is: where a policy that is told is
not above it, the answer holds among trained policies only, and says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from offctx.evaluation.rule import deciding_null
from offctx.evaluation.statistics import Interval
from tools.reproduce.cse.arms import BY_HAND, DO_NOTHING, TITLES, TOLD, UNTOLD
from tools.reproduce.cse.competence import Competence, competence
from tools.reproduce.cse.results import AlgorithmResult
from tools.reproduce.frame.verdicts import Threshold

MATTERS, NOT_SHOWN = "yes", "not shown"
TRAINED_ONLY = "yes among trained policies, not against feedback by hand"
NOT_LEARNED, NO_INTERVAL = "not learned", "no interval over seeds"  # nothing is judged


@dataclass(frozen=True)
class Comparison:
    """One policy that is told the context against those that are not.

    Attributes:
        told: the arm that is told.
        untold: the deciding arm that is not told.
        difference: told minus not told.
        less_by_hand: told minus damped feedback by hand; None where there is none.
        learned: False where the arm is known not to have learned its task; nothing is concluded from it.
    """

    told: str
    untold: str
    difference: Interval
    less_by_hand: Interval | None
    learned: bool

    @property
    def answer(self) -> str:
        """Whether the context matters by this comparison."""
        if not self.learned:
            return NOT_LEARNED
        met = Threshold(above=0).met_by(self.difference)
        if met is None:
            return NO_INTERVAL
        beaten = self.less_by_hand is None or Threshold(above=0).met_by(self.less_by_hand)
        return NOT_SHOWN if not met else MATTERS if beaten else TRAINED_ONLY

    def to_dict(self) -> dict[str, Any]:
        """For the JSON report."""
        by_hand = {} if self.less_by_hand is None else {"told - by hand": self.less_by_hand.to_dict()}
        difference = {"not told": self.untold, "told - not told": self.difference.to_dict()}
        return {"told": self.told, **difference, **by_hand, "answer": self.answer}


@dataclass(frozen=True)
class Proof:
    """Told against not told in one sweep.

    Attributes:
        result: of the algorithm.
        sweep: its name.
        comparisons: of each arm that is told; those without a seed in common with the others are left out.
        missing: the arms that were not run; without them nothing is concluded.
    """

    result: AlgorithmResult
    sweep: str
    comparisons: Sequence[Comparison]
    missing: Sequence[str]

    @property
    def answer(self) -> str:
        """Whether the context matters: one word where all comparisons agree, else that of each."""
        if self.missing:
            return f"not judged: {', '.join(TITLES[arm] for arm in self.missing)} not run"
        answers = {TITLES[comparison.told]: comparison.answer for comparison in self.comparisons}
        words = set(answers.values())
        if words <= {NOT_LEARNED, NO_INTERVAL}:
            return f"not judged: {', '.join(sorted(words)) or 'no seed in common'}"
        return words.pop() if len(words) == 1 else "; ".join(f"{arm}: {answer}" for arm, answer in answers.items())

    def to_dict(self) -> dict[str, Any]:
        """For the JSON report."""
        comparisons = [comparison.to_dict() for comparison in self.comparisons]
        return {"sweep": self.sweep, "comparisons": comparisons, "answer": self.answer}


def proofs(result: AlgorithmResult) -> list[Proof]:
    """Every sweep of an algorithm."""
    return [_proof(result, sweep) for sweep in result.sweeps]


def complete_proofs(result: AlgorithmResult) -> list[Proof]:
    """Every sweep, where all four arms were run; otherwise nothing can be concluded, and there is nothing to show."""
    return proofs(result) if set(result.runs) >= {*TOLD, *UNTOLD} else []


def _proof(result: AlgorithmResult, sweep: str) -> Proof:
    missing = [arm for arm in (*TOLD, *UNTOLD) if arm not in result.runs]
    compared = [_comparison(result, told, sweep) for told in TOLD if told in result.runs]
    return Proof(result, sweep, [comparison for comparison in compared if comparison is not None], missing)


def _comparison(result: AlgorithmResult, told: str, sweep: str) -> Comparison | None:
    """An arm that is told against the deciding one that is not; None where they have no seed in common."""
    arms = [arm for arm in (*UNTOLD, *DO_NOTHING) if arm in result.runs]
    compared = {arm: result.difference(told, arm, sweep) for arm in arms}
    differences = {arm: difference for arm, difference in compared.items() if difference is not None}
    if not differences:
        return None
    untold = deciding_null(differences)
    by_hand = result.difference(told, BY_HAND, sweep) if BY_HAND in result.runs else None
    learned = competence(result, told) is not Competence.NOT_LEARNED
    return Comparison(told, untold, differences[untold], by_hand, learned)
