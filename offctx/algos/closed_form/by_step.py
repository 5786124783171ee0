"""A closed-form learner's policy that counts the steps of the episode."""

from typing import TYPE_CHECKING, Any, final

import numpy as np

from offctx.checks import count
from offctx.envs.base import Array
from offctx.errors import LinearError

if TYPE_CHECKING:
    from offctx.algos.closed_form.learner import LinearLearner


@final
class ByStep:
    """A learner's policy for which each call of `predict` is the next step of all episodes, as `offctx.evaluate` plays them.

    One object serves one evaluation. Beyond the horizon there is no policy, unless the learner is stationary.

    Args:
        learner: a fitted learner.
        seed: actions are drawn, by this seed; the most probable actions where None.

    Raises:
        LinearError: the seed is not an integer >= 0.
    """

    def __init__(self, learner: "LinearLearner", seed: int | None = None) -> None:
        self._learner, self._rng = learner, None if seed is None else np.random.default_rng(count(seed, 0, "seed"))
        self._step, self._running = 0, np.inf
        self.__name__ = type(learner).__name__

    @property
    def observation_shape(self) -> Any:
        """Shape of an observation, (D,)."""
        return self._learner.observation_shape

    def predict(self, x: Array) -> Array:
        """Actions (B,) of the next step.

        Args:
            x: observations (B, D), not scaled.

        Raises:
            LinearError: more episodes than in the last call, or a step beyond the horizon: another evaluation has begun.
        """
        if len(x) > self._running:
            raise LinearError(
                f"expected at most {self._running} episodes to go on; found {len(x)}: make a by_step() for each evaluation"
            )
        stationary = self._learner.config.stationary
        p = self._learner.predict_probabilities(x, None if stationary else self._step)
        self._running, self._step = len(x), self._step + 1
        if self._rng is None:
            return np.asarray(p.argmax(axis=-1))
        passed_over = self._rng.random((len(p), 1)) >= p.cumsum(axis=-1)
        return np.asarray(np.minimum(passed_over.sum(axis=-1), p.shape[1] - 1))
