"""One picture per split: the return of each method over the contexts, with its interval; and one against distance.

Dimensions: K contexts of the split, n training contexts, p context coordinates.

The picture follows the number of coordinates that vary within the split: none, bars; one, a curve; two, heat
maps; three or more, the return against the distance from the nearest training context. Matplotlib is
imported when a picture is drawn, and only its Figure and Agg canvas: no global pyplot state, no display, no
rcParams.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from offctx.errors import EvaluationError
from offctx.evaluation.plots.style import (
    GREY,
    INK,
    LINE,
    add_title_and_caption,
    clean_axes,
    legend_above,
    new_figure,
    plain_label,
    series_style,
)
from offctx.evaluation.plots.style import PALETTE as PALETTE
from offctx.evaluation.statistics import Array, Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RETURN = "mean return"
_MARKERS_A_CURVE = 14
_MANY_LINES = 10  # training contexts beyond which lines at them would hide the curves
_CELLS_WITH_NUMBERS = 49

Estimates = tuple[Array, Array, Array]


@dataclass(frozen=True, eq=False)
class SplitPicture:
    """What is drawn of one split; built by `plot_split`, which checks it.

    per_context: method -> estimate, low, high, each (K,). overall: method -> the mean over contexts.
    """

    split: str
    contexts: Array
    names: tuple[str, ...]
    units: tuple[str, ...]
    train_contexts: Array
    per_context: Mapping[str, Estimates]
    overall: Mapping[str, Interval]


def plot_split(
    split: str,
    *,
    contexts: Array,
    context_names: Sequence[str],
    context_units: Sequence[str],
    train_contexts: Array,
    per_context: Mapping[str, Estimates],
    overall: Mapping[str, Interval],
    title: str | None = None,
    caption: str | None = None,
) -> Figure:
    """The picture of one split, of all methods.

    contexts: (K, p). train_contexts: (n, p), marked; n may be 0. per_context: method -> (estimate, low,
    high), each (K,), as from `context_intervals`; a NaN bound draws no interval. overall: method -> mean over
    contexts. The order of methods gives their colours. caption: a line below the picture, say what the
    intervals cover. Raises EvaluationError where shapes, names or methods do not fit each other.
    """
    picture = SplitPicture(
        split,
        np.asarray(contexts, dtype=np.float64),
        tuple(context_names),
        tuple(context_units),
        np.asarray(train_contexts, dtype=np.float64),
        per_context,
        overall,
    )
    _check(picture)
    varying = varying_coordinates(picture.contexts)
    figure = new_figure(7.2, 4.2)
    if len(varying) == 1:
        _curve(figure, picture, int(varying[0]))
    elif len(varying) == 2:
        _heat_maps(figure, picture, (int(varying[0]), int(varying[1])))
    elif len(varying) >= 3 and len(picture.train_contexts):
        _distance(figure, picture)
    else:
        _bars(figure, picture)
    heading = split if title is None else f"{title} · {split}"
    if len(varying) == 2 and len(picture.train_contexts):
        caption = f"Ring: training context. {caption or ''}"
    add_title_and_caption(figure, heading, caption or "")
    return figure


def plot_distance(
    distances: Array,
    per_context: Mapping[str, Estimates],
    *,
    label: str,
    title: str | None = None,
    caption: str | None = None,
) -> Figure:
    """The return of each method in each context against how far that is from the training contexts, which are at 0.

    distances: (K,), finite. per_context, title, caption: as in `plot_split`. label: of the distance, for the axis. Raises
    EvaluationError where shapes do not fit each other.
    """
    at = np.asarray(distances, dtype=np.float64)
    if at.ndim != 1 or len(at) == 0 or not np.isfinite(at).all():
        raise EvaluationError(f"expected distances as finite numbers (K,), found shape {at.shape}: {at}")
    _check_estimates(per_context, at.shape)
    figure = new_figure(7.2, 4.2)
    _against(figure, at, per_context, label)
    for axes in figure.axes:
        _mark_training_line(axes, np.zeros(1), "training contexts")
    legend_above(figure.axes[0])
    add_title_and_caption(figure, title or "", caption or "")
    return figure


def varying_coordinates(contexts: Array) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Indices of the coordinates that take more than one value, up to float rounding. contexts: (K, p)."""
    spread = np.ptp(contexts, axis=0)
    scale = np.abs(contexts).max(axis=0)
    return np.flatnonzero(spread > 1e-9 * np.maximum(scale, 1e-12))


