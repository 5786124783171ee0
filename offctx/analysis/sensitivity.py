"""Context sensitivity: which coordinates of a context matter along data, and how far apart two contexts are there.

Transition t has the context derivatives J_t (o, p) of its next observation and j_t (p,), total, of its reward. In the units

    u_i  what one step does to observation coordinate i: root mean square over the data of next_observations - observations
    v    standard deviation over the data of the rewards
    w_k  half the width of the bounds of context coordinate k; where unbounded, the size of its default, or 1 where that is 0

the data's base context b, with transitions T_b, has the metric tensors (p, p)

    G_b = mean over t in T_b of  J_t' diag(u)^-2 J_t / o    (next observation: the mean over its o coordinates)
    H_b = mean over t in T_b of  j_t j_t' / v^2             (reward)

so that sqrt(dc' G_b dc) is the root mean square, over transitions and observation coordinates, of how far a move of the context
by dc moves next observations to first order, in steps; H_b says the same of rewards, and G_b + H_b of both. Hence the distance
between contexts, dc their difference, and the sensitivity of coordinate k, for which dc = w_k e_k: 1 says that going
from the middle of its range to the end does as much to a step's outcome as the step itself.

Why the step's own change is the unit and not the spread of next observations: a derivative is of one step, and the change
is what it changes; root mean square and not standard deviation, as a steady drift is change too. Rewards are no change;
what tells them apart is their spread.

Dimensions: N transitions, B a block of them, C base contexts, o observation, p context.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from offctx.contexts.space import Contexts, ContextSpace
from offctx.data.dataset import ContextualDataset
from offctx.envs.base import Array
from offctx.errors import ContextError, DerivativeError

Part = Literal["both", "next_observation", "reward"]
_BLOCK = 65_536  # rows in float64 at a time
_ROUNDING = 1e-6  # of its size: a spread below it is float32 rounding, not a unit
_TOLERANCE = 1e-4  # relative error from which on a derivative is not trusted, where the dataset does not say


@dataclass(frozen=True)
class CoordinateSensitivity:
    """How far one context coordinate, moved by half its range, moves outcomes along the data.

    Attributes:
        name: of the coordinate.
        by: how far it is moved, w_k, in its unit.
        unit: its unit, "" where dimensionless.
        next_observation: root mean square move of next observations, in steps.
        reward: root mean square move of rewards, in their standard deviation.
        both: root of the sum of their squares.
    """

    name: str
    by: float
    unit: str
    next_observation: float
    reward: float
    both: float


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """What the derivatives of a dataset say about its context coordinates; made by `context_sensitivity`. Arrays are read-only.

    Attributes:
        dataset_id: whose data.
        context_space: names, units and bounds of the context.
        base_contexts: (C, p), the contexts of the data.
        transitions: (C,), how many of each were used.
        left_out: how many were not, as their derivatives are flagged as not to be trusted.
        scale: (p,), w, how far each coordinate is moved in the ranking, in its unit.
        observation_units: (o,), u.
        reward_unit: v.
        next_observation_metrics: (C, p, p), G_b; rows and columns of discrete coordinates are zero.
        reward_metrics: (C, p, p), H_b.
    """

    dataset_id: str
    context_space: ContextSpace
    base_contexts: Contexts
    transitions: Array
    left_out: int
    scale: Array
    observation_units: Array
    reward_unit: float
    next_observation_metrics: Array
    reward_metrics: Array

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    @cached_property
    def ranking(self) -> tuple[CoordinateSensitivity, ...]:
        """The coordinates by how far they move outcomes, most first; discrete ones, which have no derivative, left out."""
        space = self.context_space
        parts: tuple[Part, ...] = ("next_observation", "reward", "both")
        moved = [self.scale * np.sqrt(np.diagonal(self.metric(part))) for part in parts]
        rows = zip(space.names, self.scale.tolist(), space.units, *(part.tolist() for part in moved), strict=True)
        found = [CoordinateSensitivity(*row) for row in rows if row[0] not in space.discrete]
        return tuple(sorted(found, key=lambda row: -row.both))

    def metric(self, part: Part = "both", base: int | None = None) -> Array:
        """The metric tensor (p, p), per product of the coordinates' units: of base context `base`, or over all the data."""
        tensors = self._metrics(part)
        if base is not None:
            return np.array(tensors[self._base(base)])
        return np.asarray(np.average(tensors, axis=0, weights=self.transitions))

    def distance(
        self,
        first: ArrayLike | Mapping[str, float],
        second: ArrayLike | Mapping[str, float],
        part: Part = "both",
        base: int | None = None,
    ) -> Array:
        """How far apart contexts are: sqrt((first - second)' metric (first - second)), in steps.

        A seminorm of their difference: contexts that no step of the data tells apart are at distance 0. Contexts that differ
        in a discrete coordinate, along which there is no derivative, are infinitely far apart.

        Args:
            first: contexts (..., p), or a mapping from names.
            second: the same; the two broadcast.
            part: "both", or what of the outcome counts: "next_observation" or "reward".
            base: measured at this row of `base_contexts`; over all the data where not given.

        Returns:
            distances (...,).

        Raises:
            ContextError: not p finite coordinates, or no such base context.
        """
        return self._length(self._contexts(first) - self._contexts(second), self.metric(part, base))

    def from_data(self, contexts: ArrayLike | Mapping[str, float], part: Part = "both") -> Array:
        """Distances (K,) of contexts (K, p) from the nearest context of the data, each measured at that one.

        Raises:
            ContextError: not p finite coordinates.
        """
        rows = np.atleast_2d(self._contexts(contexts))
        return np.asarray(self._length(rows[:, None] - self.base_contexts, self._metrics(part)).min(axis=1))

    def to_dict(self) -> dict[str, Any]:
        """The ranking and what it rests on, as plain JSON data."""
        return {
            "ranking": [dict(vars(row)) for row in self.ranking],
            "discrete": list(self.context_space.discrete),
            "base_contexts": len(self.base_contexts),
            "transitions": int(self.transitions.sum()),
            "left_out": self.left_out,
            "observation_units": self.observation_units.tolist(),
            "reward_unit": self.reward_unit,
        }

    def __str__(self) -> str:
        return "\n".join(ranking_lines(self.to_dict()))

    def _metrics(self, part: Part) -> Array:
        known: dict[str, Array] = {"next_observation": self.next_observation_metrics, "reward": self.reward_metrics}
        if part == "both":
            return np.asarray(self.next_observation_metrics + self.reward_metrics)
        if part not in known:
            raise ContextError(f'part must be "both", "next_observation" or "reward"; found {part!r}')
        return known[part]

    def _base(self, base: int) -> int:
        if not 0 <= base < len(self.base_contexts):
            raise ContextError(f"base must be a row of base_contexts, 0..{len(self.base_contexts) - 1}; found {base!r}")
        return base

    def _contexts(self, given: ArrayLike | Mapping[str, float]) -> Contexts:
        space = self.context_space
        rows = space.check(given, extrapolate=True) if isinstance(given, Mapping) else np.asarray(given, dtype=np.float64)
        if rows.shape[-1:] != (space.size,) or not np.isfinite(rows).all():
            raise ContextError(
                f"expected finite contexts (..., {space.size}), coordinates {list(space.names)}; found {given!r}"
            )
        return rows

    def _length(self, dc: Array, metric: Array) -> Array:
        """Of moves (..., p) in metrics (p, p) or (..., p, p): (...,)."""
        squares = np.einsum("...p,...pq,...q->...", dc, metric, dc)
        apart = (dc[..., ~self.context_space.continuous] != 0).any(axis=-1)
        return np.where(apart, np.inf, np.sqrt(np.maximum(squares, 0)))  # rounding may leave a square just below 0


