"""How far contexts may be moved: the error of the first-order expansion against exact simulation, as the radius grows.

Source of the expansion and of the order of its error: arXiv 2507.07348 (theorem 2: the error is O(|dc|^2)).

A radius rho is measured in half-widths of the context's bounds: dc = rho * w * u with |u| = 1, w_k = (high_k - low_k) / 2, so
that one number serves coordinates of different size and unit, and rho = 1 goes from the middle of the bounds to a bound.
An unbounded coordinate has w_k = |default_k|, or 1 where that is 0; a discrete one w_k = 0: it is not moved.

A radius is judged by the relative error of next observations, and by that of rewards less their mean in a context: what a
context adds to all rewards alike changes no preference between actions (but for episodes that end early), and near an optimum
it is all that is left. CartGoal at goal 0: r = 2 - sqrt(1 + (x - goal)^2) has derivative 0 along the goal at x = 0, so that
first order misses the whole of the effect there, -goal^2 / 2, while which x is better it gets right.

Dimensions: N transitions drawn, G groups of them that share a perturbation, R radii, o observation, p context.
"""

import io
import json
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offctx.checks import whole_number
from offctx.contexts.redraw import redraw_until_valid
from offctx.contexts.space import Contexts, ContextSpace
from offctx.data.shipped_envs import shipped_env_id
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.resolve import EnvLike, resolve
from offctx.errors import ContextError, DatasetError, EnvError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from offctx.data.dataset import ContextualDataset

TOLERANCE = 0.2
QUANTILES = (0.5, 0.9, 0.99)
_RADII, _DECADES = 17, 2.5  # of the default grid: how many, over how many powers of ten
_WIDEST = 2.0  # half-widths: from one bound to the other
_REDRAWS = 20
_GROUP = 16  # transitions moved to one context
_SAME = 1e-2  # of the spread: how close a simulation must come to what the dataset recorded
_ABOVE_ROUNDING = 30.0
_SMALL = 0.1  # relative error up to which the quadratic term rules, so that the slope is read off below it
_PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito's
_INK, _GREY, _LINE = "#222222", "#666666", "#D9D9D9"