def nearest_training_distance(contexts: Array, train_contexts: Array) -> Array:
    """Euclidean distance from each context to the nearest training context: (K, p), (n, p) -> (K,), no units.

    Each coordinate is divided by its range within `contexts`; one that is constant there, by its range with
    the training contexts.
    """
    both = np.concatenate([contexts, train_contexts])
    scale = np.ptp(contexts, axis=0)
    constant = np.setdiff1d(np.arange(contexts.shape[1]), varying_coordinates(contexts))
    scale[constant] = np.ptp(both, axis=0)[constant]
    scale[scale == 0] = 1.0
    steps = (contexts[:, np.newaxis] - train_contexts[np.newaxis]) / scale
    result: Array = np.sqrt((steps**2).sum(axis=2)).min(axis=1)
    return result


def _check(picture: SplitPicture) -> None:
    shape = picture.contexts.shape
    width = len(picture.names)
    if len(shape) != 2 or shape[0] == 0 or shape[1] != width or len(picture.units) != width:
        raise EvaluationError(
            f"expected contexts (K, {width}) for {width} names and as many units, "
            f"found shape {shape} and {len(picture.units)} units"
        )
    if picture.train_contexts.ndim != 2 or picture.train_contexts.shape[1] != width:
        raise EvaluationError(f"expected training contexts (n, {width}), found shape {picture.train_contexts.shape}")
    if not picture.per_context or set(picture.per_context) != set(picture.overall):
        raise EvaluationError(
            "expected the same methods, at least one, in per_context and overall, "
            f"found {list(picture.per_context)} and {list(picture.overall)}"
        )
    _check_estimates(picture.per_context, shape[:1])


def _check_estimates(per_context: Mapping[str, Estimates], shape: tuple[int, ...]) -> None:
    for method, parts in per_context.items():
        if len(parts) != 3 or any(np.shape(part) != shape for part in parts):
            found = [np.shape(part) for part in parts]
            expected = f"estimate, low and high of {method!r} as three arrays ({shape[0]},)"
            raise EvaluationError(f"expected {expected}, found {found}")


