"""Context spaces: what is valid, how contexts are made, what is said about them, how they are stored."""

import json
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


# --- making a space ------------------------------------------------------------------------------------------------------


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


# --- what is valid -------------------------------------------------------------------------------------------------------


def test_valid_row_by_row() -> None:
    rows = [[2, 1, 1, 0], [6, 1, 1, 0], [2, 1, 1, np.nan], [0.5, 0.5, 0.5, 0.2], [2, 1, np.inf, 0], [5, 2, 2, 1]]
    assert PENDULUM.valid(rows).tolist() == [True, False, False, False, False, True]
    assert PENDULUM.valid(rows, extrapolate=True).tolist() == [True, True, False, False, False, True]


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


# --- making contexts -----------------------------------------------------------------------------------------------------


def test_samples_are_uniform_valid_and_reproducible() -> None:
    rows = SQUARE.sample(rng(), 20_000)
    assert np.array_equal(rows, SQUARE.sample(rng(), 20_000))
    for k, (low, high) in enumerate(zip(SQUARE.low, SQUARE.high, strict=True)):
        quantiles = np.quantile(rows[:, k], np.linspace(0, 1, 11))
        assert np.abs(quantiles - np.linspace(low, high, 11)).max() < 0.02 * (high - low)
    assert SQUARE.sample(rng()).shape == (2,)
    many = PENDULUM.sample(rng(), 20_000)
    assert (np.abs(many[:, 3]) < many[:, :3].prod(axis=1)).all()
    assert not (np.abs(many[:, 3]) < 0.5 * many[:, :3].prod(axis=1)).all(), "the border region should be sampled too"


def test_sampling_needs_bounds_and_a_count() -> None:
    with pytest.raises(ContextError, match="uniform sampling needs finite bounds"):
        OPEN.sample(rng())
    with pytest.raises(ContextError, match="at least one context to draw; found 0"):
        SQUARE.sample(rng(), 0)


def test_sampling_a_space_with_hardly_a_valid_context_gives_up() -> None:
    thin = ContextSpace(["a", "b"], 0, 1, [0.5, 0.5], constraints=["abs(a - b) < 1e-12"])
    with pytest.raises(ContextError, match="hardly any draw is a valid context"):
        thin.sample(rng())


def test_local_draws_are_normal_around_the_base() -> None:
    wide = ContextSpace(["a", "b"], -100, 100, [1, 2])
    rows = wide.local(20_000, [0.5, 3], rng())
    assert rows.mean(axis=0) == pytest.approx([1, 2], abs=0.1)
    assert rows.std(axis=0) == pytest.approx([0.5, 3], rel=0.03)
    around = wide.local(20_000, 1.0, rng(), base=[-5, 5])
    assert around.mean(axis=0) == pytest.approx([-5, 5], abs=0.05)
    assert (wide.local(50, [1, 0], rng())[:, 1] == 2).all()
    assert PENDULUM.valid(PENDULUM.local(2000, 1.0, rng())).all()


@pytest.mark.parametrize("radius", [-1, np.nan, np.inf, [1, 2, 3]])
def test_local_refuses_a_radius_that_means_nothing(radius: Any) -> None:
    with pytest.raises(ContextError, match="radius must"):
        SQUARE.local(3, radius, rng())


def test_mesh_is_a_product_with_the_last_name_fastest() -> None:
    mesh = PENDULUM.mesh(tau=[-0.5, 0, 0.5], g=[1, 2])  # the order of the keywords does not matter
    assert mesh.tolist() == [[g, 1, 1, tau] for g in (1, 2) for tau in (-0.5, 0, 0.5)]
    assert PENDULUM.mesh().tolist() == [[2, 1, 1, 0]]
    assert PENDULUM.mesh(m=1.5).tolist() == [[2, 1.5, 1, 0]]


def test_mesh_refuses_unknown_names_and_invalid_combinations() -> None:
    with pytest.raises(ContextError, match="unknown context name 'mass'"):
        PENDULUM.mesh(mass=[1])
    with pytest.raises(ContextError, match=r"\(g=0.5, m=1, l=1, tau=1\) \(row 0 of 1\)|must satisfy"):
        PENDULUM.mesh(g=[0.5], tau=[1])


