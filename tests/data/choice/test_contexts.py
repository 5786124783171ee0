"""Which contexts and episodes are meant by numbers, values, names, inequalities and functions."""

import numpy as np
import pytest

from offctx.data.choice.contexts import choose_contexts, numbers_in
from offctx.errors import ContextError, DatasetError

NAMES = ("g", "m")
KNOWN = np.array([[1.0, 0.5], [2.0, 0.5], [2.0, 1.5], [4.0, 0.1 + 0.2]])


def chosen(what):
    return np.flatnonzero(choose_contexts(KNOWN, NAMES, what, "test/x-v0")).tolist()


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (1, [1]),
        (-1, [3]),
        ([2, 0, 2], [0, 2]),
        (np.array([1, -4]), [0, 1]),
        (slice(1, 3), [1, 2]),
        (np.array([True, False, False, True]), [0, 3]),
        ([2.0, 1.5], [2]),
        ([[2.0, 1.5], [1.0, 0.5]], [0, 2]),
        ([[1, 0.5]], [0]),
        ({"g": 2}, [1, 2]),
        ({"m": 0.3}, [3]),
        ({"g": [1, 4], "m": 0.5}, [0]),
        ({"g": lambda g: g > 1, "m": lambda m: m < 1}, [1, 3]),
        ([{"g": 1}, {"m": 1.5}], [0, 2]),
        ("g > 1", [1, 2, 3]),
        ("abs(g - 2) < m + 0.6", [0, 1, 2]),
        (lambda c: c["g"] > 1 and c["m"] == 0.5, [1]),
    ],
)
def test_what_may_be_asked_for(what, expected):
    assert chosen(what) == expected


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        (4, DatasetError, r"test/x-v0 has contexts 0 to 3; found 4"),
        ([0, -5], DatasetError, "found -5"),
        ([], DatasetError, "none of them is chosen"),
        (slice(4, 9), DatasetError, "none of them is chosen"),
        (slice("a", None), DatasetError, "slice of whole numbers"),
        (np.array([True, False]), DatasetError, r"so many booleans; found an array \(2,\)"),
        ([2.0, 1.6], DatasetError, r"has no context \[2.0, 1.6\]; the nearest is \[2.0, 1.5\]"),
        ([1.0, 2.0, 3.0], DatasetError, "expected contexts as numbers of contexts"),
        ([[1.0], [2.0, 3.0]], DatasetError, "expected contexts as numbers of contexts"),
        ([np.nan, 0.5], DatasetError, "has no context"),
        ({"mass": 2}, ContextError, "unknown context name 'mass'; these contexts have"),
        ({"g": "two"}, DatasetError, "found 'two'"),
        ({"g": 7}, DatasetError, r"none of its 4 contexts \(g 1 to 4, m 0.3 to 1.5\)"),
        ("mass > 1", ContextError, "mass"),
        ("g > 9", DatasetError, "none of its 4 contexts"),
        (lambda c: c["mass"], ContextError, "unknown name 'mass'"),
        (lambda c: c["g"], DatasetError, "return True or False; it returned 1.0"),
        (lambda c: 1 / 0, DatasetError, "the function in contexts failed at .*ZeroDivisionError"),
        (object(), DatasetError, "expected contexts as numbers"),
    ],
)
def test_what_is_refused(what, error, message):
    with pytest.raises(error, match=message):
        chosen(what)


def test_numbers_of_episodes_are_ascending_and_each_once():
    assert numbers_in(5, [3, -5, 3], "episodes", "x").tolist() == [0, 3]
    assert numbers_in(5, slice(None, None, -2), "episodes", "x").tolist() == [0, 2, 4]
    for wrong in (1.5, [0.0], "0", [[0]], None):
        with pytest.raises(DatasetError, match="expected episodes as whole numbers"):
            numbers_in(5, wrong, "episodes", "x")
