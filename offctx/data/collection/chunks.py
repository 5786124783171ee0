"""Doing a collection: one part at once, or several as chunks that are saved, by whatever workers."""

import contextlib
import warnings
from collections.abc import Generator, Iterator
from functools import partial

from tqdm.auto import tqdm

from offctx.data.collection.identity import task_key
from offctx.data.collection.parts import Part
from offctx.data.collection.task import SavedPart, Task, sendable
from offctx.data.collection.write import Labels, write_collection
from offctx.data.episodes import Episodes
from offctx.data.metadata import Metadata
from offctx.data.storage.ids import dataset_folder
from offctx.data.storage.saved_chunks import SavedChunks, save_chunk
from offctx.envs.resolve import EnvLike
from offctx.errors import DatasetError, OffctxError, OffctxWarning
from offctx.words import count
from offctx.workers.engine import Workers
from offctx.workers.threads import one_thread

Parts = Generator[Episodes, None, None]


def collect_task(task: Task, env: EnvLike, workers: Workers, labels: Labels, *, progress: bool) -> Metadata:
    """Collects the dataset of a task. The lock of its id is held.

    A task of one part is done in this process, and an interruption leaves nothing. The parts of a larger one are saved as they
    are finished, and stay after an interruption or an error until the same task has succeeded.

    Args:
        task: what is asked.
        env: the environment as the user gave it, which workers make anew.
        workers: who plays the parts.
        labels: what is written beside the data.
        progress: show progress bars.

    Returns:
        The metadata as they are stored.

    Raises:
        OffctxError: as `collect` says; its message says which part of the work is kept.
    """
    saved = None
    if len(task.parts) > 1:
        key = task_key(task)
        saved = SavedChunks(task.dataset_id, key.name, lasting=key.lasting)
    with _kept_after_errors(task, saved):
        if saved is None:
            parts: Parts = (task.do(part, progress=progress) for part in task.parts)
        else:
            parts = _saved_parts(task, env, workers, saved, progress)
        with contextlib.closing(parts):
            again = None if saved is None else partial(saved.array, chunks=len(task.parts))
            written = write_collection(task, parts, labels, again=again, progress=progress and saved is None)
        if saved is not None:
            saved.discard()
    return written


def _saved_parts(task: Task, env: EnvLike, workers: Workers, saved: SavedChunks, progress: bool) -> Parts:
    """All parts in order. Those that are not saved yet are done by the workers."""
    work = SavedPart(task, saved.folder) if workers.this_process else sendable(task, env, saved.folder)
    saved.make()
    finished = saved.finished(len(task.parts))
    todo = [part for part in task.parts if part.number not in finished]
    size = {part.number: len(part.seeds) for part in task.parts}
    bar = tqdm(
        desc=f"collecting {count(len(task.parts), 'chunk')}",
        total=sum(size.values()),
        initial=sum(size[number] for number in finished),
        unit="episode",
        disable=not progress,
    )
    with bar, one_thread(), contextlib.closing(workers.results(work, todo)) as results:
        for part in task.parts:
            if part.number not in finished:
                next(results)
                bar.update(size[part.number])
            yield _load(task, part, saved)


def _load(task: Task, part: Part, saved: SavedChunks) -> Episodes:
    """A saved part; one whose file is damaged is done again."""
    episodes = saved.load(part.number)
    if episodes is None:
        save_chunk(saved.folder, part.number, task.do(part))
        episodes = saved.load(part.number)
    if episodes is None:
        raise DatasetError(f"what is written to {saved.folder} is not what is read there: is the disk damaged?")
    return episodes


@contextlib.contextmanager
def _kept_after_errors(task: Task, saved: SavedChunks | None) -> Iterator[None]:
    """Errors and interruptions in the block say how many chunks are kept."""
    try:
        yield
    except KeyboardInterrupt:
        if dataset_folder(task.dataset_id).exists():
            raise
        kept = _kept(task, saved) or "nothing was written"
        raise KeyboardInterrupt(f"collecting {task.dataset_id} was interrupted: {kept}") from None
    except OffctxError as error:
        kept = _kept(task, saved)
        if not kept:
            raise
        raise type(error)(f"{error}; {kept}") from error
    except Exception:
        if kept := _kept(task, saved):
            warnings.warn(f"collecting {task.dataset_id} failed: {kept}", OffctxWarning, stacklevel=4)
        raise


def _kept(task: Task, saved: SavedChunks | None) -> str:
    """What is kept, as text; "" for nothing."""
    finished = len(saved.finished(len(task.parts))) if saved is not None and saved.lasting else 0
    if saved is not None and not finished:
        saved.discard()
    return f"{finished} of {len(task.parts)} chunks are kept, and the same call goes on from there" if finished else ""
