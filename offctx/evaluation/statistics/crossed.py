"""The errors of means over training seeds and evaluation episodes, which cross: each seed's agent plays the same start states.

    return of seed r in episode m = mean + effect of the seed + effect of the start state + residual

The squared error of the mean over R seeds and M episodes has three parts:

    seeds     variance of the R seed means / R          seed effects / R, and residual / (R M)
    episodes  variance of the M episode means / M       start states / M, and residual / (R M)
    residual  variance of the residuals / (R M)         which the other two both contain

It is seeds + episodes - residual, and at least the larger of the first two (two-way random effects without a negative
component). Episodes are matched by their position. That is right for any start states: where agents do not share them, episodes
and residual are equal on average, and seeds contains all there is. The degrees of freedom are Satterthwaite's, and at least
those of the smaller of R and M.

Dimensions: A arms, R training runs of an arm, M episodes, K contexts.

Source: S. R. Searle, G. Casella, C. E. McCulloch, "Variance Components" (1992); F. E. Satterthwaite, "An approximate
distribution of estimates of variance components", Biometrics Bulletin 2 (1946).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from offctx.evaluation.statistics.aggregates import Array


@dataclass(frozen=True, eq=False)
class ErrorParts:
    """The three parts of squared errors, of any shape: numbers, or covariances (A, A) of the errors of A means.

    Attributes:
        seeds: of the seed means; 0 where no arm has several runs.
        episodes: of the episode means; 0 where there is one episode.
        residual: what both of the others contain.
        seed_degrees: degrees of freedom of `seeds`, or 0.
        episode_degrees: degrees of freedom of `episodes`, or 0.
    """

    seeds: Array
    episodes: Array
    residual: Array
    seed_degrees: int
    episode_degrees: int

    def of(self, weights: Array) -> "ErrorParts":
        """The parts of weighted sums of A means, from covariances (A, A): weights (..., A) -> parts (...)."""
        seeds, episodes, residual = (
            np.einsum("...a,ab,...b->...", weights, part, weights) for part in (self.seeds, self.episodes, self.residual)
        )
        return ErrorParts(seeds, episodes, residual, self.seed_degrees, self.episode_degrees)

    @property
    def variance(self) -> Array:
        """The squared standard errors."""
        seeds, episodes, residual = (np.maximum(part, 0.0) for part in (self.seeds, self.episodes, self.residual))
        return np.asarray(np.maximum(np.maximum(seeds, episodes), seeds + episodes - residual))

    @property
    def degrees(self) -> Array:
        """The degrees of freedom of `variance`."""
        of_seeds, of_episodes = max(self.seed_degrees, 1), max(self.episode_degrees, 1)  # a part without any is 0
        known = [degrees for degrees in (self.seed_degrees, self.episode_degrees) if degrees]
        least = np.full_like(self.variance, float(min(known, default=1)))
        spread = self.seeds**2 / of_seeds + self.episodes**2 / of_episodes + self.residual**2 / (of_seeds * of_episodes)
        return np.asarray(np.maximum(np.divide(self.variance**2, spread, out=least.copy(), where=spread > 0), least))


def parts_of_mean(returns: Array) -> ErrorParts:
    """The parts of the mean over runs and episodes of each context: returns (K, R, M) -> parts (K,).

    All sums are along contiguous rows, so that a context has the same bits in any set of contexts.
    """
    _, runs, episodes = returns.shape
    by_seed = np.ascontiguousarray(returns).mean(axis=2)
    by_episode = np.ascontiguousarray(returns.transpose(0, 2, 1)).mean(axis=2)
    none = np.zeros(len(returns))
    seeds = by_seed.var(axis=1, ddof=1) / runs if runs > 1 else none
    starts = by_episode.var(axis=1, ddof=1) / episodes if episodes > 1 else none
    residual = none
    if runs > 1 and episodes > 1:
        residuals = returns - by_seed[:, :, None] - by_episode[:, None] + by_seed.mean(axis=1)[:, None, None]
        squares = (np.ascontiguousarray(residuals.reshape(len(residuals), -1)) ** 2).sum(axis=1)
        residual = squares / ((runs - 1) * (episodes - 1) * runs * episodes)
    return ErrorParts(seeds, starts, residual, runs - 1, episodes - 1)


def parts_of_arms(arms: Sequence[Array]) -> ErrorParts:
    """The covariances of the errors of the means of A arms, each (R, M): parts (A, A).

    Arms with the same number of runs above 1 are paired by seed; seeds of other arms are independent, and an arm with one run
    has none. All arms are paired by episode. Where their numbers of episodes differ, covariances are those of the first ones,
    which all have.
    """
    runs, episodes = (np.array([arm.shape[axis] for arm in arms]) for axis in (0, 1))
    common = int(episodes.min())
    per_episode = 1.0 / np.maximum.outer(episodes, episodes)  # a prefix shares this part of the longer arm's mean
    seeds, starts, residual = (np.zeros((len(arms), len(arms))) for _ in range(3))
    if common > 1:
        starts = np.atleast_2d(np.cov([arm[:, :common].mean(axis=0) for arm in arms])) * per_episode
    for size in set(runs.tolist()) - {1}:
        paired = np.flatnonzero(runs == size)
        block = np.ix_(paired, paired)
        group = [arms[arm] for arm in paired.tolist()]
        seeds[block] = np.cov([arm.mean(axis=1) for arm in group]) / size
        if common > 1:
            residuals = np.stack([_residuals(arm[:, :common]).ravel() for arm in group])
            residual[block] = residuals @ residuals.T / ((size - 1) * (common - 1) * size) * per_episode[block]
    several = runs[runs > 1]
    return ErrorParts(seeds, starts, residual, int(several.min()) - 1 if len(several) else 0, common - 1)


def _residuals(returns: Array) -> Array:
    """What is left of returns (R, M) without the means of rows and columns."""
    residuals: Array = returns - returns.mean(axis=1, keepdims=True) - returns.mean(axis=0) + returns.mean()
    return residuals
