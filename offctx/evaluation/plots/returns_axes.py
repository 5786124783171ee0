"""Axes on which returns are drawn: with a close-up where a few far returns would squash the others, and training contexts.

Dimensions: K contexts, N estimates of all methods together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from offctx.evaluation.plots.data import Estimates
from offctx.evaluation.plots.style import GREY, LINE, clean_axes
from offctx.evaluation.statistics import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RETURN_LABEL = "mean return"
_MANY_LINES = 10  # training contexts beyond which lines at them would hide the curves


def returns_axes(figure: Figure, per_context: Mapping[str, Estimates]) -> list[Axes]:
    """Returns axes of the full range of returns and, where that squashes most of them, a close-up below it."""
    limits = close_up_limits(*map(np.concatenate, zip(*per_context.values(), strict=True)))
    if limits is None:
        axes = clean_axes(figure.add_subplot())
        axes.set_ylabel(RETURN_LABEL)
        return [axes]
    figure.set_size_inches(7.2, 6.8)
    full, close = map(clean_axes, figure.subplots(2, 1, sharex=True, height_ratios=(2, 3)))
    full.set_ylabel(f"{RETURN_LABEL}, all")
    full.axhspan(*limits, color=LINE, alpha=0.6, linewidth=0, zorder=0)
    close.set_ylabel(f"{RETURN_LABEL}, close-up")
    close.set_ylim(*limits)
    return [full, close]


def close_up_limits(estimates: Array, lows: Array, highs: Array) -> tuple[float, float] | None:
    """Returns limits that show most estimates (N,) where a few far ones squash them into an eighth of the range, else None.

    Most estimates: those within three widths of the shortest interval that holds half of them. Their lows (N,) and highs (N,)
    are inside the limits too, unless that would more than triple the range.
    """
    ordered = np.sort(estimates)
    half = -(-len(ordered) // 2)
    widths = ordered[half - 1 :] - ordered[: len(ordered) - half + 1]
    start = int(widths.argmin())
    width = widths[start]
    inside = np.abs(estimates - (ordered[start] + width / 2)) <= 3.5 * width
    least, most = estimates[inside].min(), estimates[inside].max()
    span = most - least
    if span == 0 or span > np.ptp(estimates) / 8:
        return None
    below = np.clip(np.fmin.reduce(lows[inside], initial=least), least - span, least)
    above = np.clip(np.fmax.reduce(highs[inside], initial=most), most, most + span)
    return float(below - 0.1 * span), float(above + 0.1 * span)


def mark_training_contexts(axes: Axes, values: Array, label: str | None = None) -> None:
    """Draws dashed vertical lines at the values of the training contexts, or ticks along the bottom where there are many."""
    distinct = np.unique(values)
    if len(distinct) == 0:
        return
    label = label or ("training context" if len(distinct) == 1 else "training contexts")
    if len(distinct) <= _MANY_LINES:
        for index, value in enumerate(distinct):
            name = label if index == 0 else "_more"
            axes.axvline(float(value), color=GREY, linestyle=(0, (4, 3)), linewidth=1.3, label=name, zorder=1.5)
        return
    bottom = np.zeros_like(distinct)
    axes.plot(distinct, bottom, "|", color=GREY, markersize=12, transform=axes.get_xaxis_transform(), label=label)
