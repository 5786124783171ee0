"""Locks between processes: files that one process holds at a time. A lock dies with its process, also after kill -9.

A lock is the advisory `flock` of a small file, which says who holds it. The file is deleted when the lock is released; a
killed process leaves it behind, and the next process takes it over.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from offctx.data.storage.own_files import read_regular_file
from offctx.errors import OffctxWarning
from offctx.files import make_folder

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
_LARGEST = 1000  # bytes of the file of a lock
_INSTANT = 1.0  # seconds that a lock may be held by a process that only looks whether it is free
_held: set[int] = set()  # descriptors of the locks of this process
_notes: set[str] = set()  # what was said once


class Busy(Exception):  # noqa: N818  # a state, not an error
    """Another process, or another thread, holds the lock. `holder` says which."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


@contextlib.contextmanager
def locked(path: Path, what: str, *, wait: bool = False) -> Iterator[None]:
    """Holds a lock in the block.

    Where the file system has no locks, the block runs without one, after a warning.

    Args:
        path: the file of the lock. Its folder is made where it is missing, and deleted with its last lock.
        what: what the holder does, for messages: "collecting test/x-v0".
        wait: wait for the lock, after a warning that names the holder; False raises Busy within about a second.

    Raises:
        Busy: another process holds the lock, and `wait` is False.
        OSError: the file cannot be made.
    """
    lock = _acquire(path, wait=wait)
    try:
        if lock is not None:
            _sign(lock, what)
        yield
    finally:
        if lock is not None:
            _release(lock, path)


@contextlib.contextmanager
def locked_if_free(path: Path, failed: Callable[[OSError], None] = lambda error: None) -> Iterator[bool]:
    """Holds a lock in the block, where it is free at once. Gives whether it does.

    Args:
        path: the file of the lock.
        failed: called where nobody can hold the lock, as its file cannot be made or the file system has no locks.
    """
    try:
        lock = _try(path)
    except OSError as error:
        lock = None
        failed(error)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            _release(lock, path)


def holder(path: Path) -> str:
    """Who holds a lock, as text: "process 123 on host (collecting test/x-v0, since 10:02:03)"."""
    try:
        about = json.loads(read_regular_file(path, _LARGEST))
        return f"process {int(about['pid'])} on {about['host']} ({about['what']}, since {about['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _acquire(path: Path, *, wait: bool) -> int | None:
    """The descriptor of the lock; None where there are no locks."""
    deadline, announced = time.monotonic() + _INSTANT, False
    while True:
        try:
            lock = _try(path)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            _say_once(f"the file system of {path.parent.parent} has no locks: change its datasets by one process at a time")
            return None
        if lock is not None:
            return lock
        if time.monotonic() > deadline:
            if not wait:
                raise Busy(holder(path))
            if not announced:
                warnings.warn(f"waiting for {holder(path)}", OffctxWarning, stacklevel=4)
                announced = True
        time.sleep(0.1 if announced else 0.01)


def _try(path: Path) -> int | None:
    """The descriptor of the lock; None where another process has it. OSError where it cannot be made."""
    if fcntl is None:
        raise OSError(errno.ENOSYS, "no flock")
    while True:
        lock = _open(path)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_file(lock, path):  # else its last holder has deleted the file meanwhile
                _closed_in_children()
                _held.add(lock)
                return lock
        except BlockingIOError:
            os.close(lock)
            return None
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


def _open(path: Path) -> int:
    """Opens the file of a lock, and makes it and its folder where they are missing."""
    for attempt in range(100):  # the last lock of the folder may delete it between the two calls
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        except FileNotFoundError:
            if attempt == 99:
                raise
            make_folder(path.parent)
    raise AssertionError("unreachable")


def _is_file(lock: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _sign(lock: int, what: str) -> None:
    """Writes who holds the lock into its file. On a full disk the lock holds all the same."""
    since = datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S")
    about = {"pid": os.getpid(), "host": socket.gethostname(), "what": what, "since": since}
    with contextlib.suppress(OSError):
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps(about).encode(), 0)


def _release(lock: int, path: Path) -> None:
    if lock not in _held:
        return  # a child process that was forked meanwhile; its parent has the lock
    _held.discard(lock)
    with contextlib.suppress(OSError):
        path.unlink()  # before the lock is given up, so that nobody can take it twice
    with contextlib.suppress(OSError):  # of a bad disk; the descriptor is closed all the same
        os.close(lock)
    with contextlib.suppress(OSError):
        path.parent.rmdir()  # fails while there are other locks


_registered: list[bool] = []


def _closed_in_children() -> None:
    """A forked child must not keep a lock of its parent: from now on it closes its copies of the descriptors."""

    def close() -> None:
        for lock in _held:
            with contextlib.suppress(OSError):
                os.close(lock)
        _held.clear()

    if not _registered:
        _registered.append(True)
        os.register_at_fork(after_in_child=close)


def _say_once(note: str) -> None:
    if note not in _notes:
        _notes.add(note)
        warnings.warn(note, OffctxWarning, stacklevel=5)
