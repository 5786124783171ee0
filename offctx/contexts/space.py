"""Context spaces: named real vectors with units, bounds, a default, valid combinations and splits.

K contexts of p coordinates are an array (K, p); the order of coordinates is the order of names, everywhere.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from offctx.contexts.constraints import Constraint
from offctx.contexts.redraw import redraw_until_valid
from offctx.errors import ContextError

Contexts = NDArray[np.float64]
_MAX_DRAWS = 1000


class ContextSpace(spaces.Box):
    """The contexts of a family of environments: a `gymnasium.spaces.Box` whose coordinates have names and units.

    Args:
        names: p distinct Python identifiers.
        low: lower bounds (p,) or one number for all.
        high: upper bounds (p,) or one number for all.
        default: the base context c0 (p,).
        units: p unit texts, "" for a dimensionless coordinate.
        constraints: inequalities between coordinates that every context must satisfy, such as
            ``"abs(tau) < m * g * l"`` (see `offctx.contexts.constraints.Constraint`); they hold under extrapolation too.
        discrete: names of coordinates that only take whole numbers, such as a flipped actuator (0 or 1). Nothing has a
            derivative along them, and neither CSE nor LDR moves them.
        splits: named arrays of contexts (K, p). Without them: "train" (the default context alone) and one sweep
            ``"sweep_<name>"`` of nine points for each bounded coordinate.

    Raises:
        ContextError: names, sizes, bounds, default or splits do not fit together.
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
        discrete: Sequence[str] = (),
        splits: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        self.names = tuple(names)
        p = len(self.names)
        if p == 0 or len(set(self.names)) != p or not all(str(name).isidentifier() for name in self.names):
            raise ContextError(f"context names must be distinct identifiers, at least one; found {list(self.names)}")
        self.units = tuple(units) if units is not None else ("",) * p
        if len(self.units) != p:
            raise ContextError(f"expected {p} units, one for each of {list(self.names)}; found {len(self.units)}")
        bounds = [_vector(value, p, what) for value, what in ((low, "low"), (high, "high"))]
        if np.isnan(bounds).any() or not (bounds[0] <= bounds[1]).all():
            raise ContextError(f"expected low <= high in every coordinate; found low {bounds[0]}, high {bounds[1]}")
        super().__init__(bounds[0], bounds[1], dtype=np.float64)
        self._constraints = tuple(Constraint(text, self.names) for text in constraints)
        for name in discrete:
            self._index(name)
        self.discrete = tuple(name for name in self.names if name in discrete)
        self.continuous: NDArray[np.bool_] = np.array([name not in self.discrete for name in self.names])
        self.continuous.flags.writeable = False
        self.default: Contexts = self.check(default)
        self.default.flags.writeable = False
        self._splits = {str(name): self._frozen(contexts) for name, contexts in (splits or {}).items()}

    @property
    def size(self) -> int:
        """The number of coordinates, p."""
        return len(self.names)

    @property
    def constraints(self) -> tuple[str, ...]:
        """The inequalities that a context must satisfy beside its bounds."""
        return tuple(constraint.text for constraint in self._constraints)

    @property
    def splits(self) -> dict[str, Contexts]:
        """Named sets of contexts, each (K, p) and read-only."""
        if self._splits:
            return dict(self._splits)
        bounded = [n for n, lo, hi in zip(self.names, self.low, self.high, strict=True) if np.isfinite(hi - lo)]
        sweeps = {f"sweep_{name}": self._frozen(self.sweep(name)) for name in bounded}
        return {"train": self._frozen(self.default[None]), **sweeps}

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

    # --- the door: what is a valid context ---------------------------------------------------------------------------

    def valid(self, contexts: ArrayLike, *, extrapolate: bool = False) -> NDArray[np.bool_]:
        """Which contexts (N, p) are finite, whole where discrete, in bounds (unless `extrapolate`) and keep the constraints."""
        rows = np.asarray(contexts, dtype=np.float64)
        good: NDArray[np.bool_] = np.asarray(np.isfinite(rows).all(axis=1))
        whole = rows[:, ~self.continuous]
        good &= (whole == np.floor(whole)).all(axis=1)
        if not extrapolate:
            good &= ((rows >= self.low) & (rows <= self.high)).all(axis=1)
        for constraint in self._constraints:
            good &= constraint.holds(rows)
        return good

    def contains(self, x: Any) -> bool:
        """Whether `check` admits it: finite, within bounds, a valid combination."""
        try:
            self.check(x)
        except ContextError:
            return False
        return True

    def check(self, context: ArrayLike | Mapping[str, float], *, extrapolate: bool = False) -> Contexts:
        """One context as a fresh float64 array (p,), or an error that says what is wrong with it.

        A mapping from names to values is filled up with the default's coordinates.
        """
        if isinstance(context, Mapping):
            context = self._from_names(context)
        row = _vector(context, self.size, "context", broadcast=False, names=self.names)
        self._explain(row[None], extrapolate)
        return row

    def check_many(self, contexts: ArrayLike | Mapping[str, float], *, extrapolate: bool = False) -> Contexts:
        """Contexts as a fresh float64 array (K, p), K >= 1; a single context, or a list of numbers for p = 1, will do."""
        if isinstance(contexts, Mapping):
            return self.check(contexts, extrapolate=extrapolate)[None]
        if isinstance(contexts, Sequence) and any(isinstance(context, Mapping) for context in contexts):
            return np.stack([self.check(context, extrapolate=extrapolate) for context in contexts])
        try:
            rows = np.array(contexts, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ContextError(f"contexts must be numbers (K, {self.size}) for {list(self.names)}: {error}") from error
        if rows.ndim == 1:
            rows = rows[:, None] if self.size == 1 else rows[None]
        if rows.ndim != 2 or rows.shape[1] != self.size or len(rows) == 0:
            raise ContextError(
                f"expected contexts of shape (K, {self.size}) with K >= 1, coordinates {list(self.names)}; "
                f"found shape {np.shape(contexts)}"
            )
        self._explain(rows, extrapolate)
        return rows

    def _from_names(self, values: Mapping[str, float]) -> Contexts:
        row = self.default.copy()
        for name, value in values.items():
            row[self._index(name)] = _vector(value, 1, f"context coordinate {name}")[0]
        return row

    def _index(self, name: str) -> int:
        if name not in self.names:
            raise ContextError(f"unknown context name {name!r}; this space has {list(self.names)}")
        return self.names.index(name)

    def _explain(self, rows: Contexts, extrapolate: bool) -> None:
        bad = np.flatnonzero(~self.valid(rows, extrapolate=extrapolate))
        if len(bad) == 0:
            return
        row = rows[bad[0]]
        where = f"context {self.describe(row)}" + (f" (row {bad[0]} of {len(rows)})" if len(rows) > 1 else "")
        if not np.isfinite(row).all():
            raise ContextError(f"{where} is not finite; expected numbers for {list(self.names)}")
        for k, name in enumerate(self.names):
            if name in self.discrete and row[k] != np.floor(row[k]):
                raise ContextError(f"{where}: {name} is discrete and takes whole numbers only")
            if not extrapolate and not self.low[k] <= row[k] <= self.high[k]:
                raise ContextError(
                    f"{where} is out of bounds: {name} must lie in [{self.low[k]:g}, {self.high[k]:g}]; to leave the bounds "
                    f"on purpose, ask for extrapolate (an option of reset, an argument of collect and evaluate)"
                )
        broken = next(c.text for c in self._constraints if not c.holds(row[None])[0])
        raise ContextError(f"{where} is not a valid combination: it must satisfy {broken}")

    # --- making contexts ---------------------------------------------------------------------------------------------

    def sample(self, rng: np.random.Generator, n: int | None = None) -> Contexts:  # type: ignore[override]  # rng is required here
        """Uniform valid contexts within the bounds: (p,), or (n, p) where `n` is given."""
        if not np.isfinite(self.high - self.low).all():
            raise ContextError("uniform sampling needs finite bounds in every coordinate")
        rows = self._rejection(1 if n is None else n, lambda k: self._uniform(rng, self.low, self.high, k))
        return rows[0] if n is None else rows

    def _uniform(self, rng: np.random.Generator, low: Contexts, high: Contexts, n: int) -> Contexts:
        """n uniform draws in the box low..high (n, p): of real numbers, or of whole ones where discrete."""
        rows = rng.uniform(low, high, size=(n, self.size))
        whole = ~self.continuous
        if whole.any():
            least, most = np.ceil(low[whole]), np.floor(high[whole])
            rows[:, whole] = least + np.floor(rng.random((n, int(whole.sum()))) * np.maximum(most - least + 1, 0))
        return rows

    def local(self, n: int, radius: ArrayLike, rng: np.random.Generator, *, base: ArrayLike | None = None) -> Contexts:
        """Local domain randomization (LDR): n valid draws of base + radius * N(0, I), (n, p).

        Source: arXiv 2507.07348, the upper bound that CSE is compared with. Draws outside the space are drawn again;
        discrete coordinates stay at the base.

        Args:
            n: how many contexts.
            radius: standard deviation, one number or one per coordinate, in the coordinates' units.
            rng: source of randomness.
            base: centre (p,); the default context where not given.
        """
        centre = self.default if base is None else self.check(base)
        scale = _vector(radius, self.size, "radius")
        if not np.isfinite(scale).all() or (scale < 0).any():
            raise ContextError(f"radius must be finite and not negative; found {radius!r}")
        scale = np.where(self.continuous, scale, 0.0)
        return self._rejection(n, lambda k: centre + scale * rng.standard_normal((k, self.size)))

    def mesh(self, **values: ArrayLike) -> Contexts:
        """The product of the given coordinate values, the other coordinates at the default: (K, p), last name fastest.

        Example: ``space.mesh(g=[1, 2], tau=[-0.5, 0, 0.5])`` are six contexts. Invalid combinations are refused.
        """
        for name in values:
            self._index(name)
        axes = [np.atleast_1d(np.asarray(values.get(n, self.default[k]))) for k, n in enumerate(self.names)]
        return self.check_many(np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=1))

    def sweep(self, name: str, values: int | ArrayLike = 9, *, base: ArrayLike | None = None) -> Contexts:
        """Contexts (K, p) along one coordinate, the others at `base` (the default context where not given).

        Args:
            name: the coordinate.
            values: its values; or how many equidistant ones over its bounds, of which the valid ones are kept (of a discrete
                coordinate, the nearest whole numbers, each once).
            base: the context to vary.
        """
        k = self._index(name)
        count = isinstance(values, (int, np.integer))
        if count and not np.isfinite(self.high[k] - self.low[k]):
            raise ContextError(f"a sweep of {name} by count needs finite bounds; give its values instead")
        line = np.linspace(self.low[k], self.high[k], int(values)) if count else np.asarray(values, dtype=np.float64)  # type: ignore[arg-type]  # count says which
        if count and name in self.discrete:
            line = np.unique(np.round(line))
        rows = np.tile(self.default if base is None else self.check(base), (line.size, 1))
        rows[:, k] = line
        return self.check_many(rows[self.valid(rows)] if count else rows)

    def hold_out(self, low: ArrayLike, high: ArrayLike, n: int, rng: np.random.Generator) -> dict[str, Contexts]:
        """Random splits "train", "in" (both in the box low..high) and "out" (in bounds, outside the box), n rows each."""
        box = [_vector(value, self.size, what) for value, what in ((low, "low"), (high, "high"))]
        if not ((self.low <= box[0]) & (box[0] <= box[1]) & (box[1] <= self.high)).all():
            raise ContextError(f"expected {self.low} <= low <= high <= {self.high}; found low {box[0]}, high {box[1]}")

        def inside(k: int) -> Contexts:
            return self._uniform(rng, box[0], box[1], k)

        def outside(k: int) -> Contexts:
            rows = self._uniform(rng, self.low, self.high, k)
            return rows[((rows < box[0]) | (rows > box[1])).any(axis=1)]

        return {
            "train": self._rejection(n, inside),
            "in": self._rejection(n, inside),
            "out": self._rejection(n, outside),
        }

    def _rejection(self, n: int, draw: Any) -> Contexts:
        """The first n valid rows of repeated batches of `draw(n)`."""
        if n < 1:
            raise ContextError(f"expected at least one context to draw; found {n}")

        def propose(missing: NDArray[np.intp], attempt: int) -> tuple[Contexts, NDArray[np.bool_]]:
            batch = draw(n)
            batch = batch[self.valid(batch)][: len(missing)]
            rows = np.empty((len(missing), self.size))
            rows[: len(batch)] = batch
            return rows, np.arange(len(missing)) < len(batch)

        rows, missing = redraw_until_valid(propose, n, _MAX_DRAWS)
        if len(missing):
            raise ContextError(f"hardly any draw is a valid context of {self}; ask for what lies more within it")
        return rows

    # --- saying and storing them -------------------------------------------------------------------------------------

    def describe(self, context: ArrayLike) -> str:
        """A context for people: ``(g=2, m=1)``."""
        row = np.asarray(context, dtype=np.float64)
        return "(" + ", ".join(f"{name}={value:g}" for name, value in zip(self.names, row, strict=True)) + ")"

    def _frozen(self, contexts: ArrayLike) -> Contexts:
        rows = self.check_many(contexts)
        rows.flags.writeable = False
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data from which `from_dict` makes an equal space. Infinite bounds become None."""

        def numbers(row: NDArray[np.floating]) -> list[float | None]:
            return [float(v) if np.isfinite(v) else None for v in row]

        return {
            "names": list(self.names),
            "units": list(self.units),
            "low": numbers(self.low),
            "high": numbers(self.high),
            "default": numbers(self.default),
            "constraints": list(self.constraints),
            "discrete": list(self.discrete),
            "splits": {name: rows.tolist() for name, rows in self._splits.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "ContextSpace":
        """The space that `to_dict` described. Raises ContextError where the data describe none."""
        try:
            low = [-np.inf if v is None else float(v) for v in data["low"]]
            high = [np.inf if v is None else float(v) for v in data["high"]]
            texts = {key: [str(v) for v in data[key]] for key in ("names", "units", "constraints")}
            discrete = [str(v) for v in data.get("discrete", [])]  # layout 1 as first written has none
            splits = dict(data["splits"])
            default = list(data["default"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ContextError(f"not the description of a context space: {type(error).__name__} {error}") from error
        return cls(
            texts["names"], low, high, default, texts["units"],
            constraints=texts["constraints"], discrete=discrete, splits=splits,
        )  # fmt: skip

    def __repr__(self) -> str:
        parts = []
        for name, unit, low, high in zip(self.names, self.units, self.low, self.high, strict=True):
            values = f"{{{low:g}..{high:g}}}" if name in self.discrete else f"[{low:g}, {high:g}]"
            parts.append(f"{name} in {values}{f' {unit}' if unit else ''}")
        return f"ContextSpace({', '.join([*parts, *self.constraints])}; default {self.default.tolist()})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ContextSpace) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.names, self.units, self.constraints, self.discrete))


def _vector(
    value: Any, p: int, what: str, *, broadcast: bool = True, names: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """`value` as a fresh float64 vector (p,); one number serves all coordinates where `broadcast`."""
    try:
        row = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ContextError(f"{what} must be {p} numbers; found {value!r}") from error
    if row.ndim == 0 and (broadcast or p == 1):
        row = np.full(p, row)
    if row.shape != (p,):
        coordinates = f", coordinates {list(names)}" if names else ""
        raise ContextError(f"{what} must have {p} numbers{coordinates}; found shape {row.shape}")
    return row
