"""Context sensitivity: which coordinates of a context matter along data, and how far apart two contexts are there.

Transition t has the context derivatives J_t (o, p) of its next observation and j_t (p,), total, of its reward. In the units

    u_i  what one step does to observation coordinate i: root mean square over the data of next_observations - observations
    v    standard deviation over the data of the rewards
    w_k  half the width of the bounds of context coordinate k; where unbounded, the size of its default, or 1 where that is 0

the data's base context b, with transitions T_b, has the metric tensors (p, p)

    G_b = mean over t in T_b of  J_t' diag(u)^-2 J_t / o    (next observation: the mean over its o coordinates)
    H_b = mean over t in T_b of  j_t j_t' / v^2             (reward)

To first order, a move of the context by dc moves next observations by sqrt(dc' G_b dc), in units of one step: the root mean
square over transitions and observation coordinates. H_b gives the same for rewards, and G_b + H_b for both.

    distance of two contexts      sqrt(dc' (G_b + H_b) dc), dc their difference
    sensitivity of coordinate k   the same with dc = w_k e_k

A sensitivity of 1 means: a move of the coordinate from the middle of its range to the end changes the outcome of a step as much
as the step itself does.

Why the unit is the change of one step and not the spread of next observations: a derivative is of one step, so its unit is what
one step changes. Why root mean square and not standard deviation: a steady drift is a change too. A reward is not a change, so
its unit is its spread.

Dimensions: N transitions, C base contexts, o observation, p context.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from offctx.analysis.distance import distances_to_nearest, metric_lengths
from offctx.cards import HasCard, contexts_text
from offctx.contexts.kinds import Kinds
from offctx.contexts.space import Contexts, ContextSpace
from offctx.data.card import sensitivity_lines
from offctx.envs.base import Array
from offctx.errors import ContextError

Part = Literal["both", "next_observation", "reward"]


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
        kinds: what the coordinate is declared to change; () where nothing is declared.
    """

    name: str
    by: float
    unit: str
    next_observation: float
    reward: float
    both: float
    kinds: Kinds = ()


