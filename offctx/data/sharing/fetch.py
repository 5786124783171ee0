"""Fetching blocks of a file from mirrors, in threads; each block is verified before it counts as fetched.

Dimensions: B blocks of the file.
"""

import hashlib
import io
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from offctx.data.sharing.manifest import SharedFile
from offctx.data.sharing.remotes.remote import Interrupted, Remote, RemoteError, Stream
from offctx.data.storage.block_hashes import hash_blocks, write_fully
from offctx.errors import DatasetError

_RUN = 16 * 1024 * 1024  # bytes asked for in one request, at most
_LONGEST_PAUSE = 30.0  # seconds


@dataclass(frozen=True)
class Patience:
    """How hard a fetch tries.

    Attributes:
        retries: of a mirror, one after another, without a new byte in between.
        pause: seconds before the first of them; doubled each time.
        workers: connections at once.
    """

    retries: int = 5
    pause: float = 0.5
    workers: int = 8


@dataclass
class Mirror:
    """A remote that has the dataset's files below a folder."""

    remote: Remote
    folder: str


@dataclass
class Fetched:
    """What came over the network: numbers of blocks and of bytes, those of cut connections included."""

    blocks: int = 0
    bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, blocks: int, count: int) -> None:
        """Counts more, from any thread."""
        with self.lock:
            self.blocks += blocks
            self.bytes += count