@dataclass(frozen=True, eq=False)
class RadiusReport:
    """The first-order error along a dataset; see `radius_report`, which makes one. Arrays are read-only.

    Errors and effects are in units of the spread (standard deviation) of next observations and of rewards along the data,
    the former root mean square over the observation's coordinates.

    Attributes:
        dataset_id: of the data.
        environment: that simulated the exact transitions.
        names: of the context's coordinates.
        units: theirs.
        scale: half-widths w (p,), in those units.
        samples: transitions drawn, N.
        tolerance: the largest relative error that a suggested radius may have.
        radii: (R,) in half-widths.
        rows: (R,) how many of the transitions have a valid context at that distance; the rest is left out.
        observation_error: (R,) root mean square.
        reward_error: (R,) root mean square.
        observation_quantiles: (R, 3) of the errors of single transitions, at `QUANTILES`.
        reward_quantiles: (R, 3).
        observation_relative: (R,) error over exact effect, each root mean square; 0 where there is no effect.
        reward_relative: (R,).
        preference_relative: (R,) the same of rewards less their mean over transitions that share both contexts.
        relative_error: (R,) the larger of `observation_relative` and `preference_relative`.
        coordinate_relative: (R, p) the same where one coordinate alone is moved; NaN where it cannot be, or is discrete.
        termination_changes: (R,) share of transitions that end an episode in one context only, which first order ignores.
        observation_slope: of log error against log radius; NaN where the error is but rounding.
        reward_slope: of the reward's.
        suggested: the largest radius, in half-widths, up to which the relative error stays within the tolerance; 0 where
            it is beyond it from the first.
        coordinate_suggested: (p,) the same, one coordinate alone; 0 for discrete ones.
    """

    dataset_id: str
    environment: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    scale: Array
    samples: int
    tolerance: float
    radii: Array
    rows: Array
    observation_error: Array
    reward_error: Array
    observation_quantiles: Array
    reward_quantiles: Array
    observation_relative: Array
    reward_relative: Array
    preference_relative: Array
    relative_error: Array
    coordinate_relative: Array
    termination_changes: Array
    observation_slope: float
    reward_slope: float
    suggested: float
    coordinate_suggested: Array

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    @property
    def radius(self) -> Array:
        """The suggested radius of each coordinate (p,) in its own units, as `CSE` takes it."""
        return self.suggested * self.scale

    @property
    def limit(self) -> str | None:
        """The coordinate that, alone, leaves the tolerance first; None where none does up to the largest radius."""
        moving = np.where(self.scale > 0, self.coordinate_suggested, np.inf)
        k = int(moving.argmin())
        return self.names[k] if np.nan_to_num(self.coordinate_relative[:, k]).max() > self.tolerance else None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; NaN becomes None."""
        found: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        return {key: _plain(value) for key, value in (found | {"radius": self.radius, "limit": self.limit}).items()}

    def render(self) -> str:
        """The report as text: a table over radii, then one over coordinates."""
        return "\n".join(
            [
                f"First-order error along {self.dataset_id} ({self.samples} transitions), against {self.environment} simulated",
                "Radii in half-widths of the context's bounds; errors in units of the spread along the data.",
                "",
                *_table(_RADIUS_HEAD, self._radius_rows()),
                "",
                *_table(_COORDINATE_HEAD, self._coordinate_rows()),
                "",
                *self._conclusion(),
            ]
        )

    def to_markdown(self) -> str:
        """The same for a page."""
        return "\n".join(
            [
                f"# First-order error along `{self.dataset_id}`",
                "",
                f"{self.samples} transitions, against `{self.environment}` simulated in the moved context. Radii in half-"
                f"widths of the context's bounds; errors in units of the spread along the data.",
                "",
                *_pipes(_RADIUS_HEAD, self._radius_rows()),
                "",
                *_pipes(_COORDINATE_HEAD, self._coordinate_rows()),
                "",
                "![errors](radius.png)",
                "",
                *self._conclusion(),
                "",
            ]
        )

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write radius.md, radius.png and radius.json into `folder`; returns it. Other files there are left alone."""
        target = Path(folder)
        if target.exists() and not target.is_dir():
            raise DatasetError(f"expected a folder to write the report into, found a file: {target}")
        target.mkdir(parents=True, exist_ok=True)
        data = json.dumps(self.to_dict(), allow_nan=False, indent=1).encode()
        picture = io.BytesIO()
        self.plot().savefig(picture, format="png", dpi=120)
        for name, content in (
            ("radius.md", self.to_markdown().encode()),
            ("radius.png", picture.getvalue()),
            ("radius.json", data),
        ):
            aside = target / f".{name}.{os.getpid()}"
            aside.write_bytes(content)
            aside.replace(target / name)
        return target

    def plot(self) -> "Figure":
        """Errors against the radius, log-log, and relative errors of single coordinates with the tolerance."""
        return _plot(self)

    def _radius_rows(self) -> list[list[str]]:
        columns = (
            self.radii, self.observation_error, self.observation_quantiles[:, 0], self.observation_quantiles[:, 2],
            self.observation_relative, self.reward_error, self.reward_relative, self.preference_relative,
            self.termination_changes,
        )  # fmt: skip
        return [[f"{v:.3g}" for v in row] + [str(n)] for *row, n in zip(*columns, self.rows, strict=True)]

    def _coordinate_rows(self) -> list[list[str]]:
        rows = []
        for name, unit, scale, alone, joint in zip(
            self.names, self.units, self.scale, self.coordinate_suggested, self.radius, strict=True
        ):
            rest = [f"{v:.3g}" for v in (scale, alone, alone * scale, joint)] if scale > 0 else ["-", "-", "-", "0"]
            rows.append([name, unit or "-", *rest])
        return rows

    def _conclusion(self) -> list[str]:
        slopes = [f"{s:.2f}" if np.isfinite(s) else "none" for s in (self.observation_slope, self.reward_slope)]
        until = f"{self.limit} leaves it first" if self.limit else "no coordinate alone leaves it within the space"
        return [
            f"Slope of log error against log radius: next observation {slopes[0]}, reward {slopes[1]} (2 for a smooth task; "
            f"none where the error is but rounding).",
            f"Suggested: {self.suggested:.3g} half-widths, the largest radius where the relative error of next observations "
            f"and of rewards less their mean is at most {self.tolerance:g}; {until}.",
        ]


_RADIUS_HEAD = [
    "radius", "obs error", "median", "99 %", "relative", "reward error", "relative", "less mean", "ends differ", "rows",
]  # fmt: skip
_COORDINATE_HEAD = ["coordinate", "unit", "half-width", "alone", "alone [unit]", "suggested [unit]"]


