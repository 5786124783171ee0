"""Intervals as text."""

from __future__ import annotations

import math

from offctx.evaluation.statistics import (
    Interval,
)


def test_interval_text_shows_two_digits_of_its_width() -> None:
    assert str(Interval(-85.34, -90.06, -80.21)) == "-85.3 [-90.1, -80.2]"
    assert str(Interval(0.6213, 0.551, 0.702)) == "0.62 [0.55, 0.70]"
    assert str(Interval(-1234.5, -1400.2, -1000.7)) == "-1234 [-1400, -1001]"
    assert str(Interval(5.0, 5.0, 5.0)) == "5 [5, 5]"
    unbounded = Interval(1.0, -math.inf, 2.0).to_dict()
    assert unbounded == {"estimate": 1.0, "low": None, "high": 2.0, "confidence": 0.95}
