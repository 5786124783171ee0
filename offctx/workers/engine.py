"""Doing chunks of work: in this process, in processes on this machine (loky), or on a Ray cluster.

What a chunk gives must depend on the work and the chunk alone. Then it does not matter who does it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from joblib.externals.loky.process_executor import BrokenProcessPool

from offctx.checks import ErrorClass
from offctx.workers.cores import available_cores
from offctx.workers.packing import pack
from offctx.workers.processes import results_of_processes
from offctx.workers.ray import import_ray, results_of_ray
from offctx.workers.worker import OS_ERROR, CannotUnpack

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")
Backend = Literal["loky", "ray"]


@dataclass(frozen=True)
class Workers:
    """Who does chunks of work.

    Attributes:
        n_jobs: how many at a time; -1 for all cores (of the cluster with Ray).
        backend: "loky" for processes on this machine, of which this process is one; "ray" for a cluster.
        error: the class of the errors of whoever asks for the work.
    """

    n_jobs: int
    backend: Backend
    error: ErrorClass

    @classmethod
    def check(cls, n_jobs: Any, backend: Any, error: ErrorClass) -> Workers:
        """The workers that a user asks for.

        Raises:
            OffctxError: of the class `error`: a bad number or name, or Ray is not installed.
        """
        if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or (n_jobs < 1 and n_jobs != -1):
            raise error(f"n_jobs must be a whole number of at least 1, or -1 for all cores; found {n_jobs!r}")
        if backend not in ("loky", "ray"):
            raise error(f'backend must be "loky" (processes on this machine) or "ray" (a Ray cluster); found {backend!r}')
        if backend == "ray":
            import_ray(error)
        elif n_jobs == -1:
            n_jobs = available_cores()
        return cls(n_jobs, backend, error)

    @property
    def this_process(self) -> bool:
        """Whether all is done in this process, one chunk after another."""
        return self.n_jobs == 1 and self.backend == "loky"

    def results(
        self,
        work: Callable[[Any], Result],
        chunks: Sequence[Chunk],
        *,
        prepare: Callable[[Chunk], Any] | None = None,
        in_order: bool = True,
    ) -> Generator[Result, None, None]:
        """Yields `work(chunk)` for each chunk. Chunks further on are done meanwhile.

        An error of a chunk is raised; the workers then end. Where `results` is closed early, they end as well.

        Args:
            work: a function, or an object that is called. Workers get it pickled, once for each chunk.
            chunks: its arguments.
            prepare: makes the argument from a chunk, in this process and when its turn comes, such as the rows of an array.
            in_order: yield in the order of the chunks; False yields each result as soon as it is there.

        Raises:
            OffctxError: of the class `error`: the work cannot be pickled, or a worker died.
        """
        if self.this_process:
            yield from map(work, map(prepare, chunks) if prepare else chunks)
        elif chunks:
            yield from self._parallel(work, chunks, prepare or _itself, in_order)

    def _parallel(
        self, work: Callable[[Any], Result], chunks: Sequence[Chunk], prepare: Callable[[Chunk], Any], in_order: bool
    ) -> Iterator[Result]:
        packed, arguments = pack(work, "the work", self.error), map(prepare, chunks)
        with self._worker_errors():
            if self.backend == "ray":
                yield from results_of_ray(packed, arguments, self.n_jobs, self.error)
                return
            jobs = min(self.n_jobs, len(chunks))
            cores = max(available_cores() // jobs, 1)
            with contextlib.closing(
                results_of_processes(packed, arguments, len(chunks), jobs, cores, in_order=in_order)
            ) as results:
                yield from results

    @contextlib.contextmanager
    def _worker_errors(self) -> Iterator[None]:
        """Errors of the workers themselves in the words of ours; errors of the work are passed on, with the OSError below."""
        try:
            yield
        except CannotUnpack as error:
            raise self.error(
                f"a worker process cannot import what the environment or the policy needs: {error}. Put it into a module that "
                "can be imported everywhere, or into the main script, or use n_jobs=1"
            ) from error
        except BrokenProcessPool as error:
            raise self.error(
                f"a worker process ended unexpectedly, perhaps for want of memory: {str(error).splitlines()[0]}"
            ) from error
        except Exception as error:
            cause = getattr(error, OS_ERROR, None)
            if not isinstance(cause, OSError):
                raise
            cause.__cause__ = error.__cause__  # where in the worker
            raise error from cause


def _itself(chunk: Any) -> Any:
    return chunk