def radius_report(
    dataset: "ContextualDataset",
    env: EnvLike | None = None,
    *,
    radii: ArrayLike | None = None,
    samples: int = 2000,
    seed: int = 0,
    tolerance: float = TOLERANCE,
) -> RadiusReport:
    """Measure how good the first-order expansion of a dataset's transitions is, and up to which radius it may be used.

    Transitions are drawn from the data, their contexts moved on the sphere of each radius (a direction that leaves the
    bounds is mirrored, one that is still not valid drawn again), and what first order says of next observation and reward
    compared with what the environment says. First order is by the dataset's derivatives, or the environment's where the
    dataset has none.

    The radius is in half-widths w of the bounds, dc = rho w u with |u| = 1, so that one number serves coordinates of
    different size and unit. The result gives it as a vector too: ``CSE(radius=report.radius)``.

    Args:
        dataset: with simulator states, as `offctx.collect` writes them.
        env: the environment of the data, a time limit or none; where not given, the one that the dataset names, if offctx
            ships it.
        radii: (R,) in half-widths, ascending; by default a geometric grid up to the largest for which at least half of the
            transitions have a valid context at that distance.
        samples: how many transitions to draw, all of a smaller dataset.
        seed: of the drawing.
        tolerance: of the relative error, root mean square error over root mean square effect. The default, 0.2, leaves
            0.2^2 = 4 % of the squared effect of the context unexplained. As the error is of second order and the effect of
            first, the relative error grows in proportion to the radius: half the radius, half of it.

    Raises:
        DatasetError: no simulator states, or no environment given and none that offctx ships.
        EnvError: the environment does not reproduce the dataset's transitions.
        ContextError: radii or tolerance that mean nothing, a radius at which no context is valid, nothing to move.
    """
    whole_number(samples, "samples", 1, DatasetError)
    if not (np.isfinite(tolerance) and tolerance > 0):
        raise ContextError(f"expected a tolerance > 0; found {tolerance!r}")
    family = _family(dataset, env)
    rng = np.random.default_rng(whole_number(seed, "seed", 0, DatasetError))
    base = _draw_base(dataset, family, samples, rng)
    space = dataset.context_space
    scale = _scale(space)
    direction = _directions(len(base.group_contexts), scale > 0, rng)
    grid = _grid(radii, space, base.group_contexts, scale, direction)
    together = [_compare(family, base, *_move(space, base.group_contexts, r * scale, direction, rng)) for r in grid]
    for r, found in zip(grid, together, strict=True):
        if found.rows == 0:
            raise ContextError(f"no context is valid at radius {r:g} (half-widths of the bounds) from those of the data")
    signs = np.where(rng.random(len(direction)) < 0.5, -1.0, 1.0)
    alone = np.full((len(grid), space.size), np.nan)
    for k in np.flatnonzero(scale > 0):
        only = np.zeros_like(direction)
        only[:, k] = signs
        for i, r in enumerate(grid):
            found = _compare(family, base, *_move(space, base.group_contexts, r * scale, only, None))
            alone[i, k] = found.judged if found.rows else np.nan
    relative = np.array([found.relative for found in together])
    judged = np.array([found.judged for found in together])
    errors = np.array([found.error for found in together])
    rounding = np.array([found.rounding for found in together])
    return RadiusReport(
        dataset_id=dataset.dataset_id,
        environment=type(family).__name__,
        names=space.names,
        units=space.units,
        scale=scale,
        samples=len(base.contexts),
        tolerance=float(tolerance),
        radii=grid,
        rows=np.array([found.rows for found in together]),
        observation_error=errors[:, 0].copy(),
        reward_error=errors[:, 1].copy(),
        observation_quantiles=np.array([found.quantiles[0] for found in together]),
        reward_quantiles=np.array([found.quantiles[1] for found in together]),
        observation_relative=relative[:, 0].copy(),
        reward_relative=relative[:, 1].copy(),
        preference_relative=relative[:, 2].copy(),
        relative_error=judged,
        coordinate_relative=alone,
        termination_changes=np.array([found.ends for found in together]),
        observation_slope=_slope(grid, errors[:, 0], relative[:, 0], rounding[:, 0]),
        reward_slope=_slope(grid, errors[:, 1], relative[:, 1], rounding[:, 1]),
        suggested=_largest(grid, judged, tolerance),
        coordinate_suggested=np.array([_largest(grid, alone[:, k], tolerance) for k in range(space.size)]),
    )


