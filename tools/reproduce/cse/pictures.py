"""The pictures of the report."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from offctx.evaluation.plots.style import GREY, PALETTE, clean_axes, series_style
from tools.reproduce.cse.arms import TITLES, UNTRAINED
from tools.reproduce.cse.results import AlgorithmResult, coordinate
from tools.reproduce.cse.settings import TRAIN, Floats
from tools.reproduce.frame.figures import canvas, finish, legend_beside

_BLUE, _RED, _GREEN, _PINK, _ORANGE, _LIGHT, _BLACK = PALETTE
_SHIFT = 0.08  # of the axis: within this width the seeds of the arms stand side by side
_LOGARITHMIC = 20  # the ratio of returns from which on the axis is logarithmic
STYLES = {  # arm -> colour, marker, dashes: methods blue, references green, what is not told the context red or orange
    "baseline": (_BLACK, "s", "-"),
    "hidden": (_RED, "v", "-"),
    "jitter": (_ORANGE, "P", "-"),
    "cse": (_BLUE, "o", "-"),
    "cse-exact": (_LIGHT, "o", "--"),
    "cse-action": (_BLUE, "v", ":"),
    "cse-resampled": (_BLUE, "s", ":"),
    "cse-state": (_LIGHT, "X", ":"),
    "ldr": (_GREEN, "^", "-"),
    "gdr": (_GREEN, "D", "--"),
    "gdr-hidden": (_RED, "D", "--"),
    "relabelled": (_PINK, "X", "-"),
    "zero": (GREY, "", ":"),
    "constant": (GREY, "", ":"),
    "random": (GREY, "", "-."),
    "by-hand": (_PINK, "*", ":"),
}


def radius_picture(radii: Mapping[str, Mapping[str, Any]]) -> Figure:
    """First-order errors against the radius, log-log, one panel for each environment."""
    columns = min(4, len(radii))
    rows = -(-len(radii) // columns)
    figure, panels = canvas(3.9 * columns, 3.6 * rows, rows=rows, columns=columns)
    for axes, (name, result) in zip(panels, radii.items(), strict=False):
        report = result["report"]
        for index, (part, label) in enumerate((("observation", "next observation"), ("reward", "reward"))):
            slope = report[f"{part}_slope"]
            if slope is not None:
                color, marker, _ = series_style(index)
                errors, text = np.array(report[f"{part}_error"]), f"{label}: {slope:.2f}"
                axes.loglog(np.array(report["radii"]), errors, color=color, marker=marker, markersize=4, label=text)
        axes.set(title=name, xlabel="radius [half-widths of the bounds]", ylabel="first-order error [spread of the data]")
    for axes in panels[len(radii) :]:
        axes.set_visible(False)
    finish(panels[: len(radii)], title="log-log slope")
    return figure


def returns_picture(algorithms: Sequence[AlgorithmResult]) -> Figure:
    """Return over contexts: a row of panels for each algorithm, a panel for each sweep."""
    sweeps = algorithms[0].sweeps
    size = (3.7 * len(sweeps) + 0.6, 2.9 * len(algorithms) + 0.8)
    figure, panels = canvas(*size, rows=len(algorithms), columns=len(sweeps), share_x=True)
    for index, axes in enumerate(panels):
        row, column = divmod(index, len(sweeps))
        draw_sweep(axes, algorithms[row], sweeps[column])
        if column == 0:
            axes.set_ylabel(f"{algorithms[row].title}\nmean return")
    legend_beside(figure, panels, 4 if len(sweeps) < 3 else 6, TITLES.values(), fontsize=10)
    return figure


def sweeps_picture(result: AlgorithmResult, sweeps: Sequence[str]) -> Figure:
    """Return over contexts of one algorithm, a panel for each of these sweeps."""
    figure, panels = canvas(4.4 * len(sweeps) + 0.8, 4.8, columns=len(sweeps))
    for axes, sweep in zip(panels, sweeps, strict=True):
        draw_sweep(axes, result, sweep)
    panels[0].set_ylabel(f"mean return ({result.title})")
    legend_beside(figure, panels, 2 * len(sweeps), TITLES.values(), fontsize=10)
    return figure


def draw_sweep(axes: Axes, result: AlgorithmResult, sweep: str) -> None:
    """Each arm along a sweep: the mean over seeds as a line, each seed as a dot; a dotted line at c0 with the returns there.

    The range of the panel is that of the trained arms; policies that do nothing can lie outside.
    """
    at, label, base = coordinate(result.first, sweep)
    where = np.append(at, base)
    order = np.argsort(where)
    trained = []
    for arm in result.arms:
        color, marker, dashes = STYLES[arm]
        returns = np.concatenate([result.returns(arm, sweep), result.returns(arm, TRAIN)], axis=1).mean(axis=2)[:, order]
        axes.plot(
            where[order], returns.mean(axis=0), color=color, marker=marker, markersize=4, linestyle=dashes, linewidth=1.3,
            label=TITLES[arm],
        )  # fmt: skip
        trained += [] if arm in UNTRAINED else [returns]
        if len(returns) > 1:
            shift = _SHIFT * np.ptp(where) * ((result.arms.index(arm) + 0.5) / len(result.arms) - 0.5)
            axes.plot(where[order] + shift, returns.T, ".", color=color, markersize=4, alpha=0.55, markeredgewidth=0)
    axes.axvline(base, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_xlabel(label)
    clean_axes(axes, grid="both")
    if trained:
        set_range(axes, np.concatenate(trained))


def set_range(axes: Axes, returns: Floats) -> None:
    """The y axis for these returns: logarithmic where all are negative and span more than a factor of 20."""
    low, high = float(returns.min()), float(returns.max())
    if high < 0 and low < _LOGARITHMIC * high:
        axes.set_yscale("symlog", linthresh=-high, subs=(2, 5))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_ylim(1.4 * low, 0.7 * high)
    elif high > low:
        margin = 0.05 * (high - low)
        axes.set_ylim(low - margin, high + margin)
