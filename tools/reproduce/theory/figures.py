"""The pictures of the theory report: one picture for each check, one panel for each group of series."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from offctx.evaluation.plots.style import series_style
from tools.reproduce.frame.figures import canvas, draw_intervals, finish
from tools.reproduce.theory.check import Check, Panel
from tools.reproduce.theory.records import Measured, series_of
from tools.reproduce.theory.statistics import mean_interval
from tools.reproduce.theory.tables import short_number

_ZERO = 1e-12  # smaller means are not drawn on a logarithmic axis
_MOST_TICKS = 7  # more labels would collide


def draw_check(check: Check, measured: Measured) -> Figure:
    """The picture of a check."""
    drawn = [panel for panel in check.panels if not panel.table_only]
    figure, all_axes = canvas(5.6 * len(drawn), 4.6, columns=len(drawn))
    for axes, panel in zip(all_axes, drawn, strict=True):
        _draw_panel(axes, panel, series_of(measured, panel.group))
    finish(all_axes)
    return figure


def _draw_panel(axes: Axes, panel: Panel, series: Measured) -> None:
    """Means with their intervals over x."""
    for index, (label, by_x) in enumerate(series.items()):
        intervals = {x: mean_interval(values) for x, values in by_x.items()}
        shown = {x: interval for x, interval in intervals.items() if interval.estimate > _ZERO or not panel.log_y}
        color, marker, dashes = series_style(index)
        draw_intervals(axes, shown, label, color, marker=marker, linestyle=dashes)
    _scale_x(axes, panel, list(dict.fromkeys(x for by_x in series.values() for x in by_x)))
    if panel.log_y and axes.has_data():
        axes.set_yscale("log")
    axes.set(xlabel=panel.xlabel, ylabel=panel.ylabel, title=panel.group)


def _scale_x(axes: Axes, panel: Panel, xs: list[float]) -> None:
    """A logarithmic x axis, linear near 0 where beta may be 0."""
    if panel.xlabel == "beta":
        axes.set_xscale("symlog", linthresh=0.03)
        return
    axes.set_xscale("log")
    if len(xs) <= _MOST_TICKS:
        axes.set_xticks(xs, [short_number(x) for x in xs])
        axes.minorticks_off()
