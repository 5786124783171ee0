"""Runs cells side by side with joblib: one thread each, output in log files, a progress bar weighted by expected cost."""

import contextlib
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import joblib
from joblib.externals.loky import get_reusable_executor
from tqdm.auto import tqdm

from tools.reproduce.frame.cells import Cell

_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
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
    os.environ.update(_ONE_THREAD)  # read by numerical libraries when a process starts
    run = _run_in_fresh_process if fresh_processes else _run_logged
    tasks = [joblib.delayed(run)(index, _sendable(cell), log_path(logs, cell)) for index, cell in enumerate(cells)]
    parallel = joblib.Parallel(
        n_jobs=jobs, backend="threading" if fresh_processes else "loky", return_as="generator_unordered", batch_size=1,
        pre_dispatch=jobs,
    )  # fmt: skip
    failed = []
    total = sum(cell.cost for cell in cells)
    with _ended_by_sigterm(), tqdm(total=total, desc=f"{len(cells)} cells", bar_format=_BAR) as bar:
        try:
            for index, succeeded in parallel(tasks):
                cell = cells[index]
                bar.set_postfix_str(str(cell))
                bar.update(min(cell.cost, total - bar.n))  # rounding errors of the sum could exceed the total
                if not succeeded:
                    failed.append(cell)
                    bar.write(f"failed: {cell}; its output is in {log_path(logs, cell)}", file=sys.stderr)
        except BaseException:
            _end_processes()
            raise
    return failed


def log_path(logs: Path, cell: Cell) -> Path:
    """The file with everything that a cell printed."""
    return logs / f"{str(cell).replace('/', '-')}.log"


def _run_logged(index: int, cell: Any, log: Path) -> tuple[int, bool]:
    """Run a cell in this process; returns its index and whether it succeeded."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the starting process receives Ctrl-C too, and ends this one
    import torch

    torch.set_num_threads(1)
    with log.open("w") as file, _output_to(file.fileno()):
        try:
            cell.run()
        except Exception:
            traceback.print_exc(file=file)
            return index, False
    return index, True


def _run_in_fresh_process(index: int, cell: Any, log: Path) -> tuple[int, bool]:
    """Run a cell in a new process; returns its index and whether it succeeded, which its exit status says."""
    process = multiprocessing.get_context("spawn").Process(target=_run_and_exit, args=(cell, log))
    process.start()
    wait([process.sentinel])
    process.join()
    return index, process.exitcode == 0


def _run_and_exit(cell: Any, log: Path) -> None:
    """The main function of a new process."""
    sys.exit(0 if _run_logged(0, cell, log)[1] else 1)


def _sendable(cell: Cell) -> Any:
    """The cell in a wrapper that other processes can receive, even if the cell refers to lambdas."""
    return joblib.wrap_non_picklable_objects(cell)


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


def _end_processes() -> None:
    """End every process that runs a cell."""
    for process in multiprocessing.active_children():
        process.terminate()
    get_reusable_executor().shutdown(wait=False, kill_workers=True)
