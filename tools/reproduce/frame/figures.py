"""Figures in the style of all pictures of offctx: panels, means with intervals, legends."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from offctx.evaluation.plots.style import clean_axes, new_figure
from offctx.evaluation.statistics import Interval

_DPI = 110


def canvas(width: float, height: float, rows: int = 1, columns: int = 1, share_x: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure with panels.

    Args:
        width: of the whole figure [inch].
        height: likewise.
        rows: of panels.
        columns: of panels.
        share_x: whether panels in the same column have the same x axis.

    Returns:
        The figure and its panels, row by row.
    """
    figure = new_figure(width, height, dpi=_DPI)
    panels = figure.subplots(rows, columns, squeeze=False, sharex="col" if share_x else False)
    return figure, list(panels.ravel())


def draw_intervals(axes: Axes, points: Mapping[float, Interval], label: str, color: str, **style: Any) -> None:
    """Means with their intervals as error bars.

    Args:
        axes: the panel.
        points: x -> interval.
        label: for the legend.
        color: of markers, line and error bars.
        style: further arguments of `Axes.errorbar`.
    """
    if points:
        means = np.array([interval.estimate for interval in points.values()])
        ends = np.array([[i.estimate - i.low, i.high - i.estimate] for i in points.values()]).T
        shown: dict[str, Any] = {"capsize": 3, "color": color, "label": label} | style
        axes.errorbar(list(points), means, np.nan_to_num(ends).clip(0), **shown)


def legend_beside(
    figure: Figure, panels: Iterable[Axes], columns: int, order: Iterable[str] | None = None, fontsize: int = 8
) -> None:
    """One legend beside all panels, with every entry that one of them shows; none where nothing is shown.

    Args:
        figure: of the panels.
        panels: which panels.
        columns: of the legend, at most.
        order: the labels that the legend may have, in order; None: all, as they were drawn.
        fontsize: of the legend.
    """
    entries: dict[str, Any] = {}
    for axes in panels:
        entries |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    labels = [label for label in (entries if order is None else order) if label in entries]
    if labels:
        handles, columns = [entries[label] for label in labels], min(columns, len(labels))
        figure.legend(handles, labels, loc="outside upper center", ncols=columns, frameon=False, fontsize=fontsize)


def finish(panels: Iterable[Axes], fontsize: int = 8, title: str | None = None) -> None:
    """Style the axes, with a grid in both directions, and add a legend where something is drawn.

    Args:
        panels: which panels.
        fontsize: of the legend.
        title: of the legend.
    """
    for axes in panels:
        clean_axes(axes, grid="both")
        if axes.has_data():
            axes.legend(fontsize=fontsize, title=title)