class FileFetch:
    """A file on the disk that fills with the blocks of a file of the manifest.

    Args:
        file: what is wanted.
        path: on the disk, with the right size; blocks that are right already are not fetched.
        mirrors: tried in turn.
        patience: how hard.
        fetched: counts what came over the network.
        done: told of bytes of blocks that are there, from any thread.
        fresh: the file on the disk has no block yet.
    """

    def __init__(
        self,
        file: SharedFile,
        path: Path,
        mirrors: Sequence[Mirror],
        patience: Patience,
        fetched: Fetched,
        done: Callable[[int], object] = lambda count: None,
        *,
        fresh: bool = False,
    ) -> None:
        self.file = file
        self._path, self._mirrors, self._patience, self._fetched, self._done = path, mirrors, patience, fetched, done
        self._faults: dict[int, str] = {}  # of mirrors that are not asked again for this file
        self._stop = threading.Event()
        self._whole = threading.Lock()
        self._buffers = threading.local()
        hashes = [""] * len(file.blocks) if fresh else hash_blocks(path, file.size)
        self._present = [found_hash == block_hash for found_hash, block_hash in zip(hashes, file.blocks, strict=True)]
        self._done(sum(self._length(block) for block, present in enumerate(self._present) if present))

    def fetch(self, blocks: Iterable[int] | None = None) -> None:
        """Fetches those of these blocks that are missing; all where None.

        Raises:
            DatasetError: no mirror has them. What has arrived stays in the file.
        """
        wanted = list(range(len(self._present)) if blocks is None else blocks)
        for block in self._missing(wanted)[:1]:  # alone: it finds mirrors that lack the file, or send it whole only
            self._fetch_run(block, block + 1)
        runs = self._runs(self._missing(wanted))
        if not runs:
            return
        with ThreadPoolExecutor(min(self._patience.workers, len(runs))) as pool:
            futures = [pool.submit(self._fetch_run, first, last) for first, last in runs]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                self._end(futures)
        faults = [future.exception() for future in futures if not future.cancelled()]
        for fault in sorted(filter(None, faults), key=lambda fault: isinstance(fault, _Stopped)):
            raise fault

    def blocks_of(self, begin: int, end: int) -> range:
        """The blocks that hold the bytes [begin, end)."""
        return range(begin // self.file.block_size, -(-min(end, self.file.size) // self.file.block_size))

    def _end(self, futures: list[Future[None]]) -> None:
        """Stops what still runs, after a failure or an interrupt."""
        if not all(future.done() and not future.exception() for future in futures):
            self._stop.set()
            for future in futures:
                future.cancel()

    def _missing(self, wanted: list[int]) -> list[int]:
        return [block for block in wanted if not self._present[block]]

    def _runs(self, missing: list[int]) -> list[tuple[int, int]]:
        """Runs [first, last) of neighbouring blocks, each for one request."""
        longest = max(1, _RUN // self.file.block_size)
        runs: list[tuple[int, int]] = []
        for block in missing:
            if runs and block == runs[-1][1] and block - runs[-1][0] < longest:
                runs[-1] = (runs[-1][0], block + 1)
            else:
                runs.append((block, block + 1))
        return runs

    def _fetch_run(self, first: int, last: int) -> None:
        for number, mirror in enumerate(self._mirrors):
            if number in self._faults:
                continue
            try:
                first = self._from_mirror(mirror, first, last)
                return
            except RemoteError as error:
                self._faults[number] = str(error)
            first = next((block for block in range(first, last) if not self._present[block]), last)
        raise DatasetError(f"cannot fetch {self.file.path}: " + "; ".join(self._faults[n] for n in sorted(self._faults)))

    def _from_mirror(self, mirror: Mirror, first: int, last: int) -> int:
        """Fetches a run from one mirror, with retries. Raises RemoteError where it does not give the blocks."""
        position = _Position(first * self.file.block_size, self._view())
        end = min(last * self.file.block_size, self.file.size)
        failures, reached = 0, (0, position.next)
        while position.next < end:
            self._check_stopped()
            try:
                with mirror.remote.stream(f"{mirror.folder}{self.file.stored_as()}", position.next, end) as stream:
                    if not stream.partial:
                        return self._fetch_whole(mirror, stream, last)
                    self._read(stream, position, end, mirror)
            except Interrupted as error:
                now = (sum(self._present), position.next)
                failures, reached = (0 if now > reached else failures + 1), now
                if failures > self._patience.retries:
                    raise RemoteError(f"{error}, after {failures} attempts") from error
                self._stop.wait(min(self._patience.pause * 2 ** max(failures - 1, 0), _LONGEST_PAUSE))
        return last

    def _fetch_whole(self, mirror: Mirror, stream: Stream, last: int) -> int:
        """Reads a whole file from a server that cannot send parts, once for all threads, and keeps what is missing."""
        with self._whole:
            if not all(self._present):
                self._read(stream, _Position(0, self._view()), self.file.size, mirror)
        return last

    def _read(self, stream: Stream, position: "_Position", end: int, mirror: Mirror) -> None:
        """Reads blocks one after another, verifies and writes them."""
        size = self.file.block_size
        with self._path.open("rb+", buffering=0) as out:
            while position.next < end:
                block = position.next // size
                view = position.view[: self._length(block)]
                while position.filled < len(view):
                    self._check_stopped()
                    count = stream.readinto(view[position.filled :])
                    if not count:
                        raise Interrupted(f"{mirror.remote.name}: {self.file.path} ends early, at byte {position.next}")
                    self._fetched.add(0, count)
                    position.advance(count)
                self._verify(block, view, mirror)
                self._keep(out, block, view)
                position.filled = 0

    def _verify(self, block: int, view: memoryview, mirror: Mirror) -> None:
        if hashlib.sha256(view).hexdigest() != self.file.blocks[block]:
            raise RemoteError(f"{mirror.remote.name}: block {block} of {self.file.path} differs from the manifest")

    def _keep(self, out: io.FileIO, block: int, view: memoryview) -> None:
        if self._present[block]:
            return
        out.seek(block * self.file.block_size)
        write_fully(out.write, view)
        self._present[block] = True
        self._fetched.add(1, 0)
        self._done(len(view))

    def _length(self, block: int) -> int:
        return min(self.file.block_size, self.file.size - block * self.file.block_size)

    def _view(self) -> memoryview:
        """A buffer for one block, one a thread."""
        if not hasattr(self._buffers, "view"):
            self._buffers.view = memoryview(bytearray(self.file.block_size))
        view: memoryview = self._buffers.view
        return view

    def _check_stopped(self) -> None:
        if self._stop.is_set():
            raise _Stopped(f"stopped while {self.file.path} was fetched")


class _Stopped(DatasetError):  # noqa: N818  # a state, not an error
    """Another thread has failed, and its error is the one to raise."""


@dataclass
class _Position:
    """Where a thread is: the offset of its next byte, and how much of that byte's block its buffer holds."""

    next: int
    view: memoryview
    filled: int = 0

    def advance(self, count: int) -> None:
        self.next += count
        self.filled += count
