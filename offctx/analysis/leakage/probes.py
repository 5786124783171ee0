"""Linear probes: how much of the context a linear map reads off codes, or off moments of (s, a) and of (s, a, s').

Continuous coordinates: ridge regression, scored by R^2. Discrete ones: logistic regression, scored by the share of the errors
of the most frequent value that it avoids. 1 is perfect, 0 is no better than a constant, and a negative score is worse.

Dimensions: W windows, K slots, f features, p context, C contexts.
"""

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from offctx.analysis.leakage.variance import REPLICATES, with_interval
from offctx.data.history.windows import HistoryWindows
from offctx.envs.base import Array

_FOLDS = 5


def moments(windows: HistoryWindows, *, outcomes: bool) -> Array:
    """The means and second moments over a window's slots of (s, a), or of (s, a, s' - s, r): float64 (W, f)."""
    parts = [windows.observations, windows.actions]
    if outcomes:
        parts += [windows.next_observations - windows.observations, windows.rewards]
    x = np.concatenate(parts, axis=2, dtype=np.float64)
    filled = np.maximum(windows.mask.sum(axis=1), 1)
    means = x.sum(axis=1) / filled[:, None]
    products = np.einsum("wki,wkj->wij", x, x) / filled[:, None, None]
    i, j = np.triu_indices(x.shape[2])
    return np.concatenate([means, products[:, i, j]], axis=1)


class Probe:
    """A linear probe of one coordinate of the context.

    Args:
        discrete: whether the coordinate takes listed values.
    """

    def __init__(self, discrete: bool) -> None:
        self._discrete = discrete
        self._model: Any = None
        self._constant: float | None = None

    def fit(self, features: Array, target: Array) -> "Probe":
        """Fits it to features (W, f) and one coordinate (W,)."""
        if len(np.unique(target)) < 2:
            self._constant = float(target[0])
            return self
        model = LogisticRegression(max_iter=1000) if self._discrete else RidgeCV(np.logspace(-4, 4, 9))
        labels = np.unique(target, return_inverse=True)[1] if self._discrete else target
        self._values = np.unique(target)
        self._model = make_pipeline(StandardScaler(), model).fit(features, labels)
        return self

    def predict(self, features: Array) -> Array:
        """The coordinate (W,)."""
        if self._constant is not None:
            return np.full(len(features), self._constant)
        predicted = self._model.predict(features)
        return np.asarray(self._values[predicted] if self._discrete else predicted)


def held_out(features: Array, target: Array, groups: Array, contexts: Array, discrete: bool, rng: np.random.Generator) -> Array:
    """The score where groups of windows, such as episodes, are held out: (3,) estimate, low, high; NaN where it has none.

    Args:
        features: (W, f).
        target: a coordinate of the context (W,).
        groups: what is held out as a whole (W,).
        contexts: of each window, for the interval (W,).
        discrete: whether the coordinate takes listed values.
        rng: of the replicates.
    """
    folds = min(_FOLDS, len(np.unique(groups)))
    if folds < 3 or len(np.unique(target)) < 2:
        return np.full(3, np.nan)
    predicted = np.empty(len(target))
    for train, test in GroupKFold(folds).split(features, target, groups):
        predicted[test] = Probe(discrete).fit(features[train], target[train]).predict(features[test])
    return score(predicted, target, contexts, discrete, rng)


def score(predicted: Array, target: Array, contexts: Array, discrete: bool, rng: np.random.Generator) -> Array:
    """The score of predictions (W,), with its interval over contexts drawn with replacement: (3,).

    The errors are those of the drawn contexts; what they are compared with is the error of a constant in all contexts.
    """
    if len(np.unique(target)) < 2:
        return np.full(3, np.nan)
    _, of_window = np.unique(contexts, return_inverse=True)
    c = of_window.max() + 1
    resampled_contexts = np.concatenate([np.arange(c)[None], rng.integers(c, size=(REPLICATES, c))])

    if discrete:
        errors = (predicted != target).astype(float)
        constant = 1 - np.unique(target, return_counts=True)[1].max() / len(target)
    else:
        errors, constant = np.square(predicted - target), float(target.var())
    of_context = np.bincount(of_window, errors) / np.bincount(of_window)
    return with_interval(1 - of_context[resampled_contexts].mean(axis=1) / constant)
