"""Making a space: what fits together, and the scale of its coordinates."""

from typing import Any

import numpy as np
import pytest

from offctx.contexts.space import ContextSpace
from offctx.errors import ContextError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [], [], []), "at least one"),
        ((["a", "a"], 0, 1, 0), "distinct identifiers"),
        ((["a b"], 0, 1, 0), "distinct identifiers"),
        ((["a", "b"], [0, 0, 0], 1, [0, 0]), "low must have 2 numbers; found shape"),
        ((["a"], 1, 0, 0), "low <= high"),
        ((["a"], np.nan, 1, 0), "low <= high"),
        ((["a", "b"], 0, 1, 0), r"context must have 2 numbers, coordinates \['a', 'b'\]; found shape \(\)"),
        ((["a"], 0, 1, 2), r"context \(a=2\) is out of bounds: a must lie in \[0, 1\]"),
        ((["a"], 0, 1, [np.nan]), "is not finite"),
        ((["a", "b"], 0, 1, [0, 0], ["m"]), r"expected 2 units, one for each of \['a', 'b'\]; found 1"),
        ((["a"], "zero", 1, 0), "low must be 1 numbers; found 'zero'"),
    ],
)
def test_a_space_that_does_not_fit_together_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ContextError, match=message):
        ContextSpace(*arguments)


def test_a_default_against_a_constraint_is_refused() -> None:
    with pytest.raises(ContextError, match="not a valid combination: it must satisfy a < b"):
        ContextSpace(["a", "b"], 0, 1, [0.5, 0.5], constraints=["a < b"])


def test_half_widths_by_hand() -> None:
    space = ContextSpace(
        ["bounded", "unbounded", "unbounded_zero", "half_bounded", "fixed", "switch"],
        [-1, -np.inf, -np.inf, 0, 3, 0],
        [4, np.inf, np.inf, np.inf, 3, 1],
        [0, -6, 0, 7, 3, 0],
        discrete=["switch"],
    )
    assert space.half_widths().tolist() == [2.5, 6, 1, 7, 3, 0.5]
    assert space.half_widths(otherwise=1.0).tolist() == [2.5, 1, 1, 1, 1, 0.5]
    assert (space.half_widths() * space.continuous).tolist() == [2.5, 6, 1, 7, 3, 0]