@dataclass(frozen=True)
class _Base:
    """N transitions at the contexts of the data, as the environment simulates them, and their derivatives; float64.

    Those of a group (N,) have one context (G, p), and are moved to one.
    """

    states: Array
    actions: Array
    contexts: Contexts
    group: Array
    group_contexts: Contexts
    noise: Array | None
    next_observations: Array
    rewards: Array
    terminations: Array
    dnext: Array
    dreward: Array
    spread: Array
    reward_spread: float
    eps: tuple[float, float]  # of observations and of derivatives


@dataclass(frozen=True)
class _Found:
    """At one radius, of next observation and of reward; relative also of the reward less its mean."""

    rows: int
    error: tuple[float, float]
    relative: tuple[float, float, float]
    quantiles: tuple[Array, Array]
    rounding: tuple[float, float]
    ends: float

    @property
    def judged(self) -> float:
        """The relative error that decides."""
        return max(self.relative[0], self.relative[2])


def _family(dataset: "ContextualDataset", env: EnvLike | None) -> ContextualEnv:
    """The environment given; else the one that the dataset names, if it ships with offctx: no other id is made."""
    if env is not None:
        return env if isinstance(env, ContextualEnv) else resolve(env).env
    env_id = shipped_env_id(dataset.metadata)
    if env_id is not None:
        return resolve(env_id).env
    raise DatasetError(f"{dataset.dataset_id} names no environment that ships with offctx: give it, as env= (or exact= of CSE)")


def _draw_base(dataset: "ContextualDataset", env: ContextualEnv, samples: int, rng: np.random.Generator) -> _Base:
    name = dataset.dataset_id
    if dataset.states is None or (env.noise_size and dataset.noise is None):
        missing = "simulator states" if dataset.states is None else "the noise that drove its transitions"
        raise DatasetError(f"a radius report simulates transitions anew, but {name} has not stored {missing}")
    if env.context_space.names != dataset.context_space.names:
        raise EnvError(
            f"{type(env).__name__} has the context {list(env.context_space.names)}; "
            f"{name} has {list(dataset.context_space.names)}"
        )
    drawn = np.sort(rng.permutation(len(dataset))[:samples])
    states, contexts = dataset.states[drawn].astype(np.float64), dataset.contexts[drawn]
    actions = env.admit_actions(dataset.actions[drawn], len(drawn))
    noise = None if dataset.noise is None or not env.noise_size else dataset.noise[drawn]
    next_states, rewards, terminations = env.simulate(states, actions, contexts, noise)
    seen = env.observations(next_states)
    recorded, earned = dataset.next_observations[drawn], dataset.rewards[drawn]
    spread = _spread(dataset.next_observations[drawn].astype(np.float64))
    reward_spread = float(_spread(earned.astype(np.float64)[:, None])[0])
    apart = [_rms((seen - recorded) / spread), _rms((rewards - earned) / reward_spread)]
    if not max(apart) < _SAME:
        raise EnvError(
            f"{type(env).__name__} does not reproduce the transitions of {name}: next observations are off by "
            f"{apart[0]:.2g} of their spread, rewards by {apart[1]:.2g}; is it the environment that the data are of?"
        )
    if dataset.dnext_observation_dcontext is not None and dataset.dreward_dcontext is not None:
        dnext, dreward = dataset.dnext_observation_dcontext[drawn], dataset.dreward_dcontext[drawn]
    else:
        dnext, dreward = env.derivatives(states, actions, contexts, noise)
    eps = (float(np.finfo(seen.dtype).eps), float(max(np.finfo(d.dtype).eps for d in (dnext, dreward))))
    return _Base(
        states, actions, contexts, *_groups(contexts), noise, seen.astype(np.float64), rewards, terminations,
        dnext.astype(np.float64), dreward.astype(np.float64), spread, reward_spread, eps,
    )  # fmt: skip


