"""The splits that every space has, and random ones inside and outside a box."""

from typing import Any

import numpy as np
import pytest

from offctx.contexts.space import ContextSpace
from offctx.envs import PendulumGoal
from offctx.errors import ContextError

PENDULUM = PendulumGoal.context_space
SQUARE = ContextSpace(["x", "y"], [-1, 0], [1, 4], [0, 1], ["m", ""])
OPEN = ContextSpace(["x", "y"], [-np.inf, 0], [1, np.inf], [0, 1])


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_splits_against_the_bounds_are_refused() -> None:
    with pytest.raises(ContextError, match=r"\(x=2, y=1\) \(row 1 of 2\) is out of bounds: x must lie in \[-1, 1\]"):
        ContextSpace(["x", "y"], [-1, 0], [1, 4], [0, 1], splits={"train": [[0, 1], [2, 1]]})


def test_default_splits_are_the_default_and_a_sweep_of_each_bounded_coordinate() -> None:
    splits = PENDULUM.splits
    assert list(splits) == ["train", "sweep_g", "sweep_m", "sweep_l", "sweep_tau"]
    assert splits["train"].tolist() == [[2, 1, 1, 0]]
    assert splits["sweep_tau"][:, 3].tolist() == np.linspace(-1, 1, 9).tolist()
    assert (splits["sweep_tau"][:, :3] == [2, 1, 1]).all()
    assert list(OPEN.splits) == ["train"]


def test_splits_and_default_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        PENDULUM.default[0] = 1
    for rows in PENDULUM.splits.values():
        with pytest.raises(ValueError, match="read-only"):
            rows[0] = 1
    PENDULUM.splits["mine"] = PENDULUM.default  # a copy of the dictionary
    assert "mine" not in PENDULUM.splits


def test_hold_out_separates_inside_and_outside() -> None:
    splits = PENDULUM.hold_out([1, 0.75, 0.75, -0.5], [3, 1.5, 1.5, 0.5], 500, rng())
    assert {name: rows.shape for name, rows in splits.items()} == {"train": (500, 4), "in": (500, 4), "out": (500, 4)}
    low, high = [1, 0.75, 0.75, -0.5], [3, 1.5, 1.5, 0.5]
    inside = {name: ((rows >= low) & (rows <= high)).all(axis=1) for name, rows in splits.items()}
    assert inside["train"].all() and inside["in"].all() and not inside["out"].any()
    assert all(PENDULUM.valid(rows).all() for rows in splits.values())
    assert not np.array_equal(splits["train"], splits["in"])


@pytest.mark.parametrize(("low", "high"), [([-2, 0], [1, 4]), ([0, 0], [1, 5]), ([0.5, 0], [0, 4])])
def test_hold_out_refuses_a_box_beyond_the_bounds(low: Any, high: Any) -> None:
    with pytest.raises(ContextError, match="<= low <= high <="):
        SQUARE.hold_out(low, high, 3, rng())


def test_hold_out_of_everything_leaves_nothing_outside() -> None:
    with pytest.raises(ContextError, match="hardly any draw"):
        SQUARE.hold_out(SQUARE.low, SQUARE.high, 3, rng())
