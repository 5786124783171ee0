"""Context derivatives by central differences of `simulate`, for environments that are not written in torch.

Dimensions: N rows, V variants of the context, s state, o observation, a action, p context.
"""

import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs import finite_differences
from offctx.envs.base import Array, ContextualEnv
from offctx.errors import DerivativeError

STEP = 1e-5  # relative to the scale of a coordinate: rounding and kinks are both rare then


class CentralDifferences(ContextualEnv):
    """A family whose context derivatives are central differences through batched simulation, with two step sizes.

    The relative difference between both step sizes is the error of each row. It is large where a contact begins or ends
    between the two steps; rows with an error above `derivative_tolerance` are flagged.

    A subclass calls `_set_scales` in its constructor. One that can simulate variants of a context faster than by `simulate`
    also implements `_outcomes`.
    """

    derivative_source = "central differences"
    derivative_tolerance = 1e-4
    derivative_steps: Array  # (p,), 0 where discrete
    _scales: Array  # (p,)

    def _set_scales(self, scales: Array, steps: float | Array = STEP) -> None:
        """Sets the unit of small changes of each coordinate (p,), and the step of differences in these units."""
        continuous = self.context_space.continuous
        self._scales, self.has_derivatives = scales, bool(continuous.any())
        self.derivative_steps = np.where(continuous, steps * scales, 0.0)

    def derivatives(self, states: Array, actions: Array, contexts: Array, noise: Array | None = None) -> tuple[Array, Array]:
        """Total derivatives along the context by central differences with half the step.

        Args:
            states: (N, s).
            actions: (N, a).
            contexts: (N, p).
            noise: unused; the dynamics are deterministic.

        Returns:
            of next observations (N, o, p) and of rewards (N, p); zero along discrete coordinates.

        Raises:
            DerivativeError: all coordinates are discrete, or a number is not finite.
        """
        (narrow,) = self._differences(states, actions, contexts, (0.5,))
        return self._finite_parts(narrow, contexts)

    def derivatives_with_error(
        self, states: Array, actions: Array, contexts: Array, noise: Array | None = None
    ) -> tuple[Array, Array, Array]:
        """`derivatives`, and the relative error of each row, |wide - narrow| / max(|wide|, |narrow|).

        `wide` are the differences with the whole step and `narrow` those with half the step, over next observation and
        reward, with each coordinate in units of its default, or in its own unit where the default is 0.

        Args:
            states: (N, s).
            actions: (N, a).
            contexts: (N, p).
            noise: unused; the dynamics are deterministic.

        Returns:
            of next observations (N, o, p), of rewards (N, p), and errors (N,).

        Raises:
            DerivativeError: all coordinates are discrete, or a number is not finite.
        """
        wide, narrow = self._differences(states, actions, contexts, (1.0, 0.5))
        error = finite_differences.relative_error(wide, narrow, self._scales)
        return *self._finite_parts(narrow, contexts), error

    def _finite_parts(self, derivatives: Array, contexts: Array) -> tuple[Array, Array]:
        """Derivatives (N, o + 1, p) as those of next observations (N, o, p) and of rewards (N, p)."""
        if not np.isfinite(derivatives).all():
            row = int(np.argwhere(~np.isfinite(derivatives))[0][0])
            where = self.context_space.describe(contexts[row])
            raise DerivativeError(f"the context derivative is not finite in row {row}, in context {where}")
        return derivatives[:, :-1], derivatives[:, -1]

    def _differences(self, states: Array, actions: Array, contexts: Contexts, shares: tuple[float, ...]) -> list[Array]:
        """Central differences (N, o + 1, p) with each share of the steps."""
        if not self.has_derivatives:
            raise DerivativeError(f"{list(self.context_space.names)} are discrete: nothing has a derivative along them")
        return finite_differences.along_contexts(
            self._outcomes,
            (states, actions, contexts),
            steps=self.derivative_steps,
            moving=np.flatnonzero(self.context_space.continuous),
            shares=shares,
            outcome_size=(self.observation_space.shape or (0,))[0] + 1,
        )

    def _outcomes(self, states: Array, actions: Array, contexts: Contexts, offsets: Contexts) -> Array:
        """Next observation and reward side by side of every row with its context moved by every offset: (V, N, o + 1)."""
        v, n = len(offsets), len(states)
        moved = (contexts + offsets[:, None]).reshape(v * n, -1)
        next_states, rewards, _ = self.simulate(np.tile(states, (v, 1)), np.tile(actions, (v, 1)), moved)
        return np.concatenate([self.observations(next_states), rewards[:, None]], axis=1).reshape(v, n, -1)
