"""Discrete coordinates with listed values: what is valid, drawn, swept and stored."""

import json
from typing import Any

import numpy as np
import pytest

from offctx.contexts.space import ContextSpace
from offctx.errors import ContextError

SPACE = ContextSpace(
    ["mass", "factor", "size", "mode"],
    [0.1, -1, 0.1, 0],
    [2, 1, 2, 3],
    [1, 1, 0.1, 0],
    discrete={"factor": [1, -1], "size": [0.1, 1, 2], "mode": None},
)


def test_values_are_sorted_and_read_only() -> None:
    assert SPACE.discrete == ("factor", "size", "mode") and list(SPACE.listed) == ["factor", "size"]
    assert SPACE.values("factor").tolist() == [-1, 1]
    assert SPACE.values("size").tolist() == [0.1, 1, 2]
    assert SPACE.values("mode").tolist() == [0, 1, 2, 3]
    assert SPACE.continuous.tolist() == [True, False, False, False]
    with pytest.raises(ValueError, match="read-only"):
        SPACE.listed["factor"][0] = 7
    with pytest.raises(ContextError, match="mass is continuous"):
        SPACE.values("mass")
    unbounded = ContextSpace(["mode"], -np.inf, np.inf, 0, discrete=["mode"])
    with pytest.raises(ContextError, match="mode takes whole numbers without finite bounds"):
        unbounded.values("mode")


@pytest.mark.parametrize("extrapolate", [False, True])
@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"factor": 0}, r"factor is discrete and takes the values \{-1, 1\} only; found 0.0"),
        ({"factor": 2}, r"factor is discrete and takes the values \{-1, 1\} only; found 2.0"),
        ({"size": 0.5}, r"size is discrete and takes the values \{0.1, 1, 2\} only; found 0.5"),
        ({"size": 0.1000001}, r"takes the values \{0.1, 1, 2\} only; found 0.1000001"),
        ({"mode": 0.5}, "mode is discrete and takes whole numbers only; found 0.5"),
    ],
)
def test_a_value_that_is_not_listed_is_refused(context: Any, message: str, extrapolate: bool) -> None:
    with pytest.raises(ContextError, match=message):
        SPACE.check(context, extrapolate=extrapolate)
    with pytest.raises(ContextError, match=message):
        SPACE.check_many([context], extrapolate=extrapolate)
    row = SPACE.default.copy()
    for name, value in context.items():
        row[SPACE.index(name)] = value
    assert not SPACE.contains(row) and not SPACE.valid(row[None], extrapolate=extrapolate)[0]


def test_a_listed_value_in_float32_is_the_listed_value() -> None:
    single = np.array([[1, -1, 0.1, 0], [0.5, 1, 2, 3]], dtype=np.float32)
    assert SPACE.valid(single).all()
    assert SPACE.check_many(single)[:, 2].tolist() == [0.1, 2]
    assert SPACE.check(single[0])[2] == 0.1


@pytest.mark.parametrize(
    ("discrete", "message"),
    [
        ({"a": []}, "the values of the discrete coordinate a must be distinct finite numbers, at least one; found"),
        ({"a": [1, 1]}, "must be distinct"),
        ({"a": [0, np.nan]}, "must be distinct finite"),
        ({"a": [[0], [1]]}, "must be distinct finite"),
        ({"a": 1}, "must be distinct finite"),
        ({"a": ["left"]}, "must be distinct finite"),
        ({"a": [0, 2]}, r"the values \{0, 2\} of the discrete coordinate a must lie within its bounds \[-1, 1\]"),
        ({"b": [0, 1]}, "unknown context name 'b'"),
        ({"a": [-1, 1]}, r"a is discrete and takes the values \{-1, 1\} only; found 0.0"),  # the default
        ("a", "discrete must be names or a mapping"),
    ],
)
def test_values_that_do_not_fit_are_refused(discrete: Any, message: str) -> None:
    with pytest.raises(ContextError, match=message):
        ContextSpace(["a"], -1, 1, 0, discrete=discrete)


def test_samples_take_every_listed_value_with_the_same_probability() -> None:
    drawn = SPACE.sample(np.random.default_rng(0), 3000)
    for name, expected in {"factor": [-1, 1], "size": [0.1, 1, 2], "mode": [0, 1, 2, 3]}.items():
        values, counts = np.unique(drawn[:, SPACE.index(name)], return_counts=True)
        assert values.tolist() == expected
        assert counts.min() > 0.85 * 3000 / len(expected)


def test_local_draws_leave_them_at_the_base() -> None:
    drawn = SPACE.local(50, 0.1, np.random.default_rng(0), base=[1, -1, 2, 3])
    assert (drawn[:, 1:] == [-1, 2, 3]).all() and len(np.unique(drawn[:, 0])) == 50


def test_sweeps_and_meshes() -> None:
    assert SPACE.sweep("factor")[:, 1].tolist() == [-1, 1]
    assert SPACE.sweep("size", 2)[:, 2].tolist() == [0.1, 2]
    assert SPACE.sweep("size", include_base=False)[:, 2].tolist() == [1, 2]
    assert SPACE.splits["sweep_size"][:, 2].tolist() == [0.1, 1, 2]
    assert SPACE.mesh(factor=[-1, 1], size=[1, 2])[:, 1:3].tolist() == [[-1, 1], [-1, 2], [1, 1], [1, 2]]
    with pytest.raises(ContextError, match=r"takes the values \{-1, 1\} only"):
        SPACE.mesh(factor=[0, 1])


def test_hold_out_keeps_to_the_values_in_the_box() -> None:
    splits = SPACE.hold_out([0.5, -1, 0.5, 0], [1.5, 1, 2, 2], 200, np.random.default_rng(0))
    assert set(splits["train"][:, 2]) == {1, 2} and set(splits["in"][:, 2]) == {1, 2}
    with pytest.raises(ContextError, match="hardly any draw"):
        SPACE.hold_out([0.5, -0.5, 0.5, 0], [1.5, 0.5, 2, 2], 5, np.random.default_rng(0))  # no factor in the box
    with pytest.raises(ContextError, match="hardly any draw"):
        SPACE.hold_out([0.5, -1, 0.5, 0.2], [1.5, 1, 2, 0.8], 5, np.random.default_rng(0))  # no whole number in the box


def test_json_keeps_the_values() -> None:
    again = ContextSpace.from_dict(json.loads(json.dumps(SPACE.to_dict(), allow_nan=False)))
    assert again == SPACE and again.values("size").tolist() == [0.1, 1, 2] and again.to_dict() == SPACE.to_dict()
    assert "values" not in ContextSpace(["a"], 0, 1, 0, discrete=["a"]).to_dict()
    others = [{"values": {"factor": [-1, 1]}}, {"values": {"factor": [-1, 1], "size": [0.1, 2]}}]
    assert all(ContextSpace.from_dict(SPACE.to_dict() | {"default": [1, 1, 2, 0]} | change) != SPACE for change in others)
    for wrong in ({"values": {"mass": [1]}}, {"values": {"factor": 3}}, {"values": {"factor": ["left"]}}, {"values": [1]}):
        with pytest.raises(ContextError):
            ContextSpace.from_dict(SPACE.to_dict() | wrong)


def test_text_names_the_values() -> None:
    assert "factor in {-1, 1}, size in {0.1, 1, 2}, mode in {0..3}" in repr(SPACE)