def context_sensitivity(dataset: ContextualDataset) -> Sensitivity:
    """Rank the context coordinates of a dataset by how far they move outcomes, and measure distances between contexts.

    Transitions whose derivatives are flagged (an estimated error above the dataset's tolerance, or none that is
    finite: near a contact switch) are left out, and counted.

    Raises:
        DerivativeError: the dataset has no derivatives, or none to be trusted.

    Example::

        found = offctx.context_sensitivity(offctx.load_dataset("offctx/PendulumGoal/random-v0"))
        print(found)                                         # the ranking
        found.distance({"g": 2.0}, {"g": 4.0})               # in steps
        report.save("report", sensitivity=found)             # with return against distance
    """
    if not dataset.has_derivatives:
        raise DerivativeError(f"{dataset.dataset_id} has no context derivatives; context sensitivity is made from them")
    space, trusted = dataset.context_space, _trusted(dataset)
    if not trusted.any():
        raise DerivativeError(
            f"{dataset.dataset_id}: every derivative is flagged as not to be trusted; none is left to rank by"
        )
    units, reward_unit = _observation_units(dataset), _reward_unit(dataset)
    bases = dataset.unique_contexts
    counts = np.bincount(dataset.context_ids[trusted], minlength=len(bases))
    sums = _metric_sums(dataset, np.flatnonzero(trusted), units, reward_unit, len(bases))
    used = counts > 0
    means = [total[used] / counts[used, None, None] for total in sums]
    return Sensitivity(
        dataset_id=dataset.dataset_id,
        context_space=space,
        base_contexts=bases[used],
        transitions=counts[used],
        left_out=int((~trusted).sum()),
        scale=space.half_widths(),
        observation_units=units,
        reward_unit=reward_unit,
        next_observation_metrics=means[0],
        reward_metrics=means[1],
    )


