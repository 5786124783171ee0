"""Chunks done on this machine: by worker processes, and by this process where it would wait for them.

A worker process first imports all that the work needs, which takes seconds. This process has it already. So n jobs are this
process and n - 1 others, and the first chunks are done while these start. What this process has to do with results, such as
writing them, comes first: it does a chunk only while no result is ready.
"""

import itertools
import os
import pickle
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from functools import cached_property
from typing import Any

from joblib.externals.loky import get_reusable_executor

from offctx.workers.threads import ONE_THREAD, share_of_cores
from offctx.workers.worker import do_chunk

_IDLE = 300  # seconds after which a worker process without work ends
_FIRST = 3  # chunks at most that this process does, and uses, while the others start: these begin with the ones after
_QUEUED = 5.0  # seconds at most until what was submitted is in the queue of the worker processes; it takes milliseconds
_READY = 4  # results for each job that may wait to be used, before no more chunks are begun


def results_of_processes(
    packed: bytes, arguments: Iterator[Any], chunks: int, jobs: int, cores: int, *, in_order: bool
) -> Generator[Any, None, None]:
    """Yields the result of the work for each argument.

    After an error, or where the iterator is closed early, the worker processes end. Else they stay for the next call.

    Args:
        packed: the work, pickled. This process unpacks it as the others do, and so has an environment of its own.
        arguments: of each chunk; each is asked for when the chunk begins.
        chunks: how many there are.
        jobs: processes, this one included.
        cores: that each may use.
        in_order: yield in the order of the arguments; False yields each result as soon as it is there.

    Raises:
        BrokenProcessPool: a worker process died.
        Exception: what the work raises, here or there.
    """
    here = _Here(packed, cores)
    if jobs == 1:
        yield from map(here, arguments)
        return
    executor = get_reusable_executor(max_workers=jobs - 1, timeout=_IDLE, env=ONE_THREAD)
    parent = os.getpid()
    first = max(1, min(_FIRST, chunks // jobs))
    begun = _Begun(arguments, lambda argument: executor.submit(do_chunk, packed, argument, cores, parent), jobs, first)
    complete = False
    try:
        for turn in range(chunks):
            result = begun.result(turn if in_order else None, here)
            complete = turn + 1 == chunks
            yield result
    finally:
        begun.close()
        if not complete:
            executor.shutdown(wait=True, kill_workers=True)


class _Here:
    """The work in this process, unpacked where it is used."""

    def __init__(self, packed: bytes, cores: int) -> None:
        self._packed, self._cores = packed, cores

    def __call__(self, argument: Any) -> Any:
        with share_of_cores(self._cores):
            return self._work(argument)

    @cached_property
    def _work(self) -> Callable[[Any], Any]:
        work: Callable[[Any], Any] = pickle.loads(self._packed)  # what this process has packed
        return work


class _Begun:
    """Chunks that are begun: each worker process has one, and the next as soon as it has finished that.

    Args:
        arguments: of all chunks.
        submit: gives one to the worker processes.
        jobs: processes, this one included.
        first: how many of the first chunks this process has for itself.
    """

    def __init__(self, arguments: Iterator[Any], submit: Callable[[Any], "Future[Any]"], jobs: int, first: int) -> None:
        self._arguments, self._submit, self._jobs = enumerate(arguments), submit, jobs
        self._own = deque(itertools.islice(self._arguments, first))
        self._lock = threading.RLock()  # of what is below: a thread of the executor says that a worker has finished
        self._away: dict[Future[Any], int] = {}
        self._closed = False
        self._ended: queue.SimpleQueue[tuple[int, Future[Any]] | BaseException] = queue.SimpleQueue()
        self._results: dict[int, Any] = {}

    def result(self, number: int | None, here: Callable[[Any], Any]) -> Any:
        """The result of a chunk, or of any. While it is not there, chunks are done by `here`."""
        while not (self._results if number is None else number in self._results):
            if not self._ended.empty():
                self._note(self._ended.get())
            elif (begun := self._own.popleft() if self._own else self._next()) is not None:
                self._hand_out()
                self._results[begun[0]] = here(begun[1])
            else:
                self._note(self._ended.get())
            self._hand_out()
        return self._results.pop(next(iter(self._results)) if number is None else number)

    def close(self) -> None:
        """No more chunks are begun. Waits a moment until the executor has queued those that are.

        A loky executor that is ended before fails in its own thread, with a traceback that nobody can catch.
        """
        with self._lock:
            self._closed = True
            away = list(self._away)
        end = time.monotonic() + _QUEUED
        while time.monotonic() < end and not all(future.running() or future.done() for future in away):
            time.sleep(0.001)

    def _note(self, ended: tuple[int, "Future[Any]"] | BaseException) -> None:
        if isinstance(ended, BaseException):
            raise ended
        number, future = ended
        self._results[number] = future.result()

    def _next(self) -> tuple[int, Any] | None:
        """The number and argument of the next chunk; None where none is left, or too many results wait."""
        with self._lock:
            waiting = len(self._results) + self._ended.qsize()
            return None if self._closed or waiting >= _READY * self._jobs else next(self._arguments, None)

    def _hand_out(self) -> None:
        with self._lock:
            while len(self._away) < self._jobs - 1 and (begun := self._next()) is not None:
                future = self._submit(begun[1])
                self._away[future] = begun[0]
                future.add_done_callback(self._returned)

    def _returned(self, future: "Future[Any]") -> None:
        """In a thread of the executor."""
        try:
            with self._lock:
                self._ended.put((self._away.pop(future), future))
                self._hand_out()
        except BaseException as error:  # would be lost in that thread
            self._ended.put(error)
