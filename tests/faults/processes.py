"""Forked processes that are killed: at a moment, or before a given call that touches the file system."""

import fcntl
import mmap
import multiprocessing
import os
import signal
import stat
import sys
import threading
import time
import traceback
import warnings

import tqdm.auto
import tqdm.std
from joblib.externals.loky import reusable_executor
from joblib.externals.loky.backend import context as loky_context
from joblib.externals.loky.backend import resource_tracker

# What changes the file system: events that Python announces before it calls the system (sys.addaudithook), and functions that
# it calls unannounced. To be killed before a call that only reads is to be killed before the next one that changes something.
_EVENTS = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.utime"}
_FUNCTIONS = ("write", "pwrite", "pwritev", "writev", "sendfile", "fsync", "ftruncate", "posix_fallocate")
_LONGEST = 300  # seconds of a process
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def fork(function) -> int:
    """Runs a function in a forked process; returns its process id. It ends with status 0, or 1 after an exception.

    One that hangs ends by SIGALRM.
    """
    pid = os.fork()
    if pid:
        return pid
    status = 1
    signal.alarm(_LONGEST)
    reusable_executor._executor = None  # the workers of the parent do not answer a child
    for bar in (tqdm.std.tqdm, tqdm.auto.tqdm):
        bar.set_lock(threading.RLock())  # its own is shared by all processes, and a killed one never gives it back
    try:
        function()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def finish(pid: int) -> int:
    """Waits for a process; returns its exit status, or minus the number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run(function) -> int:
    return finish(fork(function))


def together(*functions) -> list[int]:
    """Runs functions in processes that begin at the same time; returns how they end."""
    reading, writing = os.pipe()

    def begin(function):
        def waiting():
            os.close(writing)
            os.read(reading, 1)  # returns when all copies of the other end are closed
            function()

        return waiting

    pids = [fork(begin(function)) for function in functions]
    os.close(reading)
    os.close(writing)
    return [finish(pid) for pid in pids]


def killed_after(function, seconds: float) -> int:
    """Runs a function in a process that is killed after so many seconds, where it has not ended before."""
    pid = fork(function)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    return finish(pid)


def killed_at_call(function, number: int) -> int:
    """Runs a function in a process that is killed before its call `number` (from 0) that changes the file system.

    The calls of its worker processes count, where these are forked; and they are killed with it.
    """
    return run(lambda: _count_calls(function, number))


def calls_of(function) -> int:
    """How many calls that change the file system a function makes, in a process of its own."""
    reading, writing = os.pipe()
    pid = fork(lambda: os.write(writing, b"%d" % _count_calls(function, None)))
    os.close(writing)
    with os.fdopen(reading) as file:
        number = file.read()
    assert finish(pid) == 0
    return int(number)


def start_before_forking() -> None:
    """Starts what all processes that are forked later share, so that none of them starts it."""
    resource_tracker.ensure_running()


def with_forked_workers(function):
    """The function, whose worker processes are forked from its own: in milliseconds, where new ones take seconds.

    They are killed and counted as their parent is.
    """

    def call():
        warnings.filterwarnings("ignore", "`fork` start method", UserWarning)
        loky_context.set_start_method("fork", force=True)
        function()

    return call


class _Counter:
    """Counts in all processes that are forked from this one."""

    def __init__(self) -> None:
        self._memory, self._lock = mmap.mmap(-1, 8), multiprocessing.get_context("fork").Lock()

    def next(self) -> int:
        """How often it was called before."""
        with self._lock:
            number = self.value
            self._memory[:] = (number + 1).to_bytes(8, "little")
        return number

    @property
    def value(self) -> int:
        return int.from_bytes(self._memory[:], "little")


def _changes(event: str, about) -> bool:
    return event in _EVENTS or (event == "open" and bool((about[2] or 0) & _WRITING))


def _count_calls(function, deadly: int | None) -> int:
    counter = _Counter()
    os.setpgid(0, 0)

    def call() -> None:
        if counter.next() == deadly:
            os.killpg(0, signal.SIGKILL)  # which is announced as well

    def wrapped(original):
        def replacement(descriptor, *arguments, **options):
            if stat.S_ISREG(os.fstat(descriptor).st_mode):  # no pipe between processes
                call()
            return original(descriptor, *arguments, **options)

        return replacement

    for name in _FUNCTIONS:
        setattr(os, name, wrapped(getattr(os, name)))
    fcntl.flock = wrapped(fcntl.flock)
    counting = [True]
    sys.addaudithook(lambda event, about: call() if counting[0] and _changes(event, about) else None)
    try:
        function()
    finally:
        counting[0] = False
    return counter.value
