"""The picture of a radius report: errors against the radius, and relative errors of single coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from offctx.analysis.radius.report import RadiusReport
from offctx.envs.base import Array
from offctx.evaluation.plots.style import GREY, INK, PALETTE, add_title_and_caption, clean_axes, new_figure, plain_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_radius(report: RadiusReport) -> Figure:
    """Draws errors against the radius, log-log, beside the relative errors with the tolerance."""
    figure = new_figure(8.4, 4.4)
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        axes.set_xscale("log")
        clean_axes(axes, grid="both")
        axes.set_xlabel("radius [half-widths of the bounds]", color=INK)
        if report.suggested > 0:
            axes.axvline(report.suggested, color=GREY, linestyle=(0, (4, 3)), linewidth=1.3, label="suggested")
    _draw_errors(left, report)
    _draw_relative_errors(right, report)
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=10, labelcolor=INK)
    caption = "Left: root mean square, bands from the median to the 99 % quantile. Right: grey line, the tolerance."
    add_title_and_caption(figure, report.dataset_id, caption)
    return figure


def _draw_errors(axes: Axes, report: RadiusReport) -> None:
    for color, name, errors, quantiles, slope in (
        (PALETTE[0], "next observation", report.observation_error, report.observation_quantiles, report.observation_slope),
        (PALETTE[1], "reward", report.reward_error, report.reward_quantiles, report.reward_slope),
    ):
        label = name + (f" (slope {slope:.2f})" if np.isfinite(slope) else "")
        axes.plot(report.radii, _positive(errors), color=color, linewidth=2, marker="o", markersize=4, label=label)
        low, high = _positive(quantiles[:, 0]), _positive(quantiles[:, 2])
        axes.fill_between(report.radii, low, high, color=color, alpha=0.15, linewidth=0)
    axes.set_yscale("log")
    axes.set_ylabel("first-order error [spread of the data]", color=INK)


def _draw_relative_errors(axes: Axes, report: RadiusReport) -> None:
    axes.plot(report.radii, report.relative_error, color=INK, linewidth=2, label="all together")
    for k in np.flatnonzero(report.scale > 0):
        color, label = PALETTE[k % len(PALETTE)], plain_label(report.names[k])
        axes.plot(report.radii, report.coordinate_relative[:, k], color=color, linewidth=1.4, label=label)
    axes.axhline(report.tolerance, color=GREY, linewidth=1)
    axes.set_ylim(0, max(2.5 * report.tolerance, 0.1))
    axes.set_ylabel("relative error (error / effect)", color=INK)


def _positive(values: Array) -> Array:
    """Values with NaN in the place of 0, which a logarithmic axis does not have."""
    return np.where(values > 0, values, np.nan)
