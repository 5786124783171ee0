"""Chunks of work, done here or by worker processes."""

import builtins
import contextlib
import os
import threading
import time

import pytest
import torch

from offctx.errors import DatasetError, EvaluationError, OffctxError
from offctx.workers.cores import available_cores
from offctx.workers.engine import Workers
from offctx.workers.packing import pack

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")  # of loky's own threads


def test_one_job_is_done_here_one_after_another():
    workers = Workers.check(1, "loky", DatasetError)
    assert workers.this_process
    results = workers.results(lambda chunk: (chunk, os.getpid()), [3, 1, 2])
    assert next(results) == (3, os.getpid())
    assert list(results) == [(1, os.getpid()), (2, os.getpid())]


def test_minus_one_is_all_cores(monkeypatch):
    monkeypatch.setenv("OFFCTX_THREADS", "3")
    assert available_cores() == 3 == Workers.check(-1, "loky", DatasetError).n_jobs


@pytest.mark.parametrize("setting", ["many", "0", "-1", "5000", "9" * 5000])
def test_threads_that_are_no_number_are_an_error(setting, monkeypatch):
    monkeypatch.setenv("OFFCTX_THREADS", setting)
    with pytest.raises(OffctxError, match="OFFCTX_THREADS must be"):
        available_cores()


def _who(chunk):
    import torch

    from offctx.workers.cores import available_cores

    return chunk, os.getpid(), os.getppid(), torch.get_num_threads(), available_cores()


def test_two_jobs_are_this_process_and_one_more_which_share_the_cores(monkeypatch):
    monkeypatch.setenv("OFFCTX_THREADS", "7")
    threads = torch.get_num_threads()
    workers = Workers.check(2, "loky", DatasetError)
    chunks, processes, parents, torch_threads, cores = zip(*workers.results(_who, list(range(40))), strict=True)
    other = set(processes) - {os.getpid()}
    assert chunks == tuple(range(40)) and len(set(processes)) == 2 and len(other) == 1
    assert set(parents) == {os.getpid(), os.getppid()}
    assert set(torch_threads) == {1} and set(cores) == {3}
    assert available_cores() == 7 and torch.get_num_threads() == threads
    monkeypatch.setenv("OFFCTX_THREADS", "1")
    again = list(workers.results(_who, list(range(40))))
    assert {result[1] for result in again} == set(processes)  # the other process was kept
    assert {result[4] for result in again} == {1}


def _process(chunk):
    return os.getpid()


def test_this_process_does_chunks_while_the_others_start():
    _stop_workers()
    for in_order in (True, False):
        first = next(Workers.check(3, "loky", DatasetError).results(_process, list(range(9)), in_order=in_order))
        assert first == os.getpid()


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("here", [True, False])
def test_an_error_here_or_there_ends_the_workers(here, in_order):
    this_process = os.getpid()

    def failing(chunk):
        import time

        if (os.getpid() == this_process) == here:
            raise ZeroDivisionError(chunk)
        time.sleep(0.01)

    workers = Workers.check(2, "loky", DatasetError)
    worker = _worker()
    with pytest.raises(ZeroDivisionError):
        list(workers.results(failing, list(range(1000)), in_order=in_order))
    assert not _runs(worker)


def test_workers_end_where_results_are_closed_early():
    worker = _worker()
    results = Workers.check(2, "loky", DatasetError).results(_process, list(range(1000)))
    next(results)
    results.close()
    assert not _runs(worker)


def test_workers_that_have_just_begun_end_without_a_traceback():
    for _ in range(8):
        with contextlib.closing(Workers.check(2, "loky", DatasetError).results(_process, list(range(1000)))) as results:
            next(results)


def test_workers_stay_where_the_last_result_was_used_before_closing():
    worker = _worker()
    with contextlib.closing(Workers.check(2, "loky", DatasetError).results(_process, [1, 2, 3])) as results:
        for _ in range(3):
            next(results)
    assert _runs(worker) and _worker() == worker


@pytest.mark.parametrize("in_order", [True, False])
def test_results_that_nobody_uses_do_not_pile_up(in_order):
    begun = []

    def prepare(chunk):
        begun.append(chunk)
        return chunk

    results = Workers.check(2, "loky", DatasetError).results(_process, list(range(1000)), prepare=prepare, in_order=in_order)
    with contextlib.closing(results):
        processes = {next(results) for _ in range(20)}
        while len(processes) < 2:
            processes.add(next(results))
        used = len(begun)
        time.sleep(0.5)
        assert len(begun) <= used + 9


def test_a_worker_imports_no_more_than_the_work_needs():
    def work(chunk):
        import sys

        return os.getpid(), "torch" in sys.modules

    _stop_workers()
    results = list(Workers.check(2, "loky", DatasetError).results(work, list(range(2000))))
    there = {imported for process, imported in results if process != os.getpid()}
    assert there == {False}


def _worker():
    """The worker process beside this one, which is kept for the next call."""
    processes = set(Workers.check(2, "loky", DatasetError).results(_process, list(range(40))))
    return (processes - {os.getpid()}).pop()


def _runs(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _stop_workers():
    with contextlib.closing(Workers.check(2, "loky", DatasetError).results(_process, [1, 2, 3])) as results:
        next(results)


def test_results_may_come_as_they_are_finished():
    def work(chunk):
        import time

        time.sleep(3 * (chunk == 2))
        return chunk

    workers = Workers.check(2, "loky", DatasetError)
    assert list(workers.results(work, list(range(4)), in_order=False)) == [0, 1, 3, 2]


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

        return os.getpid(), type(tqdm.get_lock()).__name__

    locks = dict(Workers.check(2, "loky", DatasetError).results(lock, list(range(40))))
    del locks[os.getpid()]
    assert list(locks.values()) == ["RLock"]


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