def context_distance(
    dataset: ContextualDataset,
    first: ArrayLike | Mapping[str, float],
    second: ArrayLike | Mapping[str, float],
    part: Part = "both",
) -> Array:
    """How far apart contexts (..., p) are along the data, in steps: `context_sensitivity(dataset).distance(first, second)`.

    Whoever needs many distances from the same data keeps the `Sensitivity`.
    """
    return context_sensitivity(dataset).distance(first, second, part)


def ranking_lines(found: Mapping[str, Any]) -> list[str]:
    """The ranking in `Sensitivity.to_dict` for people, a line a coordinate."""
    lines = ["  sensitivity: root mean square move of outcomes, the coordinate moved by half its range"]
    lines.append(f"    {'':<12} {'moved by':<16} {'next observation':>18} {'reward':>10} {'both':>10}")
    for row in found["ranking"]:
        by = f"{row['by']:g} {row['unit']}".strip()
        lines.append(
            f"    {row['name']:<12} {by:<16} {row['next_observation']:>18.3g} {row['reward']:>10.3g} {row['both']:>10.3g}"
        )
    lines += [f"    {name:<12} discrete: no derivative, not ranked" for name in found["discrete"]]
    lines.append("    next observation in units of one step's change, reward in units of its standard deviation")
    if found["left_out"]:
        every = found["transitions"] + found["left_out"]
        lines.append(f"    left out: {found['left_out']} of {every} transitions, whose derivatives are flagged")
    return lines


def _trusted(dataset: ContextualDataset) -> Array:
    """Which transitions' derivatives are not flagged (N,)."""
    errors = dataset.derivative_errors
    if errors is None:
        return np.ones(len(dataset), dtype=bool)
    said = dataset.metadata.derivatives if dataset.metadata else None
    tolerance = said.tolerance if said is not None and said.tolerance is not None else _TOLERANCE
    return np.asarray(errors <= tolerance)  # False where NaN


def _observation_units(dataset: ContextualDataset) -> Array:
    """u (o,); for a coordinate that never changes, its size instead, or 1 where that is 0."""
    change, size = np.zeros((2, dataset.observations.shape[1]))
    for rows in _blocks(np.arange(len(dataset))):
        after = dataset.next_observations[rows].astype(np.float64)
        size += (after**2).sum(axis=0)
        change += ((after - dataset.observations[rows]) ** 2).sum(axis=0)
    change, size = np.sqrt(change / len(dataset)), np.sqrt(size / len(dataset))
    return np.where(change > _ROUNDING * size, change, np.where(size > 0, size, 1.0))


def _reward_unit(dataset: ContextualDataset) -> float:
    """v; where all rewards are the same, their size instead, or 1 where that is 0."""
    rewards = dataset.rewards.astype(np.float64)
    spread, size = float(rewards.std()), float(np.sqrt((rewards**2).mean()))
    return spread if spread > _ROUNDING * size else size or 1.0


def _metric_sums(dataset: ContextualDataset, rows: Array, units: Array, reward_unit: float, bases: int) -> tuple[Array, Array]:
    """The sums over T_b that G_b and H_b are means of, (C, p, p) each."""
    dnext, dreward = dataset.dnext_observation_dcontext, dataset.dreward_dcontext
    assert dnext is not None and dreward is not None
    p = dreward.shape[1]
    continuous = dataset.context_space.continuous
    weights = continuous / (units[:, None] * np.sqrt(len(units)))  # (o, p)
    reward_weights = continuous / reward_unit  # (p,)
    sums = np.zeros((2, bases, p * p))
    for block in _blocks(rows):
        j, r = dnext[block] * weights, dreward[block] * reward_weights
        products = np.matmul(j.transpose(0, 2, 1), j), r[:, :, None] * r[:, None, :]  # (B, p, p) each
        ids = dataset.context_ids[block]
        for total, product in zip(sums, products, strict=True):
            for entry, values in enumerate(product.reshape(len(block), -1).T):
                total[:, entry] += np.bincount(ids, weights=values, minlength=bases)
    return sums[0].reshape(bases, p, p), sums[1].reshape(bases, p, p)


def _blocks(rows: Array) -> Iterator[Array]:
    """The row numbers, some at a time, so that what is made of them in float64 stays small."""
    for begin in range(0, len(rows), _BLOCK):
        yield rows[begin : begin + _BLOCK]
