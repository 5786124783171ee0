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
    """Computes derivatives batch by batch.

    Attributes:
        env: the environment, or how a worker makes it.
        workers: who computes.
    """

    env: ContextualEnv | SendableEnv
    workers: Workers

    def derivatives(self, inputs: SimulationInputs, batches: Sequence[slice]) -> Generator[tuple[int, Array], None, None]:
        """Yields the first transition of each batch, and its packed derivatives, (n, o p + p) or one column more.

        The batches come as they are finished, in any order: what one worker has done does not wait for another.

        Raises:
            DerivativeError: a derivative is not finite.
            DatasetError: a worker process died.
        """

        def prepare(batch: slice) -> tuple[int, tuple[Any, ...]]:
            return batch.start, inputs.batch(batch)

        return self.workers.results(_Work(self.env, inputs.dtype), batches, prepare=prepare, in_order=False)


def in_this_process(env: ContextualEnv) -> Differentiator:
    """A differentiator that computes in this process."""
    return Differentiator(env, Workers(1, "loky", DatasetError))


def by_workers(env: EnvLike | None, resolved: ResolvedEnv, workers: Workers) -> Differentiator:
    """A differentiator that has workers compute, which make the environment themselves.

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
    """The derivatives of one batch, beside the number of its first transition."""

    env: ContextualEnv | SendableEnv
    dtype: Any

    def __call__(self, batch: tuple[int, tuple[Array, ...]]) -> tuple[int, Array]:
        begin, arguments = batch
        return begin, pack(self._made.derivatives_with_error(*arguments), self.dtype)

    @cached_property
    def _made(self) -> ContextualEnv:
        return self.env.make().env if isinstance(self.env, SendableEnv) else self.env
