"""Who computes batches of derivatives: this process, or workers.

Dimensions: n transitions of one batch, o observation, p context.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from offctx.data.derivatives.inputs import SimulationInputs
from offctx.data.derivatives.saved_batches import pack
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.resolve import EnvLike, ResolvedEnv
from offctx.envs.sendable import SendableEnv
from offctx.errors import DatasetError, EnvError
from offctx.workers.engine import Workers


@dataclass(frozen=True)
class Differentiator:
    """Computes derivatives, one batch after another, in order.

    Attributes:
        env: the environment, or how a worker makes it.
        workers: who computes.
    """

    env: ContextualEnv | SendableEnv
    workers: Workers

    def derivatives(self, inputs: SimulationInputs, batches: Sequence[slice]) -> Generator[Array, None, None]:
        """Yields the packed derivatives of each batch of transitions, (n, o p + p) or one column more.

        Raises:
            DerivativeError: a derivative is not finite.
            DatasetError: a worker process died.
        """
        return self.workers.results(_Work(self.env, inputs.dtype), batches, prepare=inputs.batch)


def here(env: ContextualEnv) -> Differentiator:
    """In this process."""
    return Differentiator(env, Workers(1, "loky", DatasetError))


def by_workers(env: EnvLike | None, resolved: ResolvedEnv, workers: Workers) -> Differentiator:
    """By workers, which make the environment themselves.

    Args:
        env: as the user gave it, if so.
        resolved: the environment.
        workers: who computes.

    Raises:
        EnvError: the environment cannot be pickled.
    """
    if workers.this_process:
        return Differentiator(resolved.env, workers)
    return Differentiator(SendableEnv.of(env if isinstance(env, str) else resolved.env, resolved, EnvError), workers)


@dataclass(frozen=True)
class _Work:
    """The derivatives of one batch."""

    env: ContextualEnv | SendableEnv
    dtype: Any

    def __call__(self, batch: tuple[Array, ...]) -> Array:
        return pack(self._made.derivatives_with_error(*batch), self.dtype)

    @cached_property
    def _made(self) -> ContextualEnv:
        return self.env.make().env if isinstance(self.env, SendableEnv) else self.env
