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


def test_without_an_interval_the_text_shows_the_values_of_the_seeds() -> None:
    nan = math.nan
    assert str(Interval(-134.0, nan, nan, values=(-120.2, -131.1, -150.7))) == "-134 (seeds: -120, -131, -151)"
    assert str(Interval(0.5, nan, nan, values=(0.512, 0.488))) == "0.500 (seeds: 0.512, 0.488)"
    assert str(Interval(5.0, nan, nan, values=(5.0, 5.0))) == "5 (seeds: 5, 5)"
    assert str(Interval(2.0, nan, nan)) == "2 [no interval]"
    assert str(Interval(1.0, 0.0, 2.0, over="seeds", values=(0.0, 2.0))) == "1.0 [0.0, 2.0]"


def test_json_says_what_an_interval_is_over_and_has_no_number_that_json_lacks() -> None:
    unbounded = Interval(1.0, -math.inf, 2.0, over="seeds", values=(1.0, math.nan)).to_dict()
    assert unbounded == {
        "estimate": 1.0, "low": None, "high": 2.0, "confidence": 0.95, "over": "seeds", "values": [1.0, None],
    }  # fmt: skip
    assert Interval(1.0, 0.0, 2.0).to_dict()["over"] is None


def test_the_rounding_of_equal_values_is_not_shown_as_a_width() -> None:
    assert str(Interval(22.34375, 22.34375 - 4e-15, 22.34375 + 4e-15)) == "22.34 [22.34, 22.34]"
