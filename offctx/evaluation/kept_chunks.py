"""Finished chunks of evaluations, each in a file of its own, so that an interrupted evaluation can go on.

The name of a file is a hash of all that decides about its content, so that another call does not use it. The file has
checksums. The chunk of a damaged file is played again.

Dimensions: k contexts of a chunk, p context coordinates.
"""

import contextlib
import hashlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType

import numpy as np

from offctx.contexts.space import Contexts
from offctx.data.storage.sealed_file import read_sealed, write_sealed
from offctx.envs.base import Array
from offctx.errors import EvaluationError
from offctx.evaluation.scoring import Scores
from offctx.words import count

_ATTEMPTS = 3


class KeptChunks:
    """A folder with the finished chunks of several calls of `evaluate`, `evaluate_controls` and `compare`.

    As a context manager it deletes the chunks where the block succeeds. Where the block is interrupted, they stay, and the same
    block goes on from them. Processes may share a folder.

    Args:
        folder: made where it does not exist.

    Raises:
        EvaluationError: it cannot be made or written to.

    Example::

        with offctx.KeptChunks("unfinished") as kept:
            reports = {name: offctx.evaluate(agent, env, episodes=64, seed=0, resume=kept) for name, agent in agents.items()}
            comparison = offctx.compare(reports, resume=kept)
            comparison.save("report")
    """

    def __init__(self, folder: str | Path) -> None:
        if not isinstance(folder, (str, Path)) or not str(folder):
            raise EvaluationError(f"resume must be the path of a folder; found {folder!r}")
        self.folder = Path(folder).absolute()
        self._used: set[str] = set()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EvaluationError(f"the folder of resume cannot be made: {error}") from error
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise EvaluationError(f"the folder of resume, {self.folder}, cannot be written to")

    def __enter__(self) -> "KeptChunks":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.discard()
        elif kind is KeyboardInterrupt and not str(error):
            kept = count(sum((self.folder / name).exists() for name in self._used), "chunk")
            raise KeyboardInterrupt(f"finished work is kept in {self.folder} ({kept}), and the same call goes on from there")

    def load(self, key: str, contexts: Contexts) -> dict[int, Scores] | None:
        """What `save_chunk` saved of the contexts (k, p); None where there is no file, or it is damaged.

        Args:
            key: of the call, by `call_key`.
            contexts: of the chunk.
        """
        name = _file_name(key, contexts)
        self._used.add(name)
        arrays = read_sealed(self.folder / name, name)
        return None if arrays is None else _scores(arrays)

    def discard(self) -> None:
        """Deletes the files of the chunks that were asked for, and what killed processes had half written of them."""
        for name in self._used:
            for path in (self.folder / name, *self.folder.glob(f".{name}.*.tmp")):
                with contextlib.suppress(OSError):  # the evaluation has succeeded
                    path.unlink(missing_ok=True)


Resume = str | Path | KeptChunks | None  # the argument `resume` of whatever plays


@contextlib.contextmanager
def kept_chunks(resume: Resume) -> Iterator[KeptChunks | None]:
    """Gives the chunks that an argument `resume` asks for. Where it is a folder, they are deleted when the block succeeds.

    Raises:
        EvaluationError: as `KeptChunks`.
    """
    if resume is None or isinstance(resume, KeptChunks):
        yield resume
    else:
        with KeptChunks(resume) as kept:
            yield kept


@dataclass(frozen=True)
class SavingWork:
    """Plays a chunk and saves it, where it was played: also chunks that wait for an earlier one survive.

    Attributes:
        work: plays a chunk.
        folder: of `KeptChunks`.
        key: of the call.
    """

    work: Callable[[Contexts], dict[int, Scores]]
    folder: Path
    key: str

    def __call__(self, contexts: Contexts) -> dict[int, Scores]:
        scores = self.work(contexts)
        save_chunk(self.folder, self.key, contexts, scores)
        return scores


def save_chunk(folder: Path, key: str, contexts: Contexts, scores: Mapping[int, Scores]) -> None:
    """Writes the file of a chunk. Another process that succeeds with the same call may delete it meanwhile.

    Args:
        folder: of `KeptChunks`.
        key: of the call, by `call_key`.
        contexts: of the chunk (k, p).
        scores: number of transitions seen -> scores.

    Raises:
        EvaluationError: it cannot be written.
    """
    name, arrays = _file_name(key, contexts), _arrays(scores)
    for attempt in range(_ATTEMPTS):
        try:
            return write_sealed(folder / name, name, arrays)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and folder.is_dir() and attempt < _ATTEMPTS - 1:
                continue
            hint = "" if folder.is_dir() else " (every worker needs the folder of resume, on a disk that all machines share)"
            raise EvaluationError(f"{socket.gethostname()} cannot write {folder / name}: {error}{hint}") from error
    return None


def _file_name(key: str, contexts: Contexts) -> str:
    rows = np.ascontiguousarray(contexts, dtype=np.float64)
    return hashlib.sha256(f"{key} {rows.shape} ".encode() + rows.tobytes()).hexdigest()[:32] + ".chunk"


def _arrays(scores: Mapping[int, Scores]) -> dict[str, Array]:
    named = {f"{number}/{name}": array for number, each in scores.items() for name, array in vars(each).items()}
    return {name: array for name, array in named.items() if array is not None}


def _scores(arrays: Mapping[str, Array]) -> dict[int, Scores]:
    numbers = dict.fromkeys(int(name.partition("/")[0]) for name in arrays)
    return {number: Scores(*(arrays.get(f"{number}/{field.name}") for field in fields(Scores))) for number in numbers}  # type: ignore[arg-type]  # rewards alone may be None
