"""The splits of the Actuator Inversion Benchmark against its meshes, written out by hand."""

import itertools
from typing import Any

import numpy as np
import pytest

import offctx
from offctx.contexts.aib import aib_splits, with_aib_splits
from offctx.contexts.space import ContextSpace
from offctx.envs import PendulumGoal
from offctx.errors import ContextError

INVERTED = ContextSpace(["mass", "factor"], [0.1, -1], [2, 1], [1, 1], discrete={"factor": [-1, 1]})
TWO = ContextSpace(["gravity", "length"], [1, 0.1], [20, 0.5], [9.81, 0.3])


def of_mesh(*axes: Any) -> np.ndarray:
    """20 equidistant contexts of the sorted product, by enumeration."""
    mesh = sorted(itertools.product(*axes))
    assert len(set(mesh)) == len(mesh)
    return np.array([mesh[int(np.floor(i * (len(mesh) - 1) / 19 + 0.5))] for i in range(20)])


def test_one_continuous_and_one_discrete_coordinate() -> None:
    splits = offctx.aib_splits(INVERTED, {"mass": (0.5, 1.5)})
    assert list(splits) == ["train", "eval-in", "eval-out"]
    expected = {
        "train": [0.5 + i / 49 for i in range(50)],
        "eval-in": [0.51 + 0.98 * i / 49 for i in range(50)],
        "eval-out": [0.1 + 0.39 * i / 24 for i in range(25)] + [1.51 + 0.49 * i / 24 for i in range(25)],
    }
    for name, masses in expected.items():
        np.testing.assert_allclose(splits[name], of_mesh(masses, [-1, 1]), rtol=1e-14)
        assert INVERTED.valid(splits[name]).all() and len(np.unique(splits[name], axis=0)) == 20
        assert set(splits[name][:, 1]) == {-1, 1}


def test_two_continuous_coordinates_are_outside_at_once() -> None:
    splits = aib_splits(TWO, {"gravity": (8, 12), "length": (0.24, 0.36)})
    gravity = [1 + 6.96 * i / 24 for i in range(25)] + [12.04 + 7.96 * i / 24 for i in range(25)]
    length = [0.1 + 0.1388 * i / 24 for i in range(25)] + [0.3612 + 0.1388 * i / 24 for i in range(25)]
    np.testing.assert_allclose(splits["eval-out"], of_mesh(gravity, length), rtol=1e-13)
    low, high = [8, 0.24], [12, 0.36]
    assert ((splits["eval-out"] < low) | (splits["eval-out"] > high)).all()
    for name in ("train", "eval-in"):
        assert ((splits[name] >= low) & (splits[name] <= high)).all()
    assert splits["train"][0].tolist() == low and splits["train"][-1].tolist() == high
    np.testing.assert_allclose(splits["eval-in"][[0, -1]], [[8.04, 0.2412], [11.96, 0.3588]], rtol=1e-14)


@pytest.mark.parametrize("ends", [(0.5, 1.5), (0.1, 2.0), (0.7, 0.70001), (1 / 3, 1.9)])
def test_no_value_of_eval_in_is_a_value_of_train(ends: tuple[float, float]) -> None:
    space = ContextSpace(["mass"], 0, 3, 1)
    splits = aib_splits(space, {"mass": ends}, instances=50)
    width = ends[1] - ends[0]
    assert np.abs(splits["train"] - splits["eval-in"].T).min() > 0.9 * width / 4900


