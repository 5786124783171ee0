"""The error of the first-order expansion at one radius, against exact simulation in the moved contexts.

Dimensions: N transitions drawn, n of them in valid moved contexts, G groups that share a move, o observation, p context.
"""

from dataclasses import dataclass

import numpy as np

from offctx.analysis.radius.sample import SampledTransitions, root_mean_square
from offctx.contexts.space import Contexts
from offctx.envs.base import Array, ContextualEnv

QUANTILES = (0.5, 0.9, 0.99)
_NAN = float("nan")


@dataclass(frozen=True)
class ExpansionError:
    """The error at one radius. Pairs are of next observation and of reward, in units of their spread.

    Attributes:
        rows: number of transitions with a valid moved context, n.
        error: root mean square.
        relative: error / effect, both root mean square; the third is of rewards minus their mean in a group.
        quantiles: of the errors of single transitions, at `QUANTILES`.
        rounding: errors up to this size are rounding.
        termination_changes: share of transitions that end an episode in one of the two contexts only.
    """

    rows: int
    error: tuple[float, float]
    relative: tuple[float, float, float]
    quantiles: tuple[Array, Array]
    rounding: tuple[float, float]
    termination_changes: float

    @property
    def deciding(self) -> float:
        """The relative error that a radius is judged by: of next observations, or of rewards minus their mean."""
        return max(self.relative[0], self.relative[2])


_NO_ROWS = ExpansionError(
    0, (_NAN, _NAN), (_NAN, _NAN, _NAN), (np.full(len(QUANTILES), _NAN), np.full(len(QUANTILES), _NAN)), (_NAN, _NAN), _NAN
)


def expansion_error(env: ContextualEnv, sample: SampledTransitions, moved: Contexts, valid: Array) -> ExpansionError:
    """Compares first order with exact simulation.

    Args:
        env: that simulates.
        sample: the transitions in their own contexts.
        moved: (G, p), the moved context of each group.
        valid: (G,), which of them are valid; transitions of other groups are left out.
    """
    rows = np.flatnonzero(valid[sample.group])
    if len(rows) == 0:
        return _NO_ROWS
    group, noise = sample.group[rows], None if sample.noise is None else sample.noise[rows]
    contexts = moved[group]
    next_states, rewards, terminations = env.simulate(sample.states[rows], sample.actions[rows], contexts, noise)
    next_observations = env.observations(next_states).astype(np.float64)
    dc = contexts - sample.contexts[rows]
    scale = sample.spread * np.sqrt(next_observations.shape[1])
    effect = (next_observations - sample.next_observations[rows]) / scale
    error = effect - np.einsum("nop,np->no", sample.dnext[rows], dc) / scale
    reward_effect = (rewards - sample.rewards[rows]) / sample.reward_spread
    reward_error = reward_effect - (sample.dreward[rows] * dc).sum(axis=1) / sample.reward_spread
    sizes = [  # of error and of effect, (n,) each
        (np.linalg.norm(error, axis=1), np.linalg.norm(effect, axis=1)),
        (np.abs(reward_error), np.abs(reward_effect)),
        (_centred(reward_error, group), _centred(reward_effect, group)),
    ]
    errors, effects = zip(*((root_mean_square(e), root_mean_square(size)) for e, size in sizes), strict=True)
    levels = (
        root_mean_square(np.linalg.norm(next_observations / scale, axis=1)),
        root_mean_square(rewards / sample.reward_spread),
    )
    rounding = _rounding(sample, levels, (effects[0], effects[1]))
    floors = (*rounding, rounding[1])
    relative = [e / size if e > floor and size > 0 else 0.0 for e, size, floor in zip(errors, effects, floors, strict=True)]
    return ExpansionError(
        rows=len(rows),
        error=(errors[0], errors[1]),
        relative=(relative[0], relative[1], relative[2]),
        quantiles=(np.quantile(sizes[0][0], QUANTILES), np.quantile(sizes[1][0], QUANTILES)),
        rounding=rounding,
        termination_changes=float((terminations != sample.terminations[rows]).mean()),
    )


def _rounding(sample: SampledTransitions, levels: tuple[float, float], effects: tuple[float, float]) -> tuple[float, float]:
    """What rounding alone can give: of the difference of two numbers of that level, and of derivatives times dc."""
    observation_eps, derivative_eps = sample.eps
    return (
        2 * (observation_eps * levels[0] + derivative_eps * effects[0]),
        2 * (float(np.finfo(np.float64).eps) * levels[1] + derivative_eps * effects[1]),
    )


def _centred(values: Array, group: Array) -> Array:
    """Values (n,) minus their mean in the group; unchanged where most groups have one transition only."""
    counts = np.bincount(group)
    if counts.max() == 1 or (counts[group] == 1).mean() > 0.5:
        return values
    means = np.bincount(group, weights=values) / np.maximum(counts, 1)
    return np.asarray(values - means[group])
