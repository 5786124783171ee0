"""What environments around another contextual environment share: its time limit is theirs, and both close together."""

from typing import Any

import numpy as np

from offctx.envs.base import Array, ContextualEnv


class AroundFamily(ContextualEnv):
    """A contextual environment around another one, `inner`, whose time limit it keeps."""

    inner: ContextualEnv

    def draw_noise(self, rng: np.random.Generator, n: int) -> Array:
        """The noise (n, z) of the first n steps of an episode."""
        return self.noise_of_steps(rng, n)

    def noise_of_steps(self, rng: np.random.Generator, n: int, first: int = 0) -> Array:
        """The noise (n, z) of n steps from `first` on; that of the family inside is what it draws by itself."""
        return self.inner.noise_of_steps(rng, n, first)

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """One step; truncated at the time limit of the environment inside, if it has one."""
        observation, reward, terminated, _, info = super().step(action)
        truncated = self.max_episode_steps is not None and self._time >= self.max_episode_steps
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Closes the environment inside."""
        self.inner.close()  # type: ignore[no-untyped-call]  # Gymnasium does not type it
