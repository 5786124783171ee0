"""What a family of environments may tell of itself beyond its dynamics; everything here has a default.

Dimensions: N rows, s state, o observation, a action, p context, l latent state, z noise coordinates.
"""

from typing import Any, ClassVar

import gymnasium
from numpy.typing import NDArray

from offctx.errors import EnvError

Array = NDArray[Any]


class FamilyFacts(gymnasium.Env[Array, Any]):
    """Attributes and methods of `ContextualEnv` that a family overrides only where it knows more.

    Attributes:
        noise_size: z, standard normal numbers that a step consumes; 0 for deterministic dynamics.
        has_derivatives: whether `derivatives` is implemented.
        no_derivatives_because: why there are none, as the end of a sentence; "" where the class just has none.
        derivative_source: how `derivatives` are computed, for the metadata of datasets.
        derivative_steps: steps of finite differences (p,), in the coordinates' units; None where there are none.
        derivative_tolerance: rows with a larger estimated relative error are flagged; None where there is no estimate.
        max_episode_steps: steps after which the environment itself truncates an episode; None where a time limit is left to
            Gymnasium, as nearly always.
        delayed: whether an observation may show an earlier state, so that a transition need not show its own context.
    """

    noise_size: int = 0
    has_derivatives: bool = False
    no_derivatives_because: str = ""
    derivative_source: str = "autodiff"
    derivative_steps: Array | None = None
    derivative_tolerance: float | None = None
    max_episode_steps: int | None = None
    delayed: bool = False
    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}  # type: ignore[misc]  # Gymnasium declares it per instance

    def latent_states(self, states: Array) -> Array:
        """The part of states that dynamics and rewards depend on.

        Args:
            states: (N, s).

        Returns:
            (N, l); the whole states unless overridden by a family whose states also hold what its sensors show or remember.
        """
        return states

    def rewards_of(
        self, states: Array, actions: Array, next_states: Array, contexts: Array, noise: Array | None = None
    ) -> Array | None:
        """The rewards that given transitions have in given contexts, whatever contexts they were simulated in.

        It tells what a coordinate changes in the reward itself from what it changes through the next state.

        Args:
            states: (N, s).
            actions: (N, a), or integers (N,) where Discrete.
            next_states: (N, s).
            contexts: (N, p).
            noise: (N, z).

        Returns:
            (N,), or None where the family cannot separate the two, as here.
        """
        return None

    @property
    def without_derivatives(self) -> str:
        """That the family has no derivatives, as the beginning of an error message."""
        reason = f", because {self.no_derivatives_because}" if self.no_derivatives_because else ""
        return f"{type(self).__name__} has no context derivatives{reason}"

    def states_from_observations(self, observations: Array) -> Array:
        """States whose observations are these, up to what neither next observation nor reward depends on.

        Args:
            observations: (N, o).

        Returns:
            (N, s).

        Raises:
            EnvError: observations do not determine the state.
        """
        raise EnvError(f"{type(self).__name__} does not say how observations determine its state: infos/state is needed")
