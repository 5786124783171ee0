"""What the pictures of all studies share: a row of panels, curves in the colours of the palette, logarithmic axes."""

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from offctx.evaluation.plots.style import PALETTE
from offctx.evaluation.statistics import Interval
from tools.reproduce.frame import figures

AER_LABEL = "AER on unseen contexts"
Curves = Mapping[str, Mapping[float, Interval | None]]
"""Label -> x -> interval."""

_WIDTH = 4.2  # of a panel [inch]


def panel_row(panels: int, height: float = 3.6) -> tuple[Figure, list[Axes]]:
    """A figure with panels beside each other; its height is in inches."""
    return figures.canvas(_WIDTH * panels, height, columns=panels)


def draw_curves(axes: Axes, curves: Curves, linestyle: str = "-") -> None:
    """Means with their intervals.

    Args:
        axes: the panel.
        curves: in the order of the palette. Unknown intervals are left out.
        linestyle: between the means; "none" for none.
    """
    for (label, curve), color in zip(curves.items(), PALETTE, strict=False):
        points = {x: interval for x, interval in curve.items() if interval is not None}
        figures.draw_intervals(axes, points, label, color, marker="o", markersize=4, linestyle=linestyle)


def logarithmic_x(axes: Axes, values: Sequence[int]) -> None:
    """An x axis to base 2 with a tick at each value."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(values, map(str, values))


def finish(panels: Iterable[Axes]) -> None:
    """Grid and legends."""
    figures.finish(panels, fontsize=7)
