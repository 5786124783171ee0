"""Mean returns of a split in which no context coordinate varies: a bar with its interval and dots for seeds, by method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from offctx.evaluation.plots.data import SplitReturns
from offctx.evaluation.plots.returns_axes import RETURN_LABEL
from offctx.evaluation.plots.style import GREY, INK, clean_axes, plain_label, series_styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_bars(figure: Figure, split: SplitReturns) -> None:
    """Draws the mean return of each method over the contexts of a split."""
    methods = list(split.per_context)
    figure.set_size_inches(7.2, 1.5 + 0.5 * len(methods))
    axes = clean_axes(figure.add_subplot(), grid="x")
    styles = series_styles(methods, split.muted)
    for index, method in enumerate(methods):
        interval, style = split.overall[method], styles[method]
        axes.barh(index, interval.estimate, height=0.62, color=style.color, alpha=0.45 if method in split.muted else 0.85)
        if np.isfinite(interval.high - interval.low):
            axes.plot([interval.low, interval.high], [index, index], color=INK, linewidth=1.6)
        if interval.values:  # a dot for each seed
            height = np.full(len(interval.values), index + 0.2)
            axes.scatter(interval.values, height, s=12, color=INK, edgecolors="white", linewidths=0.5, zorder=3)
        beside = (1.01, index)
        text = axes.annotate(str(interval), beside, xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
        text.set_color(GREY)
    axes.set_yticks(range(len(methods)), [plain_label(method) for method in methods])
    axes.invert_yaxis()
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_xlabel(RETURN_LABEL)
    axes.locator_params(axis="x", nbins=6)  # long numbers need room
