"""Runs cells side by side with joblib: one thread each, output in log files, a progress bar weighted by expected cost."""

import contextlib
import itertools
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_futures
from multiprocessing.connection import wait as wait_for_end
from pathlib import Path
from typing import Any

import joblib
from joblib.externals.loky import get_reusable_executor
from tqdm.auto import tqdm

from tools.reproduce.frame.cells import Cell

_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
_GRACE = 10.0  # seconds within which processes end after an interrupt
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of work [{elapsed}<{remaining}] {postfix}"


def run_cells(cells: Sequence[Cell], jobs: int, logs: Path, fresh_processes: bool = False) -> list[Cell]:
    """Run cells, each with one thread, and wait for all of them.

    A cell that fails does not stop the others. An interrupt (Ctrl-C or SIGTERM) ends every process that was started here.

    Args:
        cells: what to run, in this order.
        jobs: how many cells run at the same time.
        logs: the folder of the log files; each cell's output goes to a file of its own.
        fresh_processes: whether each cell gets a new process, as is necessary where a cell measures its own memory.
            Otherwise `jobs` processes run one cell after the other, which saves the time of imports.

    Returns:
        The cells that failed.
    """
    if not cells:
        return []
    logs.mkdir(parents=True, exist_ok=True)
    os.environ.update(_ONE_THREAD)  # numerical libraries read these when a process starts
    threads = ThreadPoolExecutor(jobs) if fresh_processes else None  # each thread starts one process after the other

    def submit(cell: Cell) -> Any:
        if threads is not None:
            return threads.submit(_run_in_fresh_process, cell, log_path(logs, cell))
        # If a process was killed, this call replaces the processes.
        return get_reusable_executor(jobs).submit(_run_logged, cell, log_path(logs, cell))

    with _ended_by_sigterm():
        try:
            failed = _collect(_outcomes(submit, cells, jobs), cells, logs)
        except BaseException:
            _end_processes(threads)
            raise
    (threads or get_reusable_executor()).shutdown()
    return failed


def _outcomes(submit: Callable[[Cell], Any], cells: Sequence[Cell], jobs: int) -> Iterator[tuple[Cell, bool]]:
    """Each cell when it ends, and whether it succeeded. At most `jobs` cells are submitted and not ended."""
    waiting = iter(cells)
    running = {submit(cell): cell for cell in itertools.islice(waiting, jobs)}
    while running:
        for future in wait_for_futures(running, return_when=FIRST_COMPLETED).done:
            cell = running.pop(future)
            yield cell, future.exception() is None and future.result()
            running |= {submit(cell): cell for cell in itertools.islice(waiting, 1)}


def _collect(outcomes: Iterator[tuple[Cell, bool]], cells: Sequence[Cell], logs: Path) -> list[Cell]:
    """Wait for all cells with a progress bar; returns the cells that failed."""
    failed = []
    total = sum(cell.cost for cell in cells)
    with tqdm(total=total, desc=f"{len(cells)} cells", bar_format=_BAR) as bar:
        for cell, succeeded in outcomes:
            bar.set_postfix_str(str(cell))
            bar.update(min(cell.cost, total - bar.n))  # rounding errors of the sum could exceed the total
            if not succeeded:
                failed.append(cell)
                bar.write(f"failed: {cell}; its output is in {log_path(logs, cell)}", file=sys.stderr)
    return failed


def log_path(logs: Path, cell: Cell) -> Path:
    """The file with everything that a cell printed."""
    return logs / f"{str(cell).replace('/', '-')}.log"


def _run_logged(cell: Any, log: Path) -> bool:
    """Run a cell in this process; returns whether it succeeded."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the starting process receives Ctrl-C too, and ends this one
    with log.open("w") as file, _output_to(file.fileno()):
        try:
            cell.run()
        except Exception:
            traceback.print_exc(file=file)
            return False
    return True


def _run_in_fresh_process(cell: Cell, log: Path) -> bool:
    """Run a cell in a new process; returns whether it succeeded, which the exit status says."""
    sendable = joblib.wrap_non_picklable_objects(cell)  # the cell may refer to lambdas
    process = multiprocessing.get_context("spawn").Process(target=_run_and_exit, args=(sendable, log))
    process.start()
    wait_for_end([process.sentinel])
    process.join()
    return process.exitcode == 0


def _run_and_exit(cell: Any, log: Path) -> None:
    """The main function of a new process."""
    sys.exit(0 if _run_logged(cell, log) else 1)


@contextlib.contextmanager
def _output_to(descriptor: int) -> Iterator[None]:
    """Redirects what this process prints, native libraries included, to an open file."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(number) for number in (1, 2)]
    try:
        for number in (1, 2):
            os.dup2(descriptor, number)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Turns SIGTERM into SystemExit, so that the processes started here are ended too."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end_processes(threads: ThreadPoolExecutor | None) -> None:
    """End every process that runs a cell, and start no other."""
    if threads is None:
        get_reusable_executor().shutdown(kill_workers=True)
        return
    threads.shutdown(wait=False, cancel_futures=True)
    deadline = time.monotonic() + _GRACE
    while multiprocessing.active_children() and time.monotonic() < deadline:
        for process in multiprocessing.active_children():
            process.terminate()
        time.sleep(0.05)
