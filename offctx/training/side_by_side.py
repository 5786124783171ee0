"""Long pieces of work side by side, one process and one thread each, with one progress bar."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import joblib
import torch
from tqdm.auto import tqdm

from offctx.notices import quiet
from offctx.workers.cores import system_cores

Result = TypeVar("Result")
Work = Callable[[str, Callable[[float], None]], Result]

_POLL = 0.5  # seconds between two looks at the progress


def run_side_by_side(
    work: Work[Result], names: Sequence[str], *, description: str, progress: bool = True, jobs: int | None = None
) -> list[Result]:
    """Run the same function with several names, in several processes. An interrupt (Ctrl-C) ends all of them.

    Args:
        work: called as `work(name, report_progress)` in another process, where torch has one thread. It calls
            `report_progress(share)` with the share of its work that is done, in (0, 1].
        names: what tells the pieces of work apart.
        description: of the progress bar.
        progress: show a progress bar.
        jobs: how many processes; as many as the process may use cores where not given, and never more than names.

    Returns:
        The results, in the order of the names.

    Raises:
        Exception: the first error of a piece of work; the other pieces are ended.
    """
    executor = joblib.externals.loky.ProcessPoolExecutor(max_workers=min(jobs or system_cores(), len(names)))
    with tempfile.TemporaryDirectory(prefix="offctx-progress-") as folder:
        files = [Path(folder) / str(k) for k in range(len(names))]
        try:
            futures = [
                executor.submit(joblib.wrap_non_picklable_objects(_run), work, name, file)
                for name, file in zip(names, files, strict=True)
            ]
            _wait(futures, files, description, progress)
            failed = [future for future in futures if future.done() and future.exception() is not None]
            return [future.result() for future in failed or futures]
        except BaseException:
            executor.shutdown(kill_workers=True)
            raise
        finally:
            executor.shutdown()


def _run(work: Work[Result], name: str, file: Path) -> Result:
    """One piece of work, in its process; it writes its progress to a file."""
    torch.set_num_threads(1)
    quiet()

    def report_progress(share: float) -> None:
        file.write_text(str(share))

    return work(name, report_progress)


def _wait(futures: Sequence[Any], files: Sequence[Path], description: str, progress: bool) -> None:
    """Show the progress until all futures are done, or one has failed."""
    bar_format = "{desc}: {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"
    with tqdm(total=float(len(futures)), desc=description, bar_format=bar_format, disable=not progress) as bar:
        while not all(future.done() for future in futures):
            done, _ = joblib.externals.loky.wait(futures, timeout=_POLL, return_when="FIRST_EXCEPTION")
            if any(future.exception() for future in done):
                return
            shares = [1.0 if future.done() else _share(file) for future, file in zip(futures, files, strict=True)]
            bar.update(max(0.0, sum(shares) - bar.n))


def _share(file: Path) -> float:
    """The progress that a file says; 0 before it is there, and while it is being written."""
    try:
        return min(float(file.read_text()), 1.0)
    except (FileNotFoundError, ValueError):
        return 0.0