def _compare(env: ContextualEnv, base: _Base, moved: Contexts, valid: Array) -> _Found:
    """First order against exact, with the groups in the contexts `moved` (G, p), those that are `valid` (G,)."""
    rows = np.flatnonzero(valid[base.group])
    if len(rows) == 0:
        nothing = np.full(len(QUANTILES), np.nan)
        return _Found(0, (np.nan, np.nan), (np.nan, np.nan, np.nan), (nothing, nothing), (np.nan, np.nan), np.nan)
    group, noise = base.group[rows], None if base.noise is None else base.noise[rows]
    contexts = moved[group]
    next_states, rewards, terminations = env.simulate(base.states[rows], base.actions[rows], contexts, noise)
    observations = env.observations(next_states).astype(np.float64)
    dc = contexts - base.contexts[rows]
    scale = base.spread * np.sqrt(observations.shape[1])
    seen = (observations - base.next_observations[rows]) / scale
    seen_error = seen - np.einsum("nop,np->no", base.dnext[rows], dc) / scale
    earned = (rewards - base.rewards[rows]) / base.reward_spread
    earned_error = earned - (base.dreward[rows] * dc).sum(axis=1) / base.reward_spread
    pairs = [
        (np.linalg.norm(seen_error, axis=1), np.linalg.norm(seen, axis=1)),
        (np.abs(earned_error), np.abs(earned)),
        (_centred(earned_error, group), _centred(earned, group)),
    ]
    errors, effects = zip(*((_rms(error), _rms(effect)) for error, effect in pairs), strict=True)
    # What is left of numbers of that level when they are subtracted, and of derivatives when they are multiplied.
    levels = _rms(np.linalg.norm(observations / scale, axis=1)), _rms(rewards / base.reward_spread)
    own = base.eps[0], float(np.finfo(np.float64).eps)
    low = [2 * (e * level + base.eps[1] * effect) for e, level, effect in zip(own, levels, effects[:2], strict=True)]
    relative = [
        error / effect if error > floor and effect > 0 else 0.0
        for error, effect, floor in zip(errors, effects, (*low, low[1]), strict=True)
    ]
    return _Found(
        rows=len(rows),
        error=(errors[0], errors[1]),
        relative=(relative[0], relative[1], relative[2]),
        quantiles=(np.quantile(pairs[0][0], QUANTILES), np.quantile(pairs[1][0], QUANTILES)),
        rounding=(low[0], low[1]),
        ends=float((terminations != base.terminations[rows]).mean()),
    )


def _groups(contexts: Contexts) -> tuple[Array, Contexts]:
    """The group (N,) of each transition, some _GROUP of one context in each, and the groups' contexts (G, p)."""
    unique, which, counts = np.unique(contexts, axis=0, return_inverse=True, return_counts=True)
    which = np.ravel(which)
    pieces = np.maximum(counts // _GROUP, 1)  # of each context
    order = np.argsort(which, kind="stable")
    nth = np.empty(len(contexts), dtype=np.int64)  # among the transitions of its context
    nth[order] = np.arange(len(contexts)) - np.repeat(np.cumsum(counts) - counts, counts)
    return (np.cumsum(pieces) - pieces)[which] + nth % pieces[which], np.repeat(unique, pieces, axis=0)


def _centred(values: Array, group: Array) -> Array:
    """Values (n,) less their mean in the group; as they are where groups are mostly of one."""
    counts = np.bincount(group)
    if counts.max() == 1 or (counts[group] == 1).mean() > 0.5:
        return values
    means = np.bincount(group, weights=values) / np.maximum(counts, 1)
    return np.asarray(values - means[group])


def _spread(values: Array) -> Array:
    """Standard deviation of each column, or 1 where it is constant."""
    found = values.std(axis=0)
    level = np.abs(values).max(axis=0)
    return np.where(found > 1e-6 * level, found, 1.0)


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _scale(space: ContextSpace) -> Array:
    """Half-widths (p,), see the module."""
    scale = np.where(space.continuous & (space.high > space.low), space.half_widths(), 0.0)
    if not scale.any():
        raise ContextError(f"no coordinate of the context can be moved a little: {space}")
    return np.asarray(scale)


def _directions(n: int, moving: Array, rng: np.random.Generator) -> Array:
    """n uniform unit vectors (n, p) in the coordinates that are moving."""
    found = np.where(moving, rng.standard_normal((n, len(moving))), 0.0)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def _move(
    space: ContextSpace, base: Contexts, radius: Array, direction: Array, rng: np.random.Generator | None
) -> tuple[Contexts, Array]:
    """Contexts (N, p) moved by radius * direction, mirrored and (with a generator) drawn again; and which are valid (N,)."""

    def propose(missing: NDArray[np.intp], attempt: int) -> tuple[Contexts, NDArray[np.bool_]]:
        directions = direction if attempt == 0 or rng is None else _directions(len(missing), radius > 0, rng)
        moved = _mirrored(space, base[missing], radius * directions)
        return moved, space.valid(moved)

    moved, invalid = redraw_until_valid(propose, len(base), 1 + _REDRAWS if rng is not None else 1)
    valid = np.ones(len(base), dtype=bool)
    valid[invalid] = False
    return moved, valid


def _mirrored(space: ContextSpace, base: Contexts, dc: Array) -> Contexts:
    """base + dc, or base - dc in the coordinates that would leave the bounds."""
    moved = base + dc
    return np.asarray(np.where((moved < space.low) | (moved > space.high), base - dc, moved))


def _grid(radii: ArrayLike | None, space: ContextSpace, base: Contexts, scale: Array, direction: Array) -> Array:
    if radii is not None:
        found = np.array(radii, dtype=np.float64)
        if found.ndim != 1 or len(found) == 0 or not np.isfinite(found).all() or not (np.diff([0.0, *found]) > 0).all():
            raise ContextError(f"radii must be ascending numbers > 0, in half-widths of the bounds; found {radii!r}")
        return found
    rng = np.random.default_rng(0)  # only to see how far one can go
    for top in np.geomspace(_WIDEST, _WIDEST / 1000, 61):
        if _move(space, base, top * scale, direction, rng)[1].mean() >= 0.5:
            return np.geomspace(top / 10**_DECADES, top, _RADII)
    raise ContextError("hardly any context of the data has valid ones near it; are the data's contexts within the space?")


def _slope(radii: Array, error: Array, relative: Array, rounding: Array) -> float:
    """Of log error against log radius, where the error is well above rounding and well below the effect; else NaN."""
    use = (error > _ABOVE_ROUNDING * rounding) & (relative < _SMALL)
    if use.sum() < 3:
        use = error > _ABOVE_ROUNDING * rounding
        use &= np.cumsum(use) <= 3  # the three smallest
    if use.sum() < 3:
        return float("nan")
    return float(np.polyfit(np.log(radii[use]), np.log(error[use]), 1)[0])


def _largest(radii: Array, relative: Array, tolerance: float) -> float:
    """The largest radius up to which the relative error stays within the tolerance, linear in between; 0 if none."""
    known = np.isfinite(relative)
    if not known.any():
        return 0.0
    radii, relative = radii[known], relative[known]
    beyond = np.flatnonzero(relative > tolerance)
    if len(beyond) == 0:
        return float(radii[-1])
    i = int(beyond[0])
    if i == 0:
        return 0.0
    share = (tolerance - relative[i - 1]) / (relative[i] - relative[i - 1])
    return float(radii[i - 1] + share * (radii[i] - radii[i - 1]))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(v) for v in value.tolist()]
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]


