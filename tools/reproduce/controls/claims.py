"""The claims of the headline: CSE above the baseline and every null control, one by one."""

from collections.abc import Sequence

from tools.reproduce.cse.arms import TITLES
from tools.reproduce.cse.competence import Competence, competence
from tools.reproduce.cse.results import AlgorithmResult
from tools.reproduce.cse.tables import region_title
from tools.reproduce.frame.verdicts import Threshold, Verdict, judge

METHOD = "cse"
CLAIMED = {"RotatedThrusters": ("sweep_theta",)}  # fixed before the runs; for other tasks every sweep is claimed


def claimed_sweeps(result: AlgorithmResult) -> Sequence[str]:
    """The sweeps that claims are made about."""
    return CLAIMED.get(result.environment.name, result.sweeps)


def claims(result: AlgorithmResult) -> list[Verdict]:
    """First-order CSE minus each control, above 0: a claim for each claimed sweep and each control."""
    if METHOD not in result.runs:
        return []
    learned = competence(result, METHOD) is not Competence.NOT_LEARNED
    return [
        judge(_claim(result, control, sweep), result.difference(METHOD, control, sweep), Threshold(above=0), learned)
        for sweep in claimed_sweeps(result)
        for control in result.nulls
    ]


def _claim(result: AlgorithmResult, control: str, sweep: str) -> str:
    return f"{region_title(sweep)}: {TITLES[METHOD]} - {TITLES[control]} > 0"


def disjoint_from(result: AlgorithmResult, sweep: str) -> list[str]:
    """The controls whose interval of the mean return lies wholly below that of CSE."""
    own = result.interval(METHOD, sweep)
    return [control for control in result.nulls if result.interval(control, sweep).high < own.low]
