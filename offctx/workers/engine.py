"""Doing chunks of work: in this process, in processes on this machine (loky), or on a Ray cluster. joblib runs the latter two.

What a chunk gives must depend on the work and the chunk alone. Then it does not matter who does it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import cloudpickle
import joblib
from joblib.externals.loky.process_executor import BrokenProcessPool

from offctx.checks import ErrorClass
from offctx.workers.cores import available_cores
from offctx.workers.worker import OS_ERROR, CannotUnpack, do_chunk

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")
Backend = Literal["loky", "ray"]
_WINDOW = 4  # chunks for each job that are done before the first of their results is used, where there is no other way


@dataclass(frozen=True)
class Workers:
    """Who does chunks of work.

    Attributes:
        n_jobs: how many at a time; -1 for all cores (of the cluster with Ray).
        backend: "loky" for processes on this machine, "ray" for a cluster. With one job and loky, this process does it all.
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
            _import_ray(error)
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
            yield from self._parallel(work, chunks, prepare or _itself, "generator" if in_order else "generator_unordered")

    def _parallel(
        self, work: Callable[[Any], Result], chunks: Sequence[Chunk], prepare: Callable[[Chunk], Any], form: str
    ) -> Iterator[Result]:
        packed, here = pack(work, "the work", self.error), self.backend == "loky"
        jobs = self.n_jobs if self.n_jobs == -1 else min(self.n_jobs, len(chunks))
        cores, parent = (max(available_cores() // jobs, 1), os.getpid()) if here else (1, None)
        tasks = (joblib.delayed(do_chunk)(packed, prepare(chunk), cores, parent) for chunk in chunks)
        options: dict[str, Any] = {"n_jobs": jobs, "batch_size": 1, "pre_dispatch": "n_jobs + 1", "max_nbytes": None}
        with _backend(self.backend, self.error), self._worker_errors():
            if self.backend == "ray":
                yield from _in_windows(tasks, options)
                return
            results = joblib.Parallel(**options, return_as=form)(tasks)
            try:
                yield from results
            finally:
                results.close()

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


def _in_windows(tasks: Iterator[Any], options: dict[str, Any]) -> Iterator[Any]:
    """The results of tasks with a backend of joblib that gives no result before all are there, such as Ray's."""
    with joblib.Parallel(**options) as parallel:
        size = _WINDOW * joblib.effective_n_jobs(options["n_jobs"])
        while window := list(itertools.islice(tasks, size)):
            yield from parallel(window)


def _itself(chunk: Any) -> Any:
    return chunk


def pack(value: Any, what: str, error: ErrorClass) -> bytes:
    """Pickles what goes to workers within the user's own machine or cluster.

    Args:
        value: anything; functions and classes of the main script go by value, those of modules by name.
        what: its name, for the error.
        error: the class of the error.

    Raises:
        OffctxError: of the class `error`: it cannot be pickled.
    """
    try:
        return bytes(cloudpickle.dumps(value))
    except Exception as fault:  # whatever the objects inside raise
        raise error(f"{what} cannot be sent to worker processes, as it cannot be pickled: {fault}; use n_jobs=1") from fault


def _import_ray(error: ErrorClass) -> Any:
    try:
        import ray  # noqa: PLC0415  # an extra, which most users do not have
        import ray.util.joblib  # noqa: PLC0415
    except ImportError as fault:
        raise error(f'backend="ray" needs Ray: pip install "offctx[ray]" ({fault})') from fault
    return ray


@contextlib.contextmanager
def _backend(name: Backend, error: ErrorClass) -> Iterator[None]:
    """joblib's backend in the block."""
    if name == "loky":
        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            yield
        return
    ray = _import_ray(error)
    if not ray.is_initialized():
        try:
            _connect(ray)
        except Exception as fault:  # Ray raises many kinds
            address = os.environ.get("RAY_ADDRESS")
            raise error(f"no Ray cluster {f'at RAY_ADDRESS={address!r}' if address else 'on this machine'}: {fault}") from fault
    ray.util.joblib.register_ray()
    with joblib.parallel_config(backend="ray"):
        yield


def _connect(ray: Any) -> None:
    """Connects to the cluster at RAY_ADDRESS, else to that of this machine; where there is none, starts one here."""
    address = os.environ.get("RAY_ADDRESS")
    try:
        ray.init(address=address or "auto", log_to_driver=False)
    except ConnectionError:
        if address:
            raise
        ray.init(address="local", include_dashboard=False, log_to_driver=False)