@dataclass(frozen=True, eq=False, repr=False)
class Sensitivity(HasCard):
    """What the derivatives of a dataset say about its context coordinates; made by `context_sensitivity`.

    `print(sensitivity)` shows the ranking. Arrays are read-only.

    Attributes:
        dataset_id: of the data.
        context_space: names, units and bounds of the context.
        base_contexts: (C, p), the contexts of the data.
        transitions: (C,), how many transitions of each context were used.
        left_out: how many transitions were not used, because their derivatives are flagged.
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
        """The coordinates, the most sensitive first; discrete coordinates have no derivative and are left out."""
        space = self.context_space
        parts: tuple[Part, ...] = ("next_observation", "reward", "both")
        moves = {part: (self.scale * np.sqrt(np.diagonal(self.metric(part)))).tolist() for part in parts}
        rows = [
            CoordinateSensitivity(
                name=space.names[k],
                by=float(self.scale[k]),
                unit=space.units[k],
                next_observation=moves["next_observation"][k],
                reward=moves["reward"][k],
                both=moves["both"][k],
                kinds=space.kinds[space.names[k]],
            )
            for k in np.flatnonzero(space.continuous)
        ]
        return tuple(sorted(rows, key=lambda row: -row.both))

    @property
    def by_kind(self) -> dict[Kinds, tuple[CoordinateSensitivity, ...]]:
        """The ranking in groups of coordinates that are declared to change the same, such as ("dynamics", "reward")."""
        groups = dict.fromkeys(row.kinds for row in self.ranking)
        return {kinds: tuple(row for row in self.ranking if row.kinds == kinds) for kinds in groups}

    def metric(self, part: Part = "both", base: int | None = None) -> Array:
        """Returns a metric tensor (p, p), in units of one over the product of two coordinates' units.

        Args:
            part: which outcome counts: "next_observation", "reward", or "both".
            base: the row of `base_contexts` whose tensor it is; None averages over all the data.

        Raises:
            ContextError: no such part or base context.
        """
        tensors = _tensors(self, part)
        if base is None:
            return np.asarray(np.average(tensors, axis=0, weights=self.transitions))
        if not 0 <= base < len(self.base_contexts):
            raise ContextError(f"base must be a row of base_contexts, 0..{len(self.base_contexts) - 1}; found {base!r}")
        return np.array(tensors[base])

    def distance(
        self,
        first: ArrayLike | Mapping[str, float],
        second: ArrayLike | Mapping[str, float],
        part: Part = "both",
        base: int | None = None,
    ) -> Array:
        """Returns how far apart contexts are, in steps: sqrt((first - second)' metric (first - second)).

        This is a seminorm of their difference: contexts are at distance 0 where no step of the data tells them apart.
        Contexts that differ in a discrete coordinate, along which there is no derivative, are infinitely far apart.

        Args:
            first: contexts (..., p), or a mapping from names to coordinates.
            second: the same; the two broadcast.
            part: which outcome counts: "next_observation", "reward", or "both".
            base: the row of `base_contexts` at which the distance is measured; None averages over all the data.

        Returns:
            distances (...,).

        Raises:
            ContextError: not p finite coordinates, or no such part or base context.
        """
        differences = _as_contexts(first, self.context_space) - _as_contexts(second, self.context_space)
        return metric_lengths(differences, self.metric(part, base), self.context_space)

    def from_data(self, contexts: ArrayLike | Mapping[str, float], part: Part = "both") -> Array:
        """Returns the distance from each context to the nearest context of the data, measured at the latter, in steps.

        Args:
            contexts: (K, p), or a mapping from names to coordinates.
            part: which outcome counts: "next_observation", "reward", or "both".

        Returns:
            distances (K,).

        Raises:
            ContextError: not p finite coordinates, or no such part.
        """
        rows, tensors = np.atleast_2d(_as_contexts(contexts, self.context_space)), _tensors(self, part)
        return distances_to_nearest(rows, self.base_contexts, lambda dc: metric_lengths(dc, tensors, self.context_space))

    def to_dict(self) -> dict[str, Any]:
        """Returns the ranking and what it rests on, as plain JSON data."""
        return {
            "ranking": [vars(row) | {"kinds": list(row.kinds)} for row in self.ranking],
            "discrete": list(self.context_space.discrete),
            "base_contexts": len(self.base_contexts),
            "transitions": int(self.transitions.sum()),
            "left_out": self.left_out,
            "observation_units": self.observation_units.tolist(),
            "reward_unit": self.reward_unit,
        }

    def _card(self) -> dict[str, str]:
        return {
            "dataset": self.dataset_id,
            "contexts": contexts_text(self.context_space.names, self.base_contexts),
            "transitions": f"{int(self.transitions.sum())}, and {self.left_out} left out",
            "ranking": ", ".join(f"{row.name} {row.both:.3g}" for row in self.ranking),
            "details": "print(sensitivity) shows the ranking as a table",
        }

    def __str__(self) -> str:
        return "\n".join(sensitivity_lines(self.to_dict()))


def _tensors(sensitivity: Sensitivity, part: Part) -> Array:
    """The metric tensors (C, p, p) of a part of the outcome."""
    tensors: dict[str, Array] = {
        "next_observation": sensitivity.next_observation_metrics,
        "reward": sensitivity.reward_metrics,
    }
    if part == "both":
        return np.asarray(tensors["next_observation"] + tensors["reward"])
    if part not in tensors:
        raise ContextError(f'part must be "both", "next_observation" or "reward"; found {part!r}')
    return tensors[part]


def _as_contexts(contexts: ArrayLike | Mapping[str, float], space: ContextSpace) -> Contexts:
    """Contexts (..., p) in float64, in or out of the bounds."""
    if isinstance(contexts, Mapping):
        return space.check(contexts, extrapolate=True)
    rows = np.asarray(contexts, dtype=np.float64)
    if rows.shape[-1:] != (space.size,) or not np.isfinite(rows).all():
        raise ContextError(f"expected finite contexts (..., {space.size}), coordinates {list(space.names)}; found {contexts!r}")
    return rows
