"""What is a valid context, and the error for one that is not."""

from typing import Any

import numpy as np
import pytest

from offctx.contexts.space import ContextSpace
from offctx.envs import PendulumGoal
from offctx.errors import ContextError

PENDULUM = PendulumGoal.context_space
SQUARE = ContextSpace(["x", "y"], [-1, 0], [1, 4], [0, 1], ["m", ""])


def test_valid_row_by_row() -> None:
    rows = [[2, 1, 1, 0], [6, 1, 1, 0], [2, 1, 1, np.nan], [0.5, 0.5, 0.5, 0.2], [2, 1, np.inf, 0], [5, 2, 2, 1]]
    assert PENDULUM.valid(rows).tolist() == [True, False, False, False, False, True]
    assert PENDULUM.valid(rows, extrapolate=True).tolist() == [True, True, False, False, False, True]


def test_a_mask_is_not_ignored() -> None:
    rows = np.ma.array([[1.0, 2.0], [9.0, 9.0]], mask=[[False, False], [True, True]])  # type: ignore[no-untyped-call]
    for masked in (rows, rows[1]):
        with pytest.raises(ContextError, match="without a mask, which would be ignored"):
            SQUARE.check_many(masked, extrapolate=True)
    assert SQUARE.check_many(rows[:1]).tolist() == [[1.0, 2.0]]


def test_check_gives_a_fresh_row_and_never_clips() -> None:
    given = np.array([0.5, 2.0])
    row = SQUARE.check(given)
    row[0] = 9
    assert given[0] == 0.5 and row.dtype == np.float64
    assert SQUARE.check([3, 1], extrapolate=True).tolist() == [3, 1]
    assert SQUARE.check((1, 4)).tolist() == [1, 4]  # the bounds belong to the space


def test_names_fill_up_with_the_default() -> None:
    assert SQUARE.check({"y": 3}).tolist() == [0, 3]
    assert SQUARE.check({}).tolist() == [0, 1]
    assert SQUARE.check_many({"x": -1}).tolist() == [[-1, 1]]
    assert SQUARE.check_many([{"x": 1}, {"y": 2}, [0.5, 0.5]]).tolist() == [[1, 1], [0, 2], [0.5, 0.5]]


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ([0], r"context must have 2 numbers, coordinates \['x', 'y'\]; found shape \(1,\)"),
        ([[0, 1]], r"found shape \(1, 2\)"),
        (0.5, r"found shape \(\)"),
        (["left", 1], "context must be 2 numbers; found"),
        (None, "context must"),
        ({"z": 1}, r"unknown context name 'z'; this space has \['x', 'y'\]"),
        ({"x": "left"}, "context coordinate x must be 1 numbers; found 'left'"),
        ({"x": [1, 2]}, r"context coordinate x must have 1 numbers; found shape \(2,\)"),
        ([np.nan, 1], r"context \(x=nan, y=1\) is not finite"),
        ([0, 5], r"context \(x=0, y=5\) is out of bounds: y must lie in \[0, 4\]; .*ask for extrapolate"),
    ],
)
def test_a_context_that_is_refused_is_told_why(context: Any, message: str) -> None:
    with pytest.raises(ContextError, match=message):
        SQUARE.check(context)


@pytest.mark.parametrize(
    ("contexts", "message"),
    [
        (np.zeros((0, 2)), r"shape \(K, 2\) with K >= 1, coordinates \['x', 'y'\]; found shape \(0, 2\)"),
        (np.zeros((3, 4)), r"found shape \(3, 4\)"),
        (np.zeros((2, 2, 2)), r"found shape \(2, 2, 2\)"),
        ([[0, 1], [0]], r"contexts must be numbers \(K, 2\)"),
        ([[0, 1], [0, -1]], r"\(x=0, y=-1\) \(row 1 of 2\) is out of bounds"),
    ],
)
def test_contexts_that_are_refused_are_told_why(contexts: Any, message: str) -> None:
    with pytest.raises(ContextError, match=message):
        SQUARE.check_many(contexts)


def test_constraints_hold_under_extrapolation_too() -> None:
    with pytest.raises(ContextError, match=r"not a valid combination: it must satisfy abs\(tau\) < m \* g \* l"):
        PENDULUM.check([9, 1, 1, 9], extrapolate=True)
    assert PENDULUM.check([9, 1, 1, 8.9], extrapolate=True)[3] == 8.9
