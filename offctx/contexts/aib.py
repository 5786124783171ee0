"""The contexts of the Actuator Inversion Benchmark: training, interpolation and extrapolation, for any context space.

Source: arXiv 2602.06550 (Benad et al., 2026).

Dimensions: K contexts, p coordinates, V values of one coordinate.
"""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from offctx.checks import whole_number
from offctx.contexts.checking import Contexts, vector
from offctx.contexts.space import ContextSpace
from offctx.errors import ContextError

_MOST = 100_000  # values of a coordinate, and contexts of a split
_LARGEST = 10_000_000  # contexts of a mesh that are checked against constraints


def aib_splits(
    space: ContextSpace,
    training: Mapping[str, Sequence[float]],
    *,
    points: int = 50,
    instances: int = 20,
    gap: float = 0.01,
) -> dict[str, Contexts]:
    """The splits "train", "eval-in" and "eval-out" of the Actuator Inversion Benchmark.

    For each named continuous coordinate with the training range [a, b], of width w = b - a, and bounds [low, high]:

        train      `points` equidistant values of [a, b], both ends included;
        eval-in    `points` equidistant values of [a + gap w, b - gap w];
        eval-out   `points` / 2 equidistant values of [low, a - gap w], and as many of [b + gap w, high].

    A discrete coordinate takes all its values in every split; other coordinates keep their default. The product of the values
    of all coordinates is sorted in the order of coordinates, and of its M contexts the ones with the numbers
    round(i (M - 1) / (instances - 1)), i = 0, ..., are taken: the first and the last are among them. With the default
    arguments no training value of a continuous coordinate is a value of "eval-in": they are at least w / 4900 apart.

    What the source leaves open, and what is done here:

    1. 1 % is of the width of the training range, also beyond it, and not of the values themselves.
    2. Where a bound is nearer than the gap, that side has no values, and the other side has its `points` / 2 alone.
    3. Contexts against a constraint of the space are left out before M is counted.
    4. A mesh of fewer than `instances` contexts is taken whole. Without a named continuous coordinate, "eval-in" is "train",
       and there is no "eval-out".

    Args:
        space: of the contexts.
        training: from the names of continuous coordinates to their training ranges (a, b), in the coordinates' units.
        points: values of each coordinate, an even number, at least 2.
        instances: contexts of each split, at least 1.
        gap: share of the width of the training range.

    Returns:
        For each split contexts (K, p), sorted, each once; K is `instances`, or fewer where the mesh has fewer.

    Raises:
        ContextError: an unknown or discrete coordinate; a range that is not a < b within the bounds; a coordinate without
            room outside its training range; infinite bounds; or a mesh that has no valid context or is too large.

    Example::

        space = ContextSpace(["mass", "action_factor"], [0.1, -1], [2, 1], [1, 1], discrete={"action_factor": [-1, 1]})
        splits = offctx.aib_splits(space, {"mass": (0.5, 1.5)})  # three splits of 20 contexts
    """
    points = whole_number(points, "points", 2, ContextError, most=_MOST)
    instances = whole_number(instances, "instances", 1, ContextError, most=_MOST)
    if points % 2:
        raise ContextError(f"points must be even, half of them on each side; found {points}")
    if not isinstance(space, ContextSpace):
        raise ContextError(f"expected a ContextSpace, such as env.context_space; found {space!r}")
    if not isinstance(training, Mapping):
        raise ContextError(
            f"training must map names of coordinates to ranges, such as {{'mass': (0.5, 1.5)}}; found {training!r}"
        )
    if isinstance(gap, bool | np.bool_) or not isinstance(gap, Real) or not 0 <= gap < 0.5:
        raise ContextError(f"gap must be a share of the training range in [0, 0.5); found {gap!r}")
    gap = float(gap)
    ranges = {name: _range(space, name, training[name]) for name in training}
    axes: dict[str, dict[str, Contexts]] = {"train": {}, "eval-in": {}}
    for name, (a, b) in ranges.items():
        axes["train"][name] = np.linspace(a, b, points)
        axes["eval-in"][name] = np.linspace(a + gap * (b - a), b - gap * (b - a), points)
    if ranges:
        axes["eval-out"] = {name: _outside(space, name, ends, gap, points // 2) for name, ends in ranges.items()}
    return {split: _instances(space, values, instances, split) for split, values in axes.items()}


def with_aib_splits(space: ContextSpace, training: Mapping[str, Sequence[float]]) -> ContextSpace:
    """The same space with `aib_splits` of these training ranges as its splits.

    Args:
        space: of the contexts; left as it is.
        training: from the names of continuous coordinates to their training ranges.

    Raises:
        ContextError: as `aib_splits` raises it.
    """
    splits = {name: rows.tolist() for name, rows in aib_splits(space, training).items()}
    return type(space).from_dict(space.to_dict() | {"splits": splits})


def _range(space: ContextSpace, name: str, ends: Any) -> tuple[float, float]:
    """The training range of a coordinate, checked."""
    k = space.index(name)
    if name in space.discrete:
        raise ContextError(f"{name} is discrete and takes all its values in every split: it has no training range")
    a, b = vector(ends, 2, f"the training range of {name}", broadcast=False).tolist()
    if not space.low[k] <= a < b <= space.high[k]:
        raise ContextError(
            f"the training range of {name} must be (a, b) with a < b within the bounds "
            f"[{space.low[k]:g}, {space.high[k]:g}]; found ({a:g}, {b:g})"
        )
    return a, b


def _outside(space: ContextSpace, name: str, ends: tuple[float, float], gap: float, points: int) -> Contexts:
    """Values (V,) of a coordinate below and above its training range, up to the bounds."""
    k, (a, b) = space.index(name), ends
    low, high = float(space.low[k]), float(space.high[k])
    if not np.isfinite(high - low):
        raise ContextError(f"eval-out reaches up to the bounds: {name} needs finite bounds; found [{low:g}, {high:g}]")
    below, above = a - gap * (b - a), b + gap * (b - a)
    sides = [np.linspace(low, below, points)] if low < below else []
    sides += [np.linspace(above, high, points)] if above < high else []
    if not sides:
        raise ContextError(
            f"{name} has no room outside its training range ({a:g}, {b:g}) and the gap: its bounds are [{low:g}, {high:g}]"
        )
    return np.concatenate(sides)


def _instances(space: ContextSpace, values: Mapping[str, Contexts], count: int, split: str) -> Contexts:
    """Equidistant contexts (K, p) of the sorted product of the values of all coordinates."""
    axes = [_axis(space, name, values) for name in space.names]
    size = 1
    for axis in axes:
        size *= len(axis)  # a Python integer: products of many coordinates are larger than 64 bits
    if not space.constraints:
        return space.check_many(_rows(axes, _equidistant(size, count)))
    if size > _LARGEST:
        raise ContextError(
            f"the mesh of {split} has {size:.1e} contexts, too many to check against {', '.join(space.constraints)}; name "
            f"fewer coordinates, or take fewer points"
        )
    rows = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    rows = rows[space.valid(rows)]
    if not len(rows):
        raise ContextError(f"no context of the mesh of {split} satisfies {', '.join(space.constraints)}")
    return space.check_many(rows[_equidistant(len(rows), count)])


def _axis(space: ContextSpace, name: str, values: Mapping[str, Contexts]) -> Contexts:
    """The values (V,) of one coordinate in a split, in order."""
    if name in values:
        return values[name]
    return space.values(name) if name in space.discrete else space.default[[space.index(name)]]


def _equidistant(size: int, count: int) -> list[int]:
    """The numbers round(i (size - 1) / (count - 1)) of equidistant contexts, halves upwards; all where size <= count."""
    if size <= count:
        return list(range(size))
    last, steps = size - 1, max(count - 1, 1)
    return [(2 * i * last + steps) // (2 * steps) for i in range(count)]


def _rows(axes: Sequence[Contexts], numbers: Sequence[int]) -> Contexts:
    """The contexts (K, p) with these numbers in the sorted product of the axes."""
    rows = np.empty((len(numbers), len(axes)))
    for row, number in zip(rows, numbers, strict=True):
        number_left = number
        for k in range(len(axes) - 1, -1, -1):
            number_left, place = divmod(number_left, len(axes[k]))
            row[k] = axes[k][place]
    return rows
