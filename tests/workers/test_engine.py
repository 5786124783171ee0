"""Chunks of work, done here or by worker processes."""

import builtins
import contextlib
import os
import threading

import pytest
import torch

from offctx.errors import DatasetError, EvaluationError
from offctx.workers.cores import available_cores
from offctx.workers.engine import Workers, pack


def test_one_job_is_done_here_one_after_another():
    workers = Workers.check(1, "loky", DatasetError)
    assert workers.this_process
    results = workers.results(lambda chunk: (chunk, os.getpid()), [3, 1, 2])
    assert next(results) == (3, os.getpid())
    assert list(results) == [(1, os.getpid()), (2, os.getpid())]


def test_minus_one_is_all_cores(monkeypatch):
    monkeypatch.setenv("OFFCTX_THREADS", "3")
    assert available_cores() == 3 == Workers.check(-1, "loky", DatasetError).n_jobs


def test_workers_give_results_in_order_share_the_cores_and_end_with_their_parent(monkeypatch):
    monkeypatch.setenv("OFFCTX_THREADS", "7")
    begin = os.getpid()
    workers = Workers.check(2, "loky", DatasetError)

    def work(chunk):
        import torch

        from offctx.workers.cores import available_cores

        return chunk, os.getppid() == begin, torch.get_num_threads(), available_cores()

    results = list(workers.results(work, list(range(5))))
    assert results == [(chunk, True, 1, 3) for chunk in range(5)]
    assert available_cores() == 7 and torch.get_num_threads() >= 1
    monkeypatch.setenv("OFFCTX_THREADS", "1")
    assert list(workers.results(work, [0, 1])) == [(0, True, 1, 1), (1, True, 1, 1)]  # the same processes

    def failing(chunk):
        raise ZeroDivisionError(chunk)

    with contextlib.closing(workers.results(failing, [1, 2, 3])) as results, pytest.raises(ZeroDivisionError):
        next(results)


def test_results_may_come_as_they_are_finished():
    def work(chunk):
        import time

        time.sleep(3 * (chunk == 0))
        return chunk

    workers = Workers.check(2, "loky", DatasetError)
    results = list(workers.results(work, list(range(4)), in_order=False))
    assert sorted(results) == [0, 1, 2, 3] and results[0] != 0


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_full_disk_below_an_error_of_the_work_is_still_there(n_jobs):
    def work(chunk):
        try:
            raise OSError(28, "No space left on device", "a file")
        except OSError as error:
            raise DatasetError("cannot write") from error

    with pytest.raises(DatasetError, match=r"^cannot write$") as caught:
        list(Workers.check(n_jobs, "loky", DatasetError).results(work, [1, 2, 3]))
    cause = caught.value.__cause__
    assert isinstance(cause, OSError) and (cause.errno, cause.filename) == (28, "a file")


def test_workers_hold_no_semaphore_that_is_lost_when_they_are_killed():
    """An error of one worker kills the others; Python then warns of each semaphore that these have made."""

    def lock(chunk):
        from tqdm.auto import tqdm

        return type(tqdm.get_lock()).__name__

    assert list(Workers.check(2, "loky", DatasetError).results(lock, [1, 2])) == ["RLock"] * 2


def test_what_a_worker_cannot_import_is_said():
    import sys
    import types

    module = types.ModuleType("only_here")
    exec("def work(chunk): return chunk", module.__dict__)
    sys.modules["only_here"] = module
    try:
        with pytest.raises(EvaluationError, match=r"cannot import what .* needs: No module named 'only_here'"):
            list(Workers.check(2, "loky", EvaluationError).results(module.work, [1, 2]))
    finally:
        del sys.modules["only_here"]


def test_what_cannot_be_pickled_is_named():
    with pytest.raises(DatasetError, match="the thing cannot be sent to worker processes"):
        pack(threading.Lock(), "the thing", DatasetError)


def test_ray_is_asked_for_where_it_is_missing(monkeypatch):
    real = builtins.__import__

    def without_ray(name, *arguments, **options):
        if name.split(".")[0] == "ray":
            raise ImportError("no ray")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_ray)
    with pytest.raises(DatasetError, match=r'backend="ray" needs Ray: pip install "offctx\[ray\]"'):
        Workers.check(2, "ray", DatasetError)