def _pipes(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _plot(report: RadiusReport) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.2), dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(_LINE)
        axes.tick_params(colors=_GREY, labelsize=9)
        axes.grid(True, color=_LINE, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.set_xlabel("radius [half-widths of the bounds]", color=_INK)
        if report.suggested > 0:
            axes.axvline(report.suggested, color=_GREY, linestyle=(0, (4, 3)), linewidth=1.3, label="suggested")
    radii = report.radii
    for color, name, error, quantiles, slope in (
        (_PALETTE[0], "next observation", report.observation_error, report.observation_quantiles, report.observation_slope),
        (_PALETTE[1], "reward", report.reward_error, report.reward_quantiles, report.reward_slope),
    ):
        label = name + (f" (slope {slope:.2f})" if np.isfinite(slope) else "")
        shown = np.where(error > 0, error, np.nan)  # a logarithmic axis has no 0
        left.plot(radii, shown, color=color, linewidth=2, marker="o", markersize=4, label=label)
        low, high = (np.where(q > 0, q, np.nan) for q in (quantiles[:, 0], quantiles[:, 2]))
        left.fill_between(radii, low, high, color=color, alpha=0.15, linewidth=0)
    left.set_yscale("log")
    left.set_ylabel("first-order error [spread of the data]", color=_INK)
    right.plot(radii, report.relative_error, color=_INK, linewidth=2, label="all together")
    for k in np.flatnonzero(report.scale > 0):
        color = _PALETTE[k % len(_PALETTE)]
        right.plot(
            radii, report.coordinate_relative[:, k], color=color, linewidth=1.4, label=report.names[k].replace("$", r"\$")
        )
    right.axhline(report.tolerance, color=_GREY, linewidth=1)
    right.set_ylim(0, max(2.5 * report.tolerance, 0.1))
    right.set_ylabel("relative error (error / effect)", color=_INK)
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=8, labelcolor=_INK)
    figure.suptitle(report.dataset_id.replace("$", r"\$"), x=0.01, ha="left", fontsize=12, fontweight="bold", color=_INK)
    caption = "Left: root mean square, bands from the median to the 99 % quantile. Right: grey line, the tolerance."
    figure.supxlabel(caption, x=0.01, ha="left", fontsize=7.5, color=_GREY)
    return figure
