"""What runs in a worker process: it unpacks the work once, and does one chunk of it after another."""

import contextlib
import functools
import os
import pickle
import signal
import threading
import time
from typing import Any

from tqdm import tqdm

from offctx.workers.threads import use_cores

OS_ERROR = "os_error"  # attribute of an error: the OSError that has caused it, such as that of a full disk
_POLL = 0.5  # seconds


class CannotUnpack(Exception):  # noqa: N818  # told to the user as an error of the caller
    """The work refers to something that a worker cannot import."""


def do_chunk(packed: bytes, chunk: Any, cores: int, parent: int | None) -> Any:
    """Does one chunk in a worker process.

    Args:
        packed: the work, pickled by its user's own process.
        chunk: its argument.
        cores: that this process may use.
        parent: the id of the process that started this one, where both end together; None on a cluster.

    Raises:
        CannotUnpack: the work needs a module that is not here.
        Exception: whatever the work raises, with the attribute `OS_ERROR` where an OSError has caused it.
    """
    use_cores(cores)
    _prepare(parent)
    try:
        return _unpack(packed)(chunk)
    except Exception as error:
        _note_os_error(error)
        raise


def _note_os_error(error: Exception) -> None:
    """Notes what has caused an error: its way to another process drops its causes."""
    cause = error.__cause__
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__
    if cause is not None:
        with contextlib.suppress(AttributeError):
            setattr(error, OS_ERROR, cause)


@functools.lru_cache(maxsize=1)
def _unpack(packed: bytes) -> Any:
    try:
        return pickle.loads(packed)
    except (ImportError, AttributeError) as error:
        raise CannotUnpack(str(error)) from error


@functools.lru_cache(maxsize=1)
def _prepare(parent: int | None) -> None:
    """Once in each process: interrupts are left to the parent, and the process ends where the parent has ended.

    The lock of progress bars becomes one of this process alone. It would be a semaphore of the system otherwise, and Python
    prints a warning of such a one where the process is killed, as it is after an error of another worker.
    """
    tqdm.set_lock(threading.RLock())
    if threading.current_thread() is threading.main_thread() and parent is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if parent is not None and os.getppid() == parent:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """Ends this process when its parent has been killed, so that no orphan works on."""
    while os.getppid() == parent:
        time.sleep(_POLL)
    os._exit(1)
