"""What augmentations share that simulate transitions anew by the environment of the data."""

from offctx.augmentations.outcomes import required_to_simulate
from offctx.buffers.augmentation import Augmentation
from offctx.contexts.space import ContextSpace
from offctx.envs.resolve import EnvLike, resolve
from offctx.errors import ContextError


class SimulatingAugmentation(Augmentation):
    """An augmentation that simulates rows and windows by the environment of the data.

    Args:
        env: of the data (an id, a factory or an environment).
    """

    def __init__(self, env: EnvLike) -> None:
        self._env = resolve(env).env

    @property
    def requires(self) -> tuple[str, ...]:
        """Simulator states, and the noise of the transitions where the environment has any."""
        return required_to_simulate(self._env)

    @property
    def handles_history(self) -> bool:
        """True: a window stays in the context of its rows."""
        return True

    def check(self, space: ContextSpace) -> None:
        """Checks that the environment has the context of the data.

        Args:
            space: of the data.

        Raises:
            ContextError: the names differ.
        """
        if self._env.context_space.names != space.names:
            names = list(self._env.context_space.names)
            raise ContextError(f"{self.name}'s environment has the context {names}; the data have {list(space.names)}")
