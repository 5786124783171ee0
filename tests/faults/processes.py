"""Forked processes that are killed: at a moment, or before a given call that touches the file system."""

import fcntl
import os
import signal
import sys
import time
import traceback

from joblib.externals.loky import reusable_executor

# What changes the file system: events that Python announces before it calls the system (sys.addaudithook), and functions that
# it calls unannounced. To be killed before a call that only reads is to be killed before the next one that changes something.
_EVENTS = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.utime"}
_FUNCTIONS = ("write", "pwrite", "pwritev", "writev", "fsync", "ftruncate", "posix_fallocate")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def fork(function) -> int:
    """Runs a function in a forked process; returns its process id. It ends with status 0, or 1 after an exception."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    reusable_executor._executor = None  # the workers of the parent do not answer a child
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
    """Runs a function in a process that is killed before its call `number` (from 0) that changes the file system."""
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


def _changes(event: str, about) -> bool:
    return event in _EVENTS or (event == "open" and bool((about[2] or 0) & _WRITING))


def _count_calls(function, deadly: int | None) -> int:
    counted = [0]

    def call() -> None:
        counted[0] += 1
        if counted[0] - 1 == deadly:
            os.kill(os.getpid(), signal.SIGKILL)  # which is announced as well

    def wrapped(original):
        def replacement(*arguments, **options):
            call()
            return original(*arguments, **options)

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
    return counted[0]
