"""Chunks done by a Ray cluster. joblib talks to it."""

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from typing import Any

import joblib

from offctx.checks import ErrorClass
from offctx.workers.worker import do_chunk

_WINDOW = 4  # chunks for each job that are done before the first of their results is used: joblib gives none of Ray's earlier


def results_of_ray(packed: bytes, arguments: Iterator[Any], n_jobs: int, error: ErrorClass) -> Iterator[Any]:
    """Yields the result of the work for each argument, in their order.

    Args:
        packed: the work.
        arguments: of each chunk.
        n_jobs: chunks at a time; -1 for all cores of the cluster.
        error: the class of the errors.

    Raises:
        OffctxError: of the class `error`: Ray is not installed, or there is no cluster at RAY_ADDRESS.
        Exception: what the work raises.
    """
    tasks = (joblib.delayed(do_chunk)(packed, argument, 1, None) for argument in arguments)
    with _backend(error), joblib.Parallel(n_jobs=n_jobs, batch_size=1, max_nbytes=None) as parallel:
        size = _WINDOW * joblib.effective_n_jobs(n_jobs)
        while window := list(itertools.islice(tasks, size)):
            results: Sequence[Any] = parallel(window)
            yield from results


def import_ray(error: ErrorClass) -> Any:
    """Ray with its backend for joblib.

    Raises:
        OffctxError: of the class `error`: it is not installed.
    """
    try:
        import ray  # noqa: PLC0415  # an extra, which most users do not have
        import ray.util.joblib  # noqa: PLC0415
    except ImportError as fault:
        raise error(f'backend="ray" needs Ray: pip install "offctx[ray]" ({fault})') from fault
    return ray


@contextlib.contextmanager
def _backend(error: ErrorClass) -> Iterator[None]:
    """joblib uses Ray in the block."""
    ray = import_ray(error)
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
