"""The picture of a dataset: one context, several, unbounded coordinates."""

import dataclasses

import numpy as np
import pytest

import offctx
from offctx.evaluation.plots.dataset import plot_dataset
from offctx.evaluation.plots.style import figure_png


def test_several_contexts_by_their_median_return(pendulum):
    left, right = plot_dataset(pendulum).axes
    medians = [np.median(pendulum.episode_returns[pendulum.episode_context_ids == c]) for c in range(4)]
    assert left.lines[0].get_ydata().tolist() == pytest.approx(sorted(medians))
    places = right.lines[1].get_xdata().reshape(4, 4)  # contexts, coordinates
    g = (pendulum.unique_contexts[:, 0] - pendulum.context_space.low[0]) / np.ptp([pendulum.context_space.low[0], 5.0])
    np.testing.assert_allclose(places[:, 0], g)
    assert [label.get_text().split()[0] for label in right.get_yticklabels()] == ["g", "m", "l", "tau"]


def test_one_context_is_a_histogram_and_infinite_bounds_are_those_of_the_data(pendulum):
    first = slice(0, int(pendulum.episode_ends[2]))
    arrays = {
        field.name: getattr(pendulum, field.name)[first]
        for field in dataclasses.fields(pendulum)
        if isinstance(getattr(pendulum, field.name), np.ndarray) and not field.name.startswith("episode")
    }
    space = offctx.ContextSpace(["a", "b", "c", "_d"], -np.inf, np.inf, [0.0] * 4)
    one = dataclasses.replace(
        pendulum,
        **arrays,
        episode_starts=pendulum.episode_starts[:3],
        episode_ends=pendulum.episode_ends[:3],
        context_space=space,
    )
    figure = plot_dataset(one)
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 3
    assert np.isfinite(figure.axes[1].lines[1].get_xdata()).all()
    assert figure_png(figure).startswith(b"\x89PNG")
