"""The picture of a leakage report: the shares of the variance of z, beside the scores of the linear probes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from offctx.analysis.leakage.report import INPUTS, TESTS, LeakageReport
from offctx.evaluation.plots.style import GREY, INK, PALETTE, add_title_and_caption, clean_axes, new_figure, plain_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOWEST = -0.5  # scores below are drawn here


def plot_leakage(report: LeakageReport) -> Figure:
    """Draws the shares as bars, and a panel of probes for each coordinate."""
    figure = new_figure(4.0 + 3.4 * len(report.names), 4.2)
    left, *panels = figure.subplots(1, 1 + len(report.names))
    _draw_shares(left, report)
    for k, axes in enumerate(panels):
        _draw_probes(axes, report, k)
    panels[-1].legend(frameon=False, fontsize=8, labelcolor=INK)
    caption = "Left: share of the variance of z. Right: linear probes; 1 is perfect, 0 is a constant. Bars: 95 % over contexts."
    add_title_and_caption(figure, f"{report.encoder}: {report.verdict}", caption)
    return figure


def _draw_shares(axes: Axes, report: LeakageReport) -> None:
    names = ("dynamics", "behaviour", "window")
    shares = np.nan_to_num(np.array([report.dynamics, report.behaviour, report.window]))
    errors = np.maximum([shares[:, 0] - shares[:, 1], shares[:, 2] - shares[:, 0]], 0)
    axes.bar(names, shares[:, 0], yerr=errors, color=[PALETTE[2], PALETTE[1], GREY], ecolor=INK, capsize=3)
    axes.set_ylim(0, 1)
    axes.set_ylabel("share of the variance of z", color=INK)
    clean_axes(axes)


def _draw_probes(axes: Axes, report: LeakageReport, coordinate: int) -> None:
    for i, name in enumerate(INPUTS):
        scores = np.maximum(report.probes[i, coordinate], _LOWEST)
        errors = np.nan_to_num(np.maximum([scores[:, 0] - scores[:, 1], scores[:, 2] - scores[:, 0]], 0))
        heights = np.arange(len(TESTS)) + 0.2 * (i - 1)
        axes.errorbar(heights, scores[:, 0], yerr=errors, fmt="o", color=PALETTE[i], capsize=3, label=name)
    axes.axhline(0, color=GREY, linewidth=1)
    axes.set_ylim(_LOWEST - 0.05, 1.05)
    axes.set_xticks(range(len(TESTS)), [name.replace(" ", "\n") for name in TESTS], fontsize=7)
    axes.set_title(plain_label(report.names[coordinate]), fontsize=9, color=INK)
    clean_axes(axes)