def test_sweep_by_count_keeps_the_valid_ones() -> None:
    assert SQUARE.sweep("y", 3).tolist() == [[0, 0], [0, 2], [0, 4]]
    assert SQUARE.sweep("x", 3, base=[0, 4]).tolist() == [[-1, 4], [0, 4], [1, 4]]
    kept = PENDULUM.sweep("tau", 9, base=[0.5, 1, 1, 0])  # |tau| < 0.5 leaves 3 of 9
    assert kept[:, 3].tolist() == [-0.25, 0, 0.25]


def test_sweep_by_values_refuses_invalid_ones() -> None:
    assert OPEN.sweep("x", [-7, 1]).tolist() == [[-7, 1], [1, 1]]
    with pytest.raises(ContextError, match="must satisfy"):
        PENDULUM.sweep("tau", [0, 0.9], base=[0.5, 1, 1, 0])
    with pytest.raises(ContextError, match="a sweep of x by count needs finite bounds; give its values instead"):
        OPEN.sweep("x", 3)
    with pytest.raises(ContextError, match="unknown context name 'q'"):
        SQUARE.sweep("q")


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


# --- saying and storing --------------------------------------------------------------------------------------------------

SPLIT = ContextSpace(["x"], -np.inf, 3, 1, ["kg"], constraints=["x ** 2 < 10"], splits={"train": [[0], [1]], "far": [[3]]})


@pytest.mark.parametrize("space", [PENDULUM, SQUARE, OPEN, SPLIT])
def test_round_trip_through_json(space: ContextSpace) -> None:
    text = json.dumps(space.to_dict(), allow_nan=False)
    again = ContextSpace.from_dict(json.loads(text))
    assert again == space and hash(again) == hash(space)
    assert again.to_dict() == space.to_dict()
    assert (again.names, again.units, again.constraints) == (space.names, space.units, space.constraints)
    assert np.array_equal([again.low, again.high, again.default], [space.low, space.high, space.default])
    assert {k: v.tolist() for k, v in again.splits.items()} == {k: v.tolist() for k, v in space.splits.items()}


@pytest.mark.parametrize(
    "change",
    [
        {"names": ["x", "z"]}, {"units": ["km", ""]}, {"low": [-2, 0]}, {"high": [1, None]}, {"default": [0, 2]},
        {"constraints": ["x < y"]}, {"splits": {"train": [[0, 1]]}},
    ],
)  # fmt: skip
def test_spaces_that_differ_are_not_equal(change: dict[str, Any]) -> None:
    assert ContextSpace.from_dict(SQUARE.to_dict() | change) != SQUARE


@pytest.mark.parametrize(
    "change",
    [
        {"names": None}, {"low": "abc"}, {"low": [[0], [1]]}, {"high": 3}, {"constraints": ["__import__('os')"]},
        {"splits": [1, 2]}, {"splits": {"train": [["a", "b"]]}}, {"default": [0, 9]}, {"default": [None, 1]}, {"units": ["m"]},
    ],
)  # fmt: skip
def test_a_description_of_no_space_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ContextError):
        ContextSpace.from_dict(SQUARE.to_dict() | change)


@pytest.mark.parametrize("key", sorted(SQUARE.to_dict().keys() - {"discrete"}))  # which came later
def test_a_description_that_lacks_a_part_says_which(key: str) -> None:
    with pytest.raises(ContextError, match=f"not the description of a context space: KeyError '{key}'"):
        ContextSpace.from_dict({k: v for k, v in SQUARE.to_dict().items() if k != key})


def test_what_people_read() -> None:
    assert PENDULUM.describe([2, 1, 0.5, -0.25]) == "(g=2, m=1, l=0.5, tau=-0.25)"
    assert repr(SPLIT) == "ContextSpace(x in [-inf, 3] kg, x ** 2 < 10; default [1.0])"
    assert PENDULUM.size == 4
