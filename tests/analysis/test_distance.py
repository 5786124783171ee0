"""Distances between contexts, by hand."""

import numpy as np

from offctx.analysis.distance import distances_to_nearest, metric_lengths
from offctx.contexts.space import ContextSpace


def test_lengths_in_one_metric_and_in_one_for_each_reference() -> None:
    space = ContextSpace(["a", "b"], -1.0, 1.0, [0.0, 0.0])
    differences = np.array([[3.0, 0.0], [0.0, 2.0]])
    metrics = np.array([np.diag([1.0, 4.0]), np.diag([1.0, 25.0])])
    assert metric_lengths(differences, metrics[0], space).tolist() == [3, 4]
    assert metric_lengths(differences, metrics, space).tolist() == [3, 10]
    assert metric_lengths(differences, np.diag([-1e-20, 0.0]), space).tolist() == [0, 0]  # rounding below 0


def test_a_discrete_difference_is_infinitely_long() -> None:
    space = ContextSpace(["gear", "b"], [0.0, -1.0], [1.0, 1.0], [0.0, 0.0], discrete=["gear"])
    differences = np.array([[1.0, 0.0], [0.0, 2.0]])
    assert metric_lengths(differences, np.diag([0.0, 1.0]), space).tolist() == [np.inf, 2]


def test_the_nearest_reference_counts() -> None:
    contexts, references = np.array([[0.0, 5], [2, 5], [9, 9]]), np.array([[0.0, 1], [2, 9], [9, 9]])
    distances = distances_to_nearest(contexts, references, lambda differences: np.abs(differences).sum(axis=-1))
    assert distances.tolist() == [4, 4, 0]
