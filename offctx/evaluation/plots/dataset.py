"""The picture of a dataset: the returns in its contexts, and where the contexts lie in their bounds.

Dimensions: E episodes, C contexts, p context coordinates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from offctx.data.dataset import ContextualDataset
from offctx.evaluation.plots.style import GREY, INK, LINE, PALETTE, add_title_and_caption, clean_axes, new_figure, plain_label
from offctx.words import count, one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = 30
_MOST_COORDINATES = 24  # a line of the right panel each


def plot_dataset(dataset: ContextualDataset) -> Figure:
    """Draws the returns in the contexts of a dataset, and where these contexts lie.

    Args:
        dataset: any.

    Returns:
        A figure of two panels. Left, of one context: how often which return was reached; of several: median and 5 % to 95 %
        quantiles in each, sorted by the median. Right: the contexts, a line for each coordinate, from its lower to its upper
        bound.

    Example::

        plot_dataset(offctx.load_dataset("offctx/PendulumGoal/random-v0")).savefig("returns.png")
    """
    figure = new_figure(9.0, max(3.2, 1.6 + 0.28 * min(dataset.context_space.size, _MOST_COORDINATES)))
    left, right = figure.subplots(1, 2)
    _draw_returns(clean_axes(left), dataset)
    _draw_coverage(clean_axes(right, grid="x"), dataset)
    number = count(len(dataset.unique_contexts), "context")
    title = f"{one_line(dataset.dataset_id, 80)}: {count(dataset.num_episodes, 'episode')} in {number}"
    add_title_and_caption(figure, title)
    return figure


def _draw_returns(axes: Axes, dataset: ContextualDataset) -> None:
    ids, returns = dataset.episode_context_ids, dataset.episode_returns
    number = len(dataset.unique_contexts)
    if number == 1:
        axes.hist(returns, bins=_BINS, color=PALETTE[0])
        axes.set(xlabel="return", ylabel="episodes")
        return
    order = np.argsort(ids, kind="stable")
    groups = np.split(returns[order], np.cumsum(np.bincount(ids))[:-1])
    low, median, high = np.array([np.quantile(group, [0.05, 0.5, 0.95]) for group in groups]).T
    by_median = np.argsort(median, kind="stable")
    places = np.arange(1, number + 1)
    axes.vlines(places, low[by_median], high[by_median], color=LINE, linewidth=max(1.0, min(6.0, 200 / number)))
    axes.plot(places, median[by_median], "o", color=PALETTE[0], markersize=4 if number <= 100 else 2)
    axes.set(xlabel="contexts, by median return", ylabel="return: median, 5 % to 95 %")
    axes.locator_params(axis="x", integer=True)


def _draw_coverage(axes: Axes, dataset: ContextualDataset) -> None:
    """Each context as a dot on the line of each coordinate; an infinite bound is replaced by the contexts' own extreme."""
    space, contexts = dataset.context_space, dataset.unique_contexts[:, :_MOST_COORDINATES]
    size = contexts.shape[1]
    low = np.where(np.isfinite(space.low[:size]), space.low[:size], contexts.min(axis=0))
    high = np.where(np.isfinite(space.high[:size]), space.high[:size], contexts.max(axis=0))
    width = np.where(high > low, high - low, 1.0)
    lines = np.arange(size)
    axes.hlines(lines, 0, 1, color=LINE)
    axes.plot((space.default[:size] - low) / width, lines, "|", color=GREY, markersize=12)
    places = (contexts - low) / width
    axes.plot(places.ravel(), np.tile(lines, len(places)), "o", color=PALETTE[1], markersize=4, alpha=0.5)
    labels = [
        f"{plain_label(one_line(name, 30))} [{a:.3g}, {b:.3g}]" for name, a, b in zip(space.names, low, high, strict=False)
    ]
    axes.set_yticks(lines, labels, color=INK)
    axes.set(xlabel="from the lower to the upper bound (|: default)", ylim=(size - 0.5, -0.5))
    axes.set_xticks([])
