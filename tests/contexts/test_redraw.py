"""Rows that must be valid are drawn again, each in its own place, until a limit."""

import numpy as np
import pytest

from offctx.contexts.redraw import redraw_until_valid
from offctx.contexts.space import ContextSpace
from offctx.errors import ContextError


def test_only_the_invalid_rows_are_drawn_again() -> None:
    calls = []

    def propose(missing: np.ndarray, attempt: int) -> tuple[np.ndarray, np.ndarray]:
        calls.append((missing.tolist(), attempt))
        return 10.0 * attempt + missing[:, None], missing <= 2 * attempt

    rows, invalid = redraw_until_valid(propose, 5, attempts=10)
    assert calls == [([0, 1, 2, 3, 4], 0), ([1, 2, 3, 4], 1), ([3, 4], 2)]
    assert rows.tolist() == [[0], [11], [12], [23], [24]]
    assert invalid.tolist() == []


def test_the_limit_leaves_the_last_proposals_and_names_their_rows() -> None:
    calls = []

    def propose(missing: np.ndarray, attempt: int) -> tuple[np.ndarray, np.ndarray]:
        calls.append(attempt)
        return np.full((len(missing), 1), float(attempt)), missing == 1

    rows, invalid = redraw_until_valid(propose, 3, attempts=4)
    assert calls == [0, 1, 2, 3]
    assert invalid.tolist() == [0, 2]
    assert rows.tolist() == [[3], [0], [3]]


def test_a_space_says_that_it_gave_up() -> None:
    thin = ContextSpace(["a", "b"], 0, 1, [0.5, 0.5], constraints=["abs(a - b) < 1e-12"])
    with pytest.raises(ContextError, match=r"hardly any draw is a valid context of ContextSpace\(a in \[0, 1\]"):
        thin.sample(np.random.default_rng(0), 2)


def test_samples_are_the_first_valid_draws_in_order() -> None:
    space = ContextSpace(["a", "b"], 0, 1, [0.7, 0.2], constraints=["b < a"])
    rows = space.sample(np.random.default_rng(3), 7)
    rng = np.random.default_rng(3)
    draws = np.concatenate([rng.uniform(space.low, space.high, (7, 2)) for _ in range(6)])
    np.testing.assert_array_equal(rows, draws[draws[:, 1] < draws[:, 0]][:7])
