"""Returns over the two context coordinates that vary in a split: a heat map for each method, all on one colour scale.

Dimensions: K contexts; nx, ny distinct values of the two coordinates.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from offctx.evaluation.plots.data import SplitReturns
from offctx.evaluation.plots.returns_axes import RETURN_LABEL
from offctx.evaluation.plots.style import GREY, INK, LINE, plain_label
from offctx.evaluation.statistics import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELLS_WITH_NUMBERS = 49  # a grid of more cells shows colours alone
_RING = "#E3001B"
_CELL_INK = "#111111"  # of numbers on bright cells, on a dark page too


def draw_heat_maps(figure: Figure, split: SplitReturns, pair: tuple[int, int]) -> None:
    """Draws the mean return of each method over a pair of coordinates of the context."""
    from matplotlib.colors import Normalize

    count = len(split.per_context)
    columns = min(count, 3)
    rows = -(-count // columns)
    figure.set_size_inches(1.4 + 3.6 * columns, 1.2 + 3.1 * rows)
    means = [estimates[0] for estimates in split.per_context.values()]
    norm = Normalize(min(map(np.min, means)), max(map(np.max, means)))
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for spare in panels.ravel()[count:]:
        spare.set_axis_off()
    used = list(panels.ravel()[:count])
    for index, (method, estimates) in enumerate(split.per_context.items()):
        axes = used[index]
        image = _heat_map(axes, split.contexts[:, pair], estimates[0], norm)
        _mark_training_contexts(axes, split.train_contexts[:, pair], len(split.contexts))
        mean = f"mean {split.overall[method].estimate:.4g}"
        axes.set_title(f"{plain_label(textwrap.shorten(method, 30))}  ({mean})", fontsize=10, color=INK)
        if index + columns >= count:  # no panel is below this one
            axes.tick_params(labelbottom=True)
            axes.set_xlabel(split.axis_label(pair[0]))
    for axes in panels[:, 0]:
        axes.set_ylabel(split.axis_label(pair[1]))
    bar = figure.colorbar(image, ax=used, label=RETURN_LABEL, pad=0.02, aspect=30)
    bar.ax.tick_params(colors=GREY, labelsize=9)
    bar.outline.set_visible(False)


def _heat_map(axes: Axes, points: Array, values: Array, norm: Any) -> Any:
    """Draws values (K,) over points (K, 2): as cells where the points fill a grid, else as dots. Returns the mappable."""
    axes.tick_params(colors=GREY, labelsize=9)
    for spine in axes.spines.values():
        spine.set_visible(False)
    grid = _grid(points, values)
    if grid is None:
        axes.margins(0.08)
        x, y = points.T
        return axes.scatter(x, y, c=values, norm=norm, cmap="viridis", s=70, edgecolors=LINE, linewidths=0.5)
    x, y, cells = grid
    image = axes.pcolormesh(_edges(x), _edges(y), cells, norm=norm, cmap="viridis", rasterized=True)
    if cells.size <= _CELLS_WITH_NUMBERS:
        for row, column in np.ndindex(cells.shape):
            value, centre = float(cells[row, column]), (float(x[column]), float(y[row]))
            ink = "white" if norm(value) < 0.6 else _CELL_INK
            axes.text(*centre, f"{value:.3g}", color=ink, fontsize=7, ha="center", va="center")
    return image


def _mark_training_contexts(axes: Axes, points: Array, cells: int) -> None:
    """Draws rings that leave a cell's number readable, red on white, so that they stand out from any colour."""
    size = 560 if cells <= _CELLS_WITH_NUMBERS else 110
    x, y = points.T
    for color, width in (("white", 3.6), (_RING, 1.8)):
        axes.scatter(x, y, s=size, facecolors="none", edgecolors=color, linewidths=width, zorder=4)


def _grid(points: Array, values: Array) -> tuple[Array, Array, Array] | None:
    """Returns x (nx,), y (ny,) and cells (ny, nx) where the points (K, 2) fill a grid once each, else None."""
    x, column = _levels(points[:, 0])
    y, row = _levels(points[:, 1])
    if len(x) * len(y) != len(points) or len(np.unique(row * len(x) + column)) != len(points):
        return None
    cells = np.empty((len(y), len(x)))
    cells[row, column] = values
    return x, y, cells


def _levels(values: Array) -> tuple[Array, np.ndarray[Any, np.dtype[np.intp]]]:
    """Returns the distinct values in order, up to float rounding, and the index of each entry (K,) among them."""
    order = np.argsort(values, kind="stable")
    steps = np.diff(values[order]) > 1e-9 * max(float(np.ptp(values)), 1e-300)
    rank = np.concatenate([[0], np.cumsum(steps)])
    level = np.empty(len(values), dtype=np.intp)
    level[order] = rank
    first = np.concatenate([[True], steps])
    return values[order][first], level


def _edges(centres: Array) -> Array:
    """Returns cell edges (n + 1,) half-way between centres (n,), n >= 2."""
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])
