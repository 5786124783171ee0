"""The pictures of the report."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from offctx.evaluation.plots.style import GREY, clean_axes, series_style
from tools.reproduce.cse.arms import TITLES
from tools.reproduce.cse.results import AlgorithmResult, coordinate
from tools.reproduce.frame.figures import canvas, finish


def radius_picture(radii: Mapping[str, Mapping[str, Any]]) -> Figure:
    """First-order errors against the radius, log-log, one panel for each environment."""
    figure, panels = canvas(3.9 * len(radii), 3.6, columns=len(radii))
    for axes, (name, result) in zip(panels, radii.items(), strict=True):
        report = result["report"]
        for index, (part, label) in enumerate((("observation", "next observation"), ("reward", "reward"))):
            slope = report[f"{part}_slope"]
            if slope is not None:
                color, marker, _ = series_style(index)
                errors, text = np.array(report[f"{part}_error"]), f"{label}: {slope:.2f}"
                axes.loglog(np.array(report["radii"]), errors, color=color, marker=marker, markersize=4, label=text)
        axes.set(title=name, xlabel="radius [half-widths of the bounds]", ylabel="first-order error [spread of the data]")
    finish(panels, title="log-log slope")
    return figure


def returns_picture(algorithms: Sequence[AlgorithmResult]) -> Figure:
    """Return over contexts: a row of panels for each algorithm, a panel for each sweep."""
    sweeps = algorithms[0].sweeps
    size = (3.7 * len(sweeps) + 0.6, 2.9 * len(algorithms) + 0.5)
    figure, panels = canvas(*size, rows=len(algorithms), columns=len(sweeps), share_x=True)
    for index, axes in enumerate(panels):
        row, column = divmod(index, len(sweeps))
        _draw_curves(axes, algorithms[row], sweeps[column])
        if column == 0:
            axes.set_ylabel(f"{algorithms[row].title}\nmean return")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels) or 1, frameon=False)
    return figure


def _draw_curves(axes: Axes, result: AlgorithmResult, sweep: str) -> None:
    """Each method's mean return along a sweep, with its interval; a dotted line at c0."""
    comparison = result.comparison
    at, label, base = coordinate(comparison.first, sweep)
    for index, (method, name) in enumerate(TITLES.items()):
        if method in comparison.methods:
            mean, low, high = comparison.context_intervals(method, sweep)
            color, marker, _ = series_style(index)
            axes.plot(at, mean, color=color, marker=marker, markersize=4, label=name)
            axes.fill_between(at, low, high, color=color, alpha=0.18, linewidth=0)
    axes.axvline(base, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_xlabel(label)
    clean_axes(axes, grid="both")
