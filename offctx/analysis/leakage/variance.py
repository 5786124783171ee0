"""The variance of codes, split by what changes: the dynamics, the behaviour, or the window.

Every window of every behaviour is played in every context, so that both change apart from one another. With z(w, d) the code of
window w, of the behaviour g(w), played in context d,

    dynamics     V_dyn = mean over w of the variance over d of z(w, d)
    behaviour    V_beh = mean over d of the variance over g of the means of z(w, d) over the episodes of g, less what the
                 variance between episodes of one behaviour contributes to it, V_epi / number of episodes
    window       V_win = mean over d and g of the variance of z(w, d) over the windows of g

Each coordinate of z is scaled to variance 1 over all windows and contexts, as a learner may scale it; the variance of a vector
is the sum over its coordinates. Intervals are percentiles over contexts drawn with replacement. Such an interval of V_beh,
a variance that is cut off at 0, leaves 0 out too often; so its lower bound is 0 unless a permutation test over episodes
(`permutations`) says that the behaviour changes z.

Dimensions: W windows, D contexts in which they are played, G behaviours, E episodes, d code.
"""

from dataclasses import dataclass

import numpy as np

from offctx.analysis.leakage.permutations import SIGNIFICANCE, behaviour_p_value
from offctx.envs.base import Array

NOISE = 0.01  # a share of all variance, up to which dynamics and behaviour do not count
REPLICATES = 2000
LEVEL = 0.95
_ROUNDING = 1e-10  # of the mean square of a coordinate of z: a variance below is rounding
_TINY = 1e-6  # of the largest variance of a coordinate: coordinates that vary less are not scaled up


@dataclass(frozen=True)
class VarianceSplit:
    """Estimates and interval bounds, (3,) each: estimate, low, high; NaN where z is constant.

    Attributes:
        dynamics: V_dyn / (V_dyn + V_beh + V_win).
        behaviour: V_beh / (V_dyn + V_beh + V_win).
        window: V_win / (V_dyn + V_beh + V_win).
        leak: V_beh / (V_dyn + V_beh); NaN where it cannot be told: neither V_dyn, beyond 1 % of the variance, nor V_beh, beyond
            chance, changes z.
        changes: root mean square distances of two scaled codes of which only the dynamics, and only the behaviour, differ (2,).
        p_value: of the permutation test of V_beh; NaN where z is constant.
        constant: whether z is the same everywhere, up to rounding.
    """

    dynamics: Array
    behaviour: Array
    window: Array
    leak: Array
    changes: Array
    p_value: float
    constant: bool


def split_variance(
    z: Array, behaviours: Array, episodes: Array, origins: Array, rng: np.random.Generator, *, paired: bool
) -> VarianceSplit:
    """Splits the variance of codes.

    Args:
        z: (D, W, d).
        behaviours: of each window, 0 to G - 1 (W,).
        episodes: of each window, 0 to E - 1; each of one behaviour, at least two of each (W,).
        origins: the context that each window came from, numbered from 0 (W,).
        rng: of the replicates.
        paired: whether behaviour g is that of context g, so that both are drawn together.
    """
    spread = z.var(axis=(0, 1))
    varies = spread > _ROUNDING * np.maximum(np.square(z).mean(axis=(0, 1)), np.finfo(float).tiny)
    if not varies.any():
        nothing = np.full(3, np.nan)
        return VarianceSplit(nothing, nothing, nothing, nothing, np.zeros(2), np.nan, constant=True)
    z, spread = z[..., varies], spread[varies]
    scaled = (z - z.mean(axis=(0, 1))) / np.sqrt(np.maximum(spread, _TINY * spread.max()))
    dynamics = _means(scaled.var(axis=0, ddof=1).sum(axis=1)[None], origins)[0]
    behaviour, window = _behaviour_and_window(scaled, behaviours, episodes)

    d, c = len(z), len(dynamics)
    shared = None if paired else _EpisodeSums.of(scaled, behaviours, episodes, origins)
    variances = [(dynamics.mean(), max(behaviour.mean(), 0.0), window.mean())]
    for _ in range(REPLICATES):
        contexts, own = rng.integers(d, size=d), rng.integers(c, size=c)
        if shared is None:
            parts = (dynamics[contexts], behaviour[contexts][:, contexts], window[contexts][:, contexts])
        else:
            parts = (dynamics[own], shared.behaviour(np.bincount(own, minlength=c))[contexts], window[contexts])
        variances.append((parts[0].mean(), max(parts[1].mean(), 0.0), parts[2].mean()))
    of_episode, codes = _of_episodes(scaled, behaviours, episodes)
    return _with_shares(np.array(variances), behaviour_p_value(codes, of_episode, rng))


