"""Who computes batches of derivatives: this process, or workers.

Dimensions: n transitions of one batch, o observation, p context.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from offctx.data.derivatives.inputs import SimulationInputs
from offctx.data.derivatives.saved_batches import BatchFiles, SavedBatches, pack
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

    def derivatives(
        self, inputs: SimulationInputs, batches: Sequence[slice], saved: SavedBatches | None
    ) -> Generator[tuple[int, Array], None, None]:
        """Yields the first transition of each batch, and its packed derivatives, (n, o p + p) or one column more.

        The batches come as they are finished, in any order: what one worker has done does not wait for another.

        Args:
            inputs: the transitions.
            batches: of them.
            saved: where whoever computes a batch saves it, at once: a killed call loses those that workers are at, no others.
                Worker processes then give back its number alone, so that batches never pile up in this process.

        Raises:
            DerivativeError: a derivative is not finite.
            DatasetError: a worker process died, or a batch cannot be written, or was damaged after that.
        """

        def prepare(batch: slice) -> tuple[int, tuple[Any, ...]]:
            return batch.start, inputs.batch(batch)

        files = None if saved is None else saved.files
        work = _Work(self.env, inputs.dtype, files, by_file=files is not None and not self.workers.this_process)
        for begin, computed in self.workers.results(work, batches, prepare=prepare, in_order=False):
            packed = computed if saved is None else saved.take(begin, computed)
            assert packed is not None
            yield begin, packed


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
    """The number of the first transition of a batch, and its derivatives, or None where they are to be read from the file."""

    env: ContextualEnv | SendableEnv
    dtype: Any
    files: BatchFiles | None
    by_file: bool

    def __call__(self, batch: tuple[int, tuple[Array, ...]]) -> tuple[int, Array | None]:
        begin, arguments = batch
        packed = pack(self._made.derivatives_with_error(*arguments), self.dtype)
        if self.files is not None:
            self.files.write(begin, packed)
        return begin, None if self.by_file else packed

    @cached_property
    def _made(self) -> ContextualEnv:
        return self.env.make().env if isinstance(self.env, SendableEnv) else self.env