def test_names_left_out_stay_at_the_default() -> None:
    splits = aib_splits(PendulumGoal.context_space, {"g": (1, 3)})
    assert all((rows[:, 1:] == [1, 1, 0]).all() for rows in splits.values())
    assert np.array_equal(splits["train"][:, 0], np.linspace(1, 3, 50)[[(2 * i * 49 + 19) // 38 for i in range(20)]])


def test_contexts_against_a_constraint_are_left_out_before_they_are_counted() -> None:
    space = ContextSpace(["a", "b"], 0, 10, [2, 5], constraints=["a < b"])
    ranges = {"a": (2, 6), "b": (4, 8)}
    train = aib_splits(space, ranges)["train"]
    mesh = [pair for pair in itertools.product(np.linspace(2, 6, 50), np.linspace(4, 8, 50)) if pair[0] < pair[1]]
    assert train.tolist() == [list(mesh[int(np.floor(i * (len(mesh) - 1) / 19 + 0.5))]) for i in range(20)]
    assert len(mesh) < 2500


def test_a_side_without_room_is_left_out() -> None:
    space = ContextSpace(["a"], 0, 2, 1)
    out = aib_splits(space, {"a": (0.0, 1.0)}, instances=50)["eval-out"][:, 0]
    np.testing.assert_allclose(out, np.linspace(1.01, 2, 25))


def test_spaces_without_a_training_range() -> None:
    space = ContextSpace(["factor", "mode"], [-1, 0], [1, 2], [1, 0], discrete={"factor": [-1, 1], "mode": None})
    splits = aib_splits(space, {})
    assert list(splits) == ["train", "eval-in"]
    assert splits["train"].tolist() == [[factor, mode] for factor in (-1, 1) for mode in (0, 1, 2)]


def test_meshes_too_large_to_write_down() -> None:
    names = [f"c{k}" for k in range(30)]
    splits = aib_splits(ContextSpace(names, -10, 10, np.zeros(30)), dict.fromkeys(names, (-5, 5)))
    assert splits["train"].shape == (20, 30)
    assert (splits["train"][0] == -5).all() and (splits["train"][-1] == 5).all()
    assert (np.diff(splits["train"][:, 0]) > 0).all()


@pytest.mark.parametrize(
    ("space", "training", "more", "message"),
    [
        (INVERTED, {"length": (0, 1)}, {}, "unknown context name 'length'"),
        (INVERTED, {"factor": (-1, 1)}, {}, "factor is discrete and takes all its values in every split"),
        (INVERTED, {"mass": (0.5, 0.5)}, {}, r"must be \(a, b\) with a < b within the bounds \[0.1, 2\]"),
        (INVERTED, {"mass": (0.05, 1)}, {}, r"found \(0.05, 1\)"),
        (INVERTED, {"mass": (0.5, np.nan)}, {}, "training range of mass must be"),
        (INVERTED, {"mass": 0.5}, {}, r"training range of mass must have 2 numbers; found shape \(\)"),
        (INVERTED, {"mass": (0.1, 2)}, {}, r"mass has no room outside its training range \(0.1, 2\)"),
        (ContextSpace(["a"], 0, np.inf, 1), {"a": (1, 2)}, {}, "a needs finite bounds"),
        (INVERTED, {"mass": (0.5, 1.5)}, {"points": 5}, "points must be even"),
        (INVERTED, {"mass": (0.5, 1.5)}, {"instances": 0}, "instances must be a whole number, at least 1; found 0"),
        (INVERTED, {"mass": (0.5, 1.5)}, {"gap": 0.5}, r"gap must be a share of the training range in \[0, 0.5\)"),
        (
            ContextSpace(["a", "b"], 0, 10, [2, 5], constraints=["a < b"]), {"a": (6, 8), "b": (1, 3)}, {},
            "no context of the mesh of train satisfies a < b",
        ),
    ],
)  # fmt: skip
def test_what_has_no_mesh_is_refused(space: ContextSpace, training: Any, more: Any, message: str) -> None:
    with pytest.raises(ContextError, match=message):
        aib_splits(space, training, **more)


def test_a_mesh_too_large_for_its_constraints_is_refused() -> None:
    names = ["a", "b", "c", "d", "e"]
    space = ContextSpace(names, 0, 10, np.arange(5), constraints=["a < b"])
    with pytest.raises(ContextError, match=r"the mesh of train has 3.1e\+08 contexts, too many to check against a < b"):
        aib_splits(space, dict.fromkeys(names, (1, 3)))


def test_a_space_with_these_splits_is_otherwise_the_same() -> None:
    space = with_aib_splits(INVERTED, {"mass": (0.5, 1.5)})
    again = ContextSpace.from_dict(space.to_dict())
    for name, rows in aib_splits(INVERTED, {"mass": (0.5, 1.5)}).items():
        assert np.array_equal(space.splits[name], rows) and np.array_equal(again.splits[name], rows)
    assert ContextSpace.from_dict(space.to_dict() | {"splits": {}}) == INVERTED


@pytest.mark.parametrize(
    ("space", "training", "gap"),
    [(INVERTED, {}, "a"), (INVERTED, {}, None), (INVERTED, None, 0.01), (INVERTED, [("mass", (1, 2))], 0.01), ("x", {}, 0.01)],
)
def test_arguments_of_other_types_are_refused(space: Any, training: Any, gap: Any) -> None:
    with pytest.raises(ContextError, match="found"):
        aib_splits(space, training, gap=gap)


def test_numpy_scalars_are_numbers_of_pythons_own() -> None:
    space = INVERTED
    expected = aib_splits(space, {"mass": (0.5, 1.5)}, gap=0.25)
    given = aib_splits(
        space, {"mass": (np.float32(0.5), np.float64(1.5))}, gap=np.float32(0.25), points=np.uint8(50), instances=np.uint8(20)
    )
    for split, contexts in expected.items():
        np.testing.assert_array_equal(given[split], contexts)
    third = float(np.float32(1 / 3))
    for split, contexts in aib_splits(space, {"mass": (0.1, 0.7)}, gap=third).items():
        np.testing.assert_array_equal(aib_splits(space, {"mass": (0.1, 0.7)}, gap=np.float32(1 / 3))[split], contexts)
    for gap in (np.bool_(True), np.float32("nan"), np.float64(0.5)):
        with pytest.raises(ContextError, match="gap must be a share"):
            aib_splits(space, {"mass": (0.5, 1.5)}, gap=gap)
