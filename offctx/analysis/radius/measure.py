"""How far contexts may be moved: the error of the first-order expansion against exact simulation, as the radius grows.

Source of the expansion and of the order of its error: arXiv 2507.07348 (theorem 2: the error is O(|dc|^2)).

    dc = rho * w * u,   |u| = 1,   w_k = (high_k - low_k) / 2

A radius rho is measured in half-widths w of the context's bounds, so that one number serves coordinates of different size and
unit; rho = 1 goes from the middle of the bounds to a bound. An unbounded coordinate has w_k = |default_k|, or 1 where that is
0. A discrete coordinate has w_k = 0: it is not moved.

A radius is judged by two relative errors: of next observations, and of rewards minus their mean in a context. What a context
adds to all rewards alike changes no preference between actions (unless episodes end early), and near an optimum it is the whole
effect. Example, CartGoal at goal 0: r = 2 - sqrt(1 + (x - goal)^2) has derivative 0 along the goal at x = 0. First order misses
the whole effect there, -goal^2 / 2, but it ranks the positions x correctly.

Dimensions: N transitions drawn, G groups of them that share a move, R radii, p context.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from offctx.analysis.radius.errors import ExpansionError, expansion_error
from offctx.analysis.radius.moves import check_radii, default_radii, move_contexts, moving_half_widths, unit_directions
from offctx.analysis.radius.report import RadiusReport
from offctx.analysis.radius.sample import SampledTransitions, environment_of, sample_transitions
from offctx.analysis.radius.slopes import largest_within, log_slope
from offctx.checks import at_least, whole_number
from offctx.contexts.space import ContextSpace
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.resolve import EnvLike
from offctx.errors import ContextError, DatasetError

if TYPE_CHECKING:
    from offctx.data.dataset import ContextualDataset

TOLERANCE = 0.5


def radius_report(
    dataset: "ContextualDataset",
    env: EnvLike | None = None,
    *,
    radii: ArrayLike | None = None,
    samples: int = 2000,
    seed: int = 0,
    tolerance: float = TOLERANCE,
) -> RadiusReport:
    """Measures the error of the first-order expansion of a dataset's transitions, and the radius up to which it is small.

    Transitions are drawn from the data. Their contexts are moved onto the sphere of each radius: a direction that leaves the
    bounds is mirrored, and one that is still not valid is drawn again. Then the next observation and reward that first order
    predicts are compared with those that the environment simulates. First order uses the dataset's derivatives, or the
    environment's where the dataset has none.

    Radii are in half-widths of the context's bounds. The report also gives the suggested radius in units of the coordinates.

    Args:
        dataset: with simulator states, as `offctx.collect` writes them.
        env: the environment of the data, with or without a time limit; where not given, the one that the dataset names, if
            it ships with offctx.
        radii: (R,) in half-widths, ascending; by default a geometric grid up to the largest radius at which at least half of
            the transitions have a valid context.
        samples: how many transitions to draw; all of a smaller dataset.
        seed: of the drawing.
        tolerance: the largest relative error (root mean square error / root mean square effect) of the suggested radius. The
            default, 0.5, leaves 0.5^2 = 25 % of the squared effect of the context unexplained; a search on five tasks
            compared it with 0.2 (docs/results/cse.md). The error is of second order and the effect of first, so the relative
            error is proportional to the radius.

    Returns:
        the report; print its `render()`, `save` it, or use its `radius`.

    Raises:
        DatasetError: the dataset has no simulator states, or names no environment that ships with offctx.
        EnvError: the environment does not reproduce the dataset's transitions.
        ContextError: bad radii or tolerance, a radius at which no context is valid, no coordinate that can be moved.

    Source:
        arXiv 2507.07348, theorem 2.

    Example::

        report = offctx.radius_report(offctx.load_dataset("offctx/PendulumGoal/random-v0"))
        print(report.render())
        buffer = dataset.replay_buffer(augmentation=offctx.CSE(radius=report.radius))
    """
    whole_number(samples, "samples", 1, DatasetError)
    at_least(tolerance, 0, "a tolerance", strictly=True, error=ContextError)
    family = environment_of(dataset, env)
    rng = np.random.default_rng(whole_number(seed, "seed", 0, DatasetError))
    sample = sample_transitions(dataset, family, samples, rng)
    space = dataset.context_space
    scale = moving_half_widths(space)
    directions = unit_directions(len(sample.group_contexts), scale > 0, rng)
    grid = default_radii(space, sample.group_contexts, scale, directions) if radii is None else check_radii(radii)
    joint = _joint_errors(family, sample, space, grid, scale, directions, rng)
    signs = np.where(rng.random(len(directions)) < 0.5, -1.0, 1.0)
    coordinate = _coordinate_errors(family, sample, space, grid, scale, signs)
    return _report(dataset, family, sample, scale, float(tolerance), grid, joint, coordinate)


def _joint_errors(
    env: ContextualEnv,
    sample: SampledTransitions,
    space: ContextSpace,
    grid: Array,
    scale: Array,
    directions: Array,
    rng: np.random.Generator,
) -> list[ExpansionError]:
    """The error at each radius (R,), all coordinates moved together."""
    errors = [
        expansion_error(env, sample, *move_contexts(space, sample.group_contexts, radius * scale, directions, rng))
        for radius in grid
    ]
    for radius, error in zip(grid, errors, strict=True):
        if error.rows == 0:
            raise ContextError(f"no context is valid at radius {radius:g} (half-widths of the bounds) from those of the data")
    return errors


def _coordinate_errors(
    env: ContextualEnv, sample: SampledTransitions, space: ContextSpace, grid: Array, scale: Array, signs: Array
) -> Array:
    """The deciding relative error (R, p) of one coordinate moved alone, by `signs` (G,); NaN where it is not moved."""
    errors = np.full((len(grid), space.size), np.nan)
    for k in np.flatnonzero(scale > 0):
        directions = np.zeros((len(signs), space.size))
        directions[:, k] = signs
        for i, radius in enumerate(grid):
            moves = move_contexts(space, sample.group_contexts, radius * scale, directions, None)
            error = expansion_error(env, sample, *moves)
            errors[i, k] = error.deciding if error.rows else np.nan
    return errors


def _report(
    dataset: "ContextualDataset",
    env: ContextualEnv,
    sample: SampledTransitions,
    scale: Array,
    tolerance: float,
    grid: Array,
    joint: list[ExpansionError],
    coordinate: Array,
) -> RadiusReport:
    space = dataset.context_space
    errors = np.array([error.error for error in joint])
    relative = np.array([error.relative for error in joint])
    rounding = np.array([error.rounding for error in joint])
    deciding = np.array([error.deciding for error in joint])
    return RadiusReport(
        dataset_id=dataset.dataset_id,
        environment=type(env).__name__,
        names=space.names,
        units=space.units,
        scale=scale,
        samples=len(sample.contexts),
        tolerance=tolerance,
        radii=grid,
        rows=np.array([error.rows for error in joint]),
        observation_error=errors[:, 0].copy(),
        reward_error=errors[:, 1].copy(),
        observation_quantiles=np.array([error.quantiles[0] for error in joint]),
        reward_quantiles=np.array([error.quantiles[1] for error in joint]),
        observation_relative=relative[:, 0].copy(),
        reward_relative=relative[:, 1].copy(),
        preference_relative=relative[:, 2].copy(),
        relative_error=deciding,
        coordinate_relative=coordinate,
        termination_changes=np.array([error.termination_changes for error in joint]),
        observation_slope=log_slope(grid, errors[:, 0], relative[:, 0], rounding[:, 0]),
        reward_slope=log_slope(grid, errors[:, 1], relative[:, 1], rounding[:, 1]),
        suggested=largest_within(grid, deciding, tolerance),
        coordinate_suggested=np.array([largest_within(grid, coordinate[:, k], tolerance) for k in range(space.size)]),
    )
