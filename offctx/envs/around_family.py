"""What environments around another contextual environment share: its time limit is theirs, and both close together."""

from typing import Any

from offctx.envs.base import Array, ContextualEnv


class AroundFamily(ContextualEnv):
    """A contextual environment around another one, `inner`, whose time limit it keeps."""

    inner: ContextualEnv

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Starts an episode, as every contextual environment does."""
        self._elapsed = 0
        return super().reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """One step; truncated at the time limit of the environment inside, if it has one."""
        observation, reward, terminated, _, info = super().step(action)
        self._elapsed += 1
        truncated = self.max_episode_steps is not None and self._elapsed >= self.max_episode_steps
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Closes the environment inside."""
        self.inner.close()  # type: ignore[no-untyped-call]  # Gymnasium does not type it
