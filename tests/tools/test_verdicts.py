"""One rule decides about all claims."""

import math

import pytest

from offctx.evaluation.statistics import Interval
from tools.reproduce.frame.verdicts import Threshold, Verdict, judge, verdict_table


@pytest.mark.parametrize(
    ("threshold", "low", "high", "met"),
    [
        (Threshold(at_least=0.8), 0.8, 0.9, True),
        (Threshold(at_least=0.8), 0.79, 1.2, False),  # the estimate is not asked
        (Threshold(at_least=0.8), 0.9, math.inf, True),
        (Threshold(at_most=-0.4), -0.6, -0.4, True),
        (Threshold(at_most=-0.4), -0.6, -0.39, False),
        (Threshold(at_least=-0.6, at_most=-0.4), -0.61, -0.5, False),
        (Threshold(above=0), 0.0, 0.0, False),
        (Threshold(above=0), 1e-9, 1.0, True),
    ],
)
def test_the_whole_interval_meets_the_threshold(threshold: Threshold, low: float, high: float, met: bool) -> None:
    assert judge("c", Interval(1.0, low, high), threshold).met is met


@pytest.mark.parametrize("interval", [None, Interval(1.0, math.nan, math.nan)])
def test_without_an_interval_nothing_is_judged(interval: Interval | None) -> None:
    assert judge("c", interval, Threshold(above=0)).met is None


def test_a_learner_that_has_not_learned_is_not_judged() -> None:
    verdict = judge("c", Interval(1.0, 0.5, 1.5), Threshold(above=0), learned=False)
    assert verdict == Verdict("c", "1.0 [0.5, 1.5]; not learned", None)


def test_verdicts_as_a_table() -> None:
    lines = verdict_table([Verdict("a > 0", "1", True), Verdict("b > 0", "-1", False), Verdict("c", "2", None)])
    assert lines[2:] == ["| a > 0 | 1 | met |", "| b > 0 | -1 | **not met** |", "| c | 2 | cannot be judged |", ""]