def _curve(figure: Figure, picture: SplitPicture, coordinate: int) -> None:
    order = np.argsort(picture.contexts[:, coordinate], kind="stable")
    at = picture.contexts[order, coordinate]
    step = -(-len(at) // _MARKERS_A_CURVE)
    for axes in _panels(figure, picture.per_context):
        for index, (method, parts) in enumerate(picture.per_context.items()):
            estimate, low, high = (part[order] for part in parts)
            color, marker, dashes = series_style(index)
            axes.fill_between(at, low, high, color=color, alpha=0.15, linewidth=0)
            axes.plot(
                at,
                estimate,
                dashes,
                color=color,
                linewidth=2,
                marker=marker,
                markevery=(index * step // len(picture.per_context), step),  # staggered: seen where curves coincide
                markersize=4.5,
                markeredgecolor="white",
                markeredgewidth=0.6,
                label=plain_label(method),
            )
        _mark_training_line(axes, picture.train_contexts[:, coordinate])
    axes.set_xlabel(_axis_label(picture, coordinate))
    legend_above(figure.axes[0])


def _panels(figure: Figure, per_context: Mapping[str, Estimates]) -> list[Axes]:
    """Axes for returns: one of the full range and, where that squashes most of the returns, a close-up below it."""
    near = close_up(*map(np.concatenate, zip(*per_context.values(), strict=True)))
    if near is None:
        axes = clean_axes(figure.add_subplot())
        axes.set_ylabel(_RETURN)
        return [axes]
    figure.set_size_inches(7.2, 6.8)
    full, close = map(clean_axes, figure.subplots(2, 1, sharex=True, height_ratios=(2, 3)))
    full.set_ylabel(f"{_RETURN}, all")
    full.axhspan(*near, color=LINE, alpha=0.6, linewidth=0, zorder=0)
    close.set_ylabel(f"{_RETURN}, close-up")
    close.set_ylim(*near)
    return [full, close]


def close_up(estimates: Array, lows: Array, highs: Array) -> tuple[float, float] | None:
    """Limits that show most estimates (N,), where a few far ones squash them into an eighth of the range; else None.

    Most: those within three widths of the shortest interval that holds half of them. Their lows (N,) and highs (N,) are
    inside the limits too, unless that would more than triple the range.
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


def _mark_training_line(axes: Axes, values: Array, label: str | None = None) -> None:
    """Dashed vertical lines at the training contexts, or ticks along the bottom where there are many."""
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


def _heat_maps(figure: Figure, picture: SplitPicture, pair: tuple[int, int]) -> None:
    from matplotlib.colors import Normalize

    count = len(picture.per_context)
    columns = min(count, 3)
    rows = -(-count // columns)
    figure.set_size_inches(1.4 + 3.6 * columns, 1.2 + 3.1 * rows)
    estimates = [parts[0] for parts in picture.per_context.values()]
    norm = Normalize(min(map(np.min, estimates)), max(map(np.max, estimates)))
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for spare in panels.ravel()[count:]:
        spare.set_axis_off()
    used = list(panels.ravel()[:count])
    for index, (method, parts) in enumerate(picture.per_context.items()):
        axes = used[index]
        image = _heat_map(axes, picture.contexts[:, pair], parts[0], norm)
        _mark_training_rings(axes, picture.train_contexts[:, pair], len(picture.contexts))
        mean = f"mean {picture.overall[method].estimate:.4g}"
        axes.set_title(f"{plain_label(textwrap.shorten(method, 30))}  ({mean})", fontsize=10, color=INK)
        if index + columns >= count:  # nothing below it
            axes.tick_params(labelbottom=True)
            axes.set_xlabel(_axis_label(picture, pair[0]))
    for axes in panels[:, 0]:
        axes.set_ylabel(_axis_label(picture, pair[1]))
    bar = figure.colorbar(image, ax=used, label=_RETURN, pad=0.02, aspect=30)
    bar.ax.tick_params(colors=GREY, labelsize=9)
    bar.outline.set_visible(False)


def _heat_map(axes: Axes, points: Array, values: Array, norm: Any) -> Any:
    """values (K,) over points (K, 2): cells where they fill a grid, else dots. Returns the mappable."""
    axes.tick_params(colors=GREY, labelsize=9)
    for spine in axes.spines.values():
        spine.set_visible(False)
    grid = _grid(points, values)
    if grid is None:
        axes.margins(0.08)
        across, up = points.T
        return axes.scatter(across, up, c=values, norm=norm, cmap="viridis", s=70, edgecolors=LINE, linewidths=0.5)
    across, up, cells = grid
    image = axes.pcolormesh(_edges(across), _edges(up), cells, norm=norm, cmap="viridis", rasterized=True)
    if cells.size <= _CELLS_WITH_NUMBERS:
        for row, column in np.ndindex(cells.shape):
            value, at = float(cells[row, column]), (float(across[column]), float(up[row]))
            ink = "white" if norm(value) < 0.6 else "black"
            axes.text(*at, f"{value:.3g}", color=ink, fontsize=7, ha="center", va="center")
    return image


def _mark_training_rings(axes: Axes, points: Array, cells: int) -> None:
    """Rings, wide enough to leave a cell's number readable, red on white to stand out from any colour."""
    size = 560 if cells <= _CELLS_WITH_NUMBERS else 110
    across, up = points.T
    for color, width in (("white", 3.6), ("#E3001B", 1.8)):
        axes.scatter(across, up, s=size, facecolors="none", edgecolors=color, linewidths=width, zorder=4)


def _grid(points: Array, values: Array) -> tuple[Array, Array, Array] | None:
    """x (nx,), y (ny,) and cells (ny, nx) where the points (K, 2) fill a grid once each, else None."""
    across, column = _levels(points[:, 0])
    up, row = _levels(points[:, 1])
    if len(across) * len(up) != len(points) or len(np.unique(row * len(across) + column)) != len(points):
        return None
    cells = np.empty((len(up), len(across)))
    cells[row, column] = values
    return across, up, cells


def _levels(values: Array) -> tuple[Array, np.ndarray[Any, np.dtype[np.intp]]]:
    """Distinct values in order, up to float rounding, and the index of each entry among them."""
    order = np.argsort(values, kind="stable")
    steps = np.diff(values[order]) > 1e-9 * max(float(np.ptp(values)), 1e-300)
    rank = np.concatenate([[0], np.cumsum(steps)])
    level = np.empty(len(values), dtype=np.intp)
    level[order] = rank
    first = np.concatenate([[True], steps])
    return values[order][first], level


def _edges(centres: Array) -> Array:
    """Cell edges (n + 1,) half-way between centres (n,), n >= 2."""
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def _distance(figure: Figure, picture: SplitPicture) -> None:
    distance = nearest_training_distance(picture.contexts, picture.train_contexts)
    label = "distance from the nearest training context (each coordinate over its range in the split)"
    _against(figure, distance, picture.per_context, label)
    legend_above(figure.axes[0])


def _against(figure: Figure, distance: Array, per_context: Mapping[str, Estimates], label: str) -> None:
    """Each context as a dot with its interval at its distance (K,), and a line through the means of neighbours."""
    order = np.argsort(distance, kind="stable")
    at = distance[order]
    bins = np.array_split(np.arange(len(at)), max(1, min(8, len(at) // 5)))
    for axes in _panels(figure, per_context):
        for index, (method, parts) in enumerate(per_context.items()):
            estimate, low, high = (part[order] for part in parts)
            color, marker, dashes = series_style(index)
            axes.vlines(at, low, high, color=color, alpha=0.25, linewidth=1.2)
            axes.scatter(at, estimate, s=16, marker=marker, color=color, alpha=0.7, linewidths=0)
            axes.plot(
                [at[rows].mean() for rows in bins],
                [estimate[rows].mean() for rows in bins],
                dashes,
                color=color,
                linewidth=2,
                marker=marker,
                markersize=6,
                markeredgecolor="white",
                label=plain_label(method),
            )
    axes.set_xlabel(label)


def _bars(figure: Figure, picture: SplitPicture) -> None:
    methods = list(picture.per_context)
    figure.set_size_inches(7.2, 1.5 + 0.5 * len(methods))
    axes = clean_axes(figure.add_subplot(), grid="x")
    for index, method in enumerate(methods):
        interval = picture.overall[method]
        axes.barh(index, interval.estimate, height=0.62, color=series_style(index)[0], alpha=0.85)
        if np.isfinite(interval.high - interval.low):
            axes.plot([interval.low, interval.high], [index, index], color=INK, linewidth=1.6)
        beside = (1.01, index)
        text = axes.annotate(str(interval), beside, xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
        text.set_color(GREY)
    axes.set_yticks(range(len(methods)), [plain_label(method) for method in methods])
    axes.invert_yaxis()
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_xlabel(_RETURN)


def _axis_label(picture: SplitPicture, coordinate: int) -> str:
    unit = picture.units[coordinate]
    return plain_label(picture.names[coordinate] + (f" [{unit}]" if unit else ""))
