"""Pictures of returns against distance, and the distance from training contexts."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import PathCollection

from offctx.errors import EvaluationError
from offctx.evaluation.plots.distance import nearest_training_distance, plot_distance


def test_distance_counts_a_coordinate_that_is_constant_in_the_split() -> None:
    distance = nearest_training_distance(np.array([[0.0, 5], [2, 5]]), np.array([[0.0, 1], [2, 9]]))
    assert distance == pytest.approx([0.5, 0.5])


def test_the_picture_marks_the_training_contexts_at_zero() -> None:
    estimate = np.array([0.0, -1.0, -2.0])
    parts = {name: (estimate + k, estimate + k - 0.5, estimate + k + 0.5) for k, name in enumerate(("a", "b"))}
    figure = plot_distance(np.array([0.0, 1.0, 2.0]), parts, label="distance in steps")
    (axes,) = figure.axes
    _, labels = axes.get_legend_handles_labels()
    assert labels == ["a", "b", "training contexts"]
    line = next(line for line in axes.lines if line.get_label() == "training contexts")
    assert list(line.get_xdata()) == [0.0, 0.0]
    assert axes.get_xlabel() == "distance in steps" and axes.get_ylabel() == "mean return"
    dots = [np.asarray(found.get_offsets()) for found in axes.collections if isinstance(found, PathCollection)]
    np.testing.assert_allclose(dots, [np.stack([[0, 1, 2], values[0]], axis=1) for values in parts.values()])


@pytest.mark.parametrize("distances", [np.array([0.0, np.inf]), np.array([]), np.zeros((2, 1))])
def test_distances_that_cannot_be_drawn_are_refused(distances: np.ndarray) -> None:
    with pytest.raises(EvaluationError, match="finite numbers"):
        plot_distance(distances, {"a": (np.zeros(2),) * 3}, label="distance")


def test_estimates_that_do_not_fit_the_distances_are_refused() -> None:
    with pytest.raises(EvaluationError, match=r"three arrays \(2,\)"):
        plot_distance(np.zeros(2), {"a": (np.zeros(3),) * 3}, label="distance")
