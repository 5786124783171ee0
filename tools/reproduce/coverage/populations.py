"""Made-up training seeds with a known truth.

Dimensions: D draws of a whole experiment, R training seeds, K contexts, M episodes per context.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]

CONTEXTS = 9
SHARE = 0.8  # of the gap that the method closes
_LEVELS = np.linspace(-1.5, 1.5, CONTEXTS)  # of the mean return, context by context
_CONTEXT_NOISE = 0.3  # of a seed in one context, beside its effect in all contexts
GAP = 3.0  # reference - baseline
ZERO = -1.0  # mean return of the zero action
_COLLAPSES = 0.2
_STABLE = 0.05  # spread of the seeds of a stable control, over that of a method that fails
_FEW_CONTEXTS = 2  # where episodes are many: contexts are one unit whatever their number
STARTS = {"little": 0.1, "half": 1.0, "most": 10.0}  # start states' part of the squared error of a mean, over the seeds' part


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Normal, of mean 0 and variance 1, as the other two."""
    return rng.standard_normal(shape)


def lognormal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Skewed: minus a lognormal variable. Most seeds are good, few are bad, and very few are very bad."""
    effects: Floats = (np.exp(0.5) - np.exp(rng.standard_normal(shape))) / np.sqrt(np.exp(2.0) - np.exp(1.0))
    return effects


def collapsing(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Two-point: one seed in five collapses, with some normal noise."""
    failed = rng.random(shape) < _COLLAPSES
    noisy = _COLLAPSES - failed + 0.05 * rng.standard_normal(shape)
    effects: Floats = noisy / np.sqrt(_COLLAPSES * (1 - _COLLAPSES) + 0.05**2)
    return effects


DISTRIBUTIONS: dict[str, Draw] = {"normal": normal, "skewed": lognormal, "collapsing": collapsing}
METHOD_ALONE: dict[str, Draw] = {  # fails; its controls hardly vary with the seed
    "only the method collapses": collapsing,
    "only the method is skewed": lognormal,
}


def arm(draw: Draw, rng: np.random.Generator, effects: Floats) -> Floats:
    """Returns (D, R, K, 1) of an arm of mean 0 whose seeds have these effects (D, R) in all contexts."""
    noise = _CONTEXT_NOISE * rng.standard_normal((*effects.shape, CONTEXTS))
    return (effects[..., np.newaxis] + _LEVELS + noise)[..., np.newaxis]


def one_method(draw: Draw, rng: np.random.Generator, draws: int, seeds: int) -> Floats:
    """Returns (D, R, K, 1) of one method, of mean 0."""
    return arm(draw, rng, draw(rng, (draws, seeds)))


def three_methods(draw: Draw, rng: np.random.Generator, draws: int, seeds: int) -> tuple[Floats, Floats, Floats]:
    """Returns (D, R, K, 1) of method, baseline and reference, which share a part of each seed's effect.

    Their means are SHARE * 3, 0 and 3. Baselines differ most from seed to seed.
    """
    shared = 0.5 * rng.standard_normal((draws, seeds))
    means, spreads = (SHARE * GAP, 0.0, GAP), (0.5, 0.8, 0.4)
    method, baseline, reference = (
        mean + arm(draw, rng, shared + spread * draw(rng, (draws, seeds))) for mean, spread in zip(means, spreads, strict=True)
    )
    return method, baseline, reference


def against_stable_controls(draw: Draw, rng: np.random.Generator, draws: int, seeds: int) -> tuple[Floats, Floats, Floats]:
    """Returns a method, a control paired by seed (D, R, K, 1), and a control that learns nothing (D, 1, K, 1); all of mean 0.

    The seeds of the method are of the distribution `draw`. Its control has the same seeds, and hardly varies.
    """
    method = arm(draw, rng, draw(rng, (draws, seeds)))
    stable = arm(normal, rng, _STABLE * normal(rng, (draws, seeds)))
    return method, stable, np.zeros((draws, 1, CONTEXTS, 1)) + _LEVELS[:, np.newaxis]


def episodes(rng: np.random.Generator, draws: int, count: int) -> Floats:
    """Returns (D, 1, K, M) of one agent, of mean 0: episode m starts alike in all contexts, as `offctx.evaluate` plays it."""
    starts = rng.standard_normal((draws, 1, 1, count))
    return starts + _LEVELS[:, np.newaxis] + _CONTEXT_NOISE * rng.standard_normal((draws, 1, CONTEXTS, count))


def true_iqm(draw: Draw) -> float:
    """The interquartile mean over all seeds and contexts of `one_method`, from a million of them."""
    rng = np.random.default_rng(0)
    returns = np.sort(one_method(draw, rng, 1, 1_000_000 // CONTEXTS).ravel())
    cut = len(returns) // 4
    return float(returns[cut : len(returns) - cut].mean())


class Crossed(NamedTuple):
    """Returns of arms whose agents all play the same start states."""

    method: Floats  # (D, R, K, M), as the next two
    baseline: Floats
    reference: Floats
    zero: Floats  # (D, 1, K, M): it learns nothing


def crossed(draw: Draw, rng: np.random.Generator, draws: int, seeds: int, episodes: int, starts: float) -> Crossed:
    """Arms of means SHARE * 3, 0, 3 and -1; `starts` is a value of STARTS, for the method.

    Seeds have the effects of `three_methods`. A start state shifts the methods by 1, 1.3 and 0.9 of its effect and the zero
    action by 2 of it; half as much is noise of a seed in an episode.
    """
    variance = 0.5**2 + 0.5**2  # of the method's seed effects
    effect = np.sqrt(starts * variance / seeds * episodes) * draw(rng, (draws, 1, 1, episodes))
    noise = 0.5 * np.sqrt(starts * variance / seeds * episodes)
    levels = _LEVELS[[0, -1]][:, np.newaxis]
    shared = 0.5 * rng.standard_normal((draws, seeds))

    def learner(mean: float, spread: float, shift: float) -> Floats:
        own = (shared + spread * draw(rng, (draws, seeds)))[..., np.newaxis, np.newaxis]
        rest = noise * rng.standard_normal((draws, seeds, 1, episodes))
        in_context = _CONTEXT_NOISE * rng.standard_normal((draws, seeds, _FEW_CONTEXTS, 1))
        returns: Floats = mean + own + shift * effect + rest + in_context + levels
        return returns

    return Crossed(
        method=learner(SHARE * GAP, 0.5, 1.0),
        baseline=learner(0.0, 0.8, 1.3),
        reference=learner(GAP, 0.4, 0.9),
        zero=ZERO + 2 * effect + 0 * levels,
    )
