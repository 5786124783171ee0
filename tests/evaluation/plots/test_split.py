"""The picture of one split: what is drawn where none, one, two or more context coordinates vary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from offctx.errors import EvaluationError
from offctx.evaluation.plots.split import plot_split
from offctx.evaluation.plots.style import GREY, PALETTE
from offctx.evaluation.statistics import Interval


def picture(contexts: Any, train: Any, methods: int = 2) -> Any:
    contexts, train = np.asarray(contexts, dtype=float), np.asarray(train, dtype=float)
    names = tuple("abcd"[: contexts.shape[1]])
    estimate = contexts.sum(axis=1)
    return plot_split(
        "test",
        contexts=contexts,
        context_names=names,
        context_units=["m/s^2"] + [""] * (len(names) - 1),
        train_contexts=train,
        per_context={f"method {i}": (estimate + i, estimate - 1, estimate + 2) for i in range(methods)},
        overall={f"method {i}": Interval(1.0, 0.0, 2.0) for i in range(methods)},
    )


def test_one_varying_coordinate_is_a_sorted_curve_with_the_training_context() -> None:
    axes = picture([[3, 1 + 1e-15], [1, 1], [2, 1]], [[2.5, 1]]).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["method 1"].get_xdata().tolist() == [1, 2, 3]
    assert lines["method 1"].get_ydata() == pytest.approx([3, 4, 5])
    assert lines["training context"].get_xdata() == [2.5, 2.5]
    assert axes.get_xlabel() == "a [m/s^2]"


def test_two_varying_coordinates_are_heat_maps_on_one_scale() -> None:
    grid = np.stack(np.meshgrid([1, 2, 4], [10, 20]), axis=-1).reshape(-1, 2)
    figure = picture(np.random.default_rng(0).permutation(grid), [[2, 10]])
    first, second = figure.axes[0].collections[0], figure.axes[1].collections[0]
    assert first.get_array().tolist() == [[11, 12, 14], [21, 22, 24]]
    assert first.get_clim() == second.get_clim() == (11, 25)
    scattered = picture(grid[:-1], np.empty((0, 2))).axes[0].collections[0]
    assert scattered.get_offsets().shape == (5, 2)


def test_no_varying_coordinate_is_bars_and_three_are_distances() -> None:
    assert len(picture([[1, 2]], [[1, 2]]).axes[0].patches) == 2
    contexts = [[0, 0, 0], [2, 0, 10], [0, 4, 10]]
    axes = picture(contexts, [[0, 0, 0]]).axes[0]
    assert "nearest training context" in axes.get_xlabel()
    found = axes.collections[1].get_offsets()[:, 0].tolist()
    assert found == pytest.approx([0, math.sqrt(2), math.sqrt(2)])


def test_colours_keep_to_the_order_of_methods() -> None:
    curve = picture([[1, 1], [2, 1]], [[1, 1]], methods=9).axes[0]
    bars = picture([[1, 1]], [[1, 1]], methods=9).axes[0]
    from matplotlib.colors import to_hex

    for i in range(9):
        line = next(line for line in curve.lines if line.get_label() == f"method {i}")
        assert to_hex(line.get_color()) == to_hex(bars.patches[i].get_facecolor())
    styles = {(line.get_color(), line.get_linestyle()) for line in curve.lines if "method" in line.get_label()}
    assert len(styles) == 9


def test_a_far_curve_leaves_the_others_readable_and_stays_in_the_picture() -> None:
    contexts = np.linspace(1, 2, 9)[:, None]

    def panels(*levels: float) -> Any:
        curves = {f"m{i}": level + 10 * contexts[:, 0] for i, level in enumerate(levels)}
        return plot_split(
            "test",
            contexts=contexts,
            context_names=["a"],
            context_units=[""],
            train_contexts=np.empty((0, 1)),
            per_context={name: (curve, curve - 1, curve + 1) for name, curve in curves.items()},
            overall={name: Interval(1.0, 0.0, 2.0) for name in curves},
        ).axes

    assert len(panels(0, 10, 30)) == 1
    full, close = panels(-9000, 0, 10)
    assert full.get_ylim()[0] < -8990 and full.get_ylim()[1] > 30
    assert (close.get_ylim()[0] < 10) and (close.get_ylim()[1] > 30) and np.ptp(close.get_ylim()) < 40
    assert "all" in full.get_ylabel() and "close-up" in close.get_ylabel()


def test_bad_pictures_are_refused() -> None:
    with pytest.raises(EvaluationError, match=r"training contexts \(n, 2\), found shape \(1, 3\)"):
        picture([[1, 2]], [[1, 2, 3]])
    with pytest.raises(EvaluationError, match="at least one"):
        picture([[1, 2]], [[1, 2]], methods=0)


@pytest.mark.parametrize("contexts", [[[1, 1], [2, 1]], [[0, 0, 0], [2, 0, 10], [0, 4, 10]]])
def test_null_controls_are_grey_and_take_no_colour(contexts: Any) -> None:
    rows = np.asarray(contexts, dtype=float)
    estimate = rows.sum(axis=1)
    names = ("zero", "CSE", "random", "LDR")
    axes = plot_split(
        "test",
        contexts=rows,
        context_names="abc"[: rows.shape[1]],
        context_units=[""] * rows.shape[1],
        train_contexts=rows[:1],
        per_context={name: (estimate, estimate - 1, estimate + 1) for name in names},
        overall={name: Interval(1.0, 0.0, 2.0) for name in names},
        muted={"zero", "random"},
    ).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    assert [lines[name].get_color() for name in ("CSE", "LDR")] == list(PALETTE[:2])
    assert lines["zero"].get_color() == lines["random"].get_color() == GREY
    assert all(lines[name].get_linestyle() == "--" for name in ("zero", "random"))  # dashes of their own
    assert lines["zero"]._dash_pattern != lines["random"]._dash_pattern


def test_each_seed_is_a_dot_on_its_bar() -> None:
    (axes,) = plot_split(
        "test",
        contexts=np.ones((1, 1)),
        context_names=["a"],
        context_units=[""],
        train_contexts=np.ones((1, 1)),
        per_context={"CSE": (np.ones(1),) * 3},
        overall={"CSE": Interval(2.0, 1.0, 3.0, 0.95, "seeds", (1.5, 2.0, 2.5))},
    ).axes
    assert axes.collections[0].get_offsets()[:, 0].tolist() == [1.5, 2.0, 2.5]
