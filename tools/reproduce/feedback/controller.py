"""Linear feedback that is told the context, or not, for a population of gains at once.

Dimensions: Q candidates, N rows, o observation, a action, f features, K contexts, M episodes of a context.
"""

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from offctx.contexts.space import ContextSpace
from offctx.envs.policies_with_memory import Transitions

Floats = NDArray[np.float64]


class LinearFeedback:
    """action = centre + half width * clip( gains features, -1, 1 ), each candidate in rows of its own.

    Features, not told: [s, 1], s the observation over its scale. Told: [s, 1] times [1, c, c^2], c the swept coordinate, which
    is 0 at c0 and 1 at the end of the range. It is played as a policy with memory because only such a policy knows its rows.

    Args:
        gains: (Q, f, a).
        scale: of observations (o,).
        actions: the action space, a bounded Box.
        rows: how many rows a candidate has, K M.
        told: the space of contexts and the swept coordinate; None: not told.
    """

    memory_span = "episode"

    def __init__(
        self, gains: Floats, scale: Floats, actions: spaces.Box, rows: int, told: tuple[ContextSpace, int, float] | None = None
    ) -> None:
        self._gains, self._scale, self._rows, self._told = gains, scale, rows, told
        self._centre, self._half = (actions.high + actions.low) / 2, (actions.high - actions.low) / 2

    def begin(self, rows: Any, same_context: Any, size: int) -> None:
        """Nothing is remembered."""

    def act(self, rows: Any, observations: Any, rng: np.random.Generator) -> Floats:
        """The actions (N, a)."""
        features = self._features(np.asarray(observations, np.float64))
        wanted = np.einsum("nf,nfa->na", features, self._gains[np.asarray(rows) // self._rows])
        return np.asarray(self._centre + self._half * np.clip(wanted, -1, 1))

    def observe(self, transitions: Transitions) -> None:
        """Nothing is remembered."""

    def _features(self, observations: Floats) -> Floats:
        o = len(self._scale)
        plain = np.concatenate([observations[:, :o] / self._scale, np.ones((len(observations), 1))], axis=1)
        if self._told is None:
            return plain
        space, coordinate, width = self._told
        c = (observations[:, o + coordinate] - space.default[coordinate])[:, None] / width
        return np.concatenate([plain, plain * c, plain * c**2], axis=1)


def feature_count(observation_size: int, *, told: bool) -> int:
    """f."""
    return (observation_size + 1) * (3 if told else 1)