@dataclass(frozen=True)
class _EpisodeSums:
    """Sums over the episodes of each context of origin (C) and behaviour (G), from which any draw of contexts is computed.

    Attributes:
        codes: of the mean codes (D, C, G, d).
        squares: of their squared lengths (D, C, G).
        counts: how many episodes there are (C, G).
    """

    codes: Array
    squares: Array
    counts: Array

    @classmethod
    def of(cls, z: Array, behaviours: Array, episodes: Array, origins: Array) -> "_EpisodeSums":
        _, each = _of_episodes(z, behaviours, episodes)
        cells = np.zeros((each.shape[1], origins.max() + 1, behaviours.max() + 1))
        cells[episodes, origins, behaviours] = 1
        return cls(
            np.einsum("dek,ecg->dcgk", each, cells),
            np.einsum("de,ecg->dcg", np.square(each).sum(axis=2), cells),
            cells.sum(axis=0),
        )

    def behaviour(self, weights: Array) -> Array:
        """V_beh in each context where windows are played (D,), with each context of origin as often as `weights` (C,) says."""
        n = weights @ self.counts
        enough = n > 1
        if enough.sum() < 2:
            return np.zeros(len(self.codes))
        n = n[enough]
        means = np.einsum("c,dcgk->dgk", weights, self.codes[:, :, enough]) / n[:, None]
        squares = np.einsum("c,dcg->dg", weights, self.squares[:, :, enough])
        between_episodes = (squares - n * np.square(means).sum(axis=2)) / (n - 1)
        apart = np.square(means - means.mean(axis=1, keepdims=True)).sum(axis=(1, 2)) / (len(n) - 1)
        return np.asarray(apart - (between_episodes / n).mean(axis=1))


def _behaviour_and_window(z: Array, behaviours: Array, episodes: Array) -> tuple[Array, Array]:
    """What each behaviour adds to V_beh, and its V_win, in each context: (D, G) each."""
    of_episode, each = _of_episodes(z, behaviours, episodes)
    means = np.stack([_means(each[..., k], of_episode) for k in range(z.shape[2])], axis=2)  # (D, G, d)
    n_episodes, n_windows = np.bincount(of_episode), np.bincount(behaviours)
    between_episodes = _means(np.square(each - means[:, of_episode]).sum(axis=2), of_episode) / (n_episodes - 1)
    apart = np.square(means - means.mean(axis=1, keepdims=True)).sum(axis=2)
    g = len(n_windows)
    window = _means(np.square(z - means[:, behaviours]).sum(axis=2), behaviours) * n_windows / (n_windows - 1)
    return apart * g / max(g - 1, 1) - between_episodes, window


def _of_episodes(z: Array, behaviours: Array, episodes: Array) -> tuple[Array, Array]:
    """The behaviour of each episode (E,), and its mean code in each context (D, E, d)."""
    of_episode = np.zeros(episodes.max() + 1, dtype=np.int64)
    of_episode[episodes] = behaviours
    return of_episode, np.stack([_means(z[..., k], episodes) for k in range(z.shape[2])], axis=2)


def _with_shares(variances: Array, p_value: float) -> VarianceSplit:
    """The split from variances of dynamics, behaviour and window: the estimate first, then replicates (R, 3)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = variances / variances.sum(axis=1, keepdims=True)
    dynamics, behaviour, window = (with_interval(shares[:, k]) for k in range(3))
    leak = _leak(shares)
    if p_value > SIGNIFICANCE:
        behaviour[1] = leak[1] = 0.0
    if dynamics[0] <= NOISE and behaviour[1] <= 0:
        leak = np.full(3, np.nan)
    return VarianceSplit(dynamics, behaviour, window, leak, np.sqrt(2 * variances[0, :2]), p_value, constant=False)


def _leak(shares: Array) -> Array:
    """V_beh / (V_dyn + V_beh) (3,). A replicate in which neither changes z may have any: 0 below, 1 above."""
    sums = shares[:, :2].sum(axis=1)
    defined = sums > _ROUNDING
    leaks = np.divide(shares[:, 1], sums, out=np.zeros(len(sums)), where=defined)
    low, high = np.quantile(leaks[1:], (1 - LEVEL) / 2), np.quantile(np.where(defined, leaks, 1.0)[1:], (1 + LEVEL) / 2)
    return np.array([leaks[0] if defined[0] else np.nan, low, high])


def with_interval(values: Array) -> Array:
    """The first value, and the bounds of the percentile interval of the others: (3,)."""
    others = values[1:][np.isfinite(values[1:])]
    if not len(others):
        return np.array([values[0], np.nan, np.nan])
    return np.array([values[0], *np.quantile(others, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])])


def _means(values: Array, labels: Array) -> Array:
    """The mean over the windows of each label: (D, W) -> (D, G)."""
    indicator = np.eye(labels.max() + 1)[labels]
    return np.asarray(values @ indicator / indicator.sum(axis=0))
