"""Context spaces: named real vectors with units, bounds, a default, valid combinations and splits.

K contexts of p coordinates are an array (K, p). The order of coordinates is the order of names, everywhere.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from offctx.contexts import checking, serialization
from offctx.contexts import discrete as discrete_values
from offctx.contexts.checking import Contexts
from offctx.contexts.constraints import Constraint
from offctx.contexts.context_sets import ContextSets
from offctx.contexts.kinds import DeclaredKinds, Kinds, checked_kinds
from offctx.contexts.splits import default_splits
from offctx.errors import ContextError

__all__ = ["ContextSpace", "Contexts"]


class ContextSpace(ContextSets, spaces.Box):  # type: ignore[misc]  # `sample` requires a generator here
    """The contexts of a family of environments: a `gymnasium.spaces.Box` whose coordinates have names and units.

    Args:
        names: p distinct Python identifiers.
        low: lower bounds (p,) or one number for all.
        high: upper bounds (p,) or one number for all.
        default: the base context c0 (p,).
        units: p unit texts, "" for a dimensionless coordinate.
        constraints: inequalities between coordinates that every context must satisfy, such as
            ``"abs(tau) < m * g * l"`` (syntax: `offctx.contexts.constraints.Constraint`); they hold under extrapolation too.
        discrete: names of coordinates that take whole numbers only, such as a flipped actuator (0 or 1); or a mapping from
            names to the values that they take, such as ``{"action_factor": [-1, 1]}``, where None stands for whole numbers.
            Values must lie within the bounds; one that is not listed is never valid, under extrapolation neither. Nothing
            has a derivative along discrete coordinates, and neither CSE nor local domain randomization moves them.
        splits: named arrays of contexts (K, p). Without them: "train" (the default context alone) and one sweep
            ``"sweep_<name>"`` of nine points for each bounded coordinate.
        kinds: what coordinates change, "dynamics", "reward" or "observation", or several of these (`offctx.contexts.kinds`):
            one for all, p in the order of names, or a mapping such as ``{"g": "dynamics", "goal": ("dynamics", "reward")}``.
            Coordinates may be left out. `check_contextual_env` verifies them; spaces with other kinds are equal.

    Raises:
        ContextError: names, sizes, bounds, default or splits do not fit together.

    Example::

        space = ContextSpace(["gravity", "mass"], [5.0, 0.5], [15.0, 2.0], [9.81, 1.0], ["m/s^2", "kg"])
        contexts = space.sample(np.random.default_rng(0), 100)  # (100, 2)
        inverted = ContextSpace(["mass", "action_factor"], [0.1, -1], [2, 1], [1, 1], discrete={"action_factor": [-1, 1]})
    """

    def __init__(
        self,
        names: Sequence[str],
        low: ArrayLike,
        high: ArrayLike,
        default: ArrayLike,
        units: Sequence[str] | None = None,
        *,
        constraints: Sequence[str] = (),
        discrete: Sequence[str] | Mapping[str, ArrayLike | None] = (),
        splits: Mapping[str, ArrayLike] | None = None,
        kinds: DeclaredKinds = (),
    ) -> None:
        self.names = checking.checked_names(names)
        p = len(self.names)
        self.units = tuple(units) if units is not None else ("",) * p
        if len(self.units) != p:
            raise ContextError(f"expected {p} units, one for each of {list(self.names)}; found {len(self.units)}")
        super().__init__(*checking.checked_bounds(low, high, p), dtype=np.float64)
        self.inequalities = tuple(Constraint(text, self.names) for text in constraints)
        self.listed = discrete_values.listed_values(discrete)
        for name in discrete:
            self.index(name)
        self.discrete = tuple(name for name in self.names if name in discrete)
        discrete_values.refuse_values_beyond_bounds(self)
        self.continuous: NDArray[np.bool_] = np.array([name not in self.discrete for name in self.names])
        self.continuous.flags.writeable = False
        self.default: Contexts = self.check(default)
        self.default.flags.writeable = False
        self._splits = self._read_only(splits or {})
        self._kinds = checked_kinds(kinds, self.names)

    @property
    def size(self) -> int:
        """The number of coordinates, p."""
        return len(self.names)

    @property
    def constraints(self) -> tuple[str, ...]:
        """The inequalities that a context must satisfy in addition to its bounds, as text."""
        return tuple(inequality.text for inequality in self.inequalities)

    @property
    def kinds(self) -> dict[str, Kinds]:
        """What each coordinate is declared to change, such as ("dynamics", "reward"); () where nothing is declared."""
        return dict(self._kinds)

    @property
    def splits(self) -> dict[str, Contexts]:
        """Named sets of contexts, each (K, p) and read-only."""
        return dict(self._splits) if self._splits else self._read_only(default_splits(self))

    def _read_only(self, splits: Mapping[str, ArrayLike]) -> dict[str, Contexts]:
        checked = {str(name): self.check_many(contexts) for name, contexts in splits.items()}
        for contexts in checked.values():
            contexts.flags.writeable = False
        return checked

    def index(self, name: str) -> int:
        """The place of a coordinate in the context vector. Raises ContextError for an unknown name."""
        if name not in self.names:
            raise ContextError(f"unknown context name {name!r}; this space has {list(self.names)}")
        return self.names.index(name)

    def values(self, name: str) -> Contexts:
        """All values of a discrete coordinate within its bounds.

        Args:
            name: the coordinate.

        Returns:
            (V,), in order.

        Raises:
            ContextError: unknown name, a continuous coordinate, or whole numbers without finite bounds.
        """
        return discrete_values.values_of(self, name)

    def half_widths(self, otherwise: ArrayLike | None = None) -> Contexts:
        """The scale (p,) of each coordinate, in its units: half the width of its bounds, (high - low) / 2.

        Args:
            otherwise: the scale of coordinates without finite bounds, or with bounds of width 0: one number, or one per
                coordinate. Where not given, the size of the default context, or 1 where that is 0.

        Returns:
            (p,), discrete coordinates included; multiply by `continuous` to leave those out.
        """
        if otherwise is None:
            otherwise = np.where(self.default == 0, 1.0, np.abs(self.default))
        half = (self.high - self.low) / 2
        return np.where(np.isfinite(half) & (half > 0), half, otherwise)

    def valid(self, contexts: ArrayLike, *, extrapolate: bool = False) -> NDArray[np.bool_]:
        """Which contexts are finite, take the values of discrete coordinates, are within the bounds, and keep the constraints.

        Args:
            contexts: (N, p), in the coordinates' units.
            extrapolate: whether contexts may leave the bounds.

        Returns:
            booleans (N,).
        """
        return checking.valid_rows(self, np.asarray(contexts, dtype=np.float64), extrapolate)

    def contains(self, x: Any) -> bool:
        """Whether `check` accepts `x` (p,)."""
        try:
            self.check(x)
        except ContextError:
            return False
        return True

    def check(self, context: ArrayLike | Mapping[str, float], *, extrapolate: bool = False) -> Contexts:
        """One valid context as a fresh float64 array.

        Args:
            context: (p,); or a mapping from names to values, where other coordinates take their default.
            extrapolate: whether the context may leave the bounds.

        Returns:
            (p,).

        Raises:
            ContextError: wrong size, unknown name or invalid context; the message says which rule is broken.
        """
        if isinstance(context, Mapping):
            context = checking.row_from_names(self, context)
        row = checking.vector(context, self.size, "context", broadcast=False, names=self.names)
        checking.refuse_invalid(self, row[None], extrapolate)
        exact: Contexts = discrete_values.with_exact_values(self, row[None])[0]
        return exact

    def check_many(self, contexts: ArrayLike | Mapping[str, float], *, extrapolate: bool = False) -> Contexts:
        """Valid contexts as a fresh float64 array.

        Args:
            contexts: (K, p), K >= 1; one context (p,); a list of numbers where p is 1; or mappings as `check` takes them.
            extrapolate: whether contexts may leave the bounds.

        Returns:
            (K, p).

        Raises:
            ContextError: wrong shape, or an invalid context; the message names the first one and the rule that it breaks.
        """
        if isinstance(contexts, Mapping):
            return self.check(contexts, extrapolate=extrapolate)[None]
        if isinstance(contexts, Sequence) and any(isinstance(context, Mapping) for context in contexts):
            return np.stack([self.check(context, extrapolate=extrapolate) for context in contexts])
        rows = checking.rows_from_numbers(self, contexts)
        checking.refuse_invalid(self, rows, extrapolate)
        return discrete_values.with_exact_values(self, rows)

    def describe(self, context: ArrayLike) -> str:
        """A context (p,) as text: ``(g=2, m=1)``."""
        row = np.asarray(context, dtype=np.float64)
        return "(" + ", ".join(f"{name}={value:g}" for name, value in zip(self.names, row, strict=True)) + ")"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data from which `from_dict` makes an equal space. Infinite bounds become None."""
        return serialization.space_to_dict(self, self._splits)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "ContextSpace":
        """The space that `to_dict` described.

        Args:
            data: as `to_dict` returns it.

        Raises:
            ContextError: a part is missing or has the wrong type, or the parts do not fit together.
        """
        return cls(**serialization.arguments_from_dict(data))

    def __repr__(self) -> str:
        parts = []
        for name, unit, low, high in zip(self.names, self.units, self.low, self.high, strict=True):
            values = f"{{{low:g}..{high:g}}}" if name in self.discrete else f"[{low:g}, {high:g}]"
            values = discrete_values.text(self.listed[name]) if name in self.listed else values
            parts.append(f"{name} in {values}{f' {unit}' if unit else ''}")
        return f"ContextSpace({', '.join([*parts, *self.constraints])}; default {self.default.tolist()})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ContextSpace):
            return False
        ours, theirs = (space.to_dict() | {"kinds": {}} for space in (self, other))  # kinds describe, they do not decide
        return ours == theirs

    def __hash__(self) -> int:
        return hash((self.names, self.units, self.constraints, self.discrete))
