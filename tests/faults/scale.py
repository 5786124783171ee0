"""How much the tests of faults do: a little in the fast suite, all of it in `make test-faults`, within 20 minutes."""

import math
import os
import time

import numpy as np

from tests.faults.processes import run

FULL = os.environ.get("OFFCTX_FAULTS") == "full"
_SECONDS = float(os.environ.get("OFFCTX_FAULTS_SECONDS", "1140"))  # of all tests together
_END = time.monotonic() + _SECONDS
_GENEROUS = 2
_SIDE_BY_SIDE = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))  # processes that run tests

tests_left = 1.0  # how many tests have yet to begin here; `conftest.py` counts them
done: list[tuple[int, int, float]] = []  # rounds that a test has done, and was to do, and their CPU seconds, for `conftest.py`


def scale(reduced: int, full: int) -> int:
    return full if FULL else reduced


def expect(tests: int) -> None:
    """Says how many tests there are, in all processes that run tests."""
    global tests_left  # noqa: PLW0603
    tests_left = math.ceil(tests / _SIDE_BY_SIDE)


def rounds(reduced: int, full: int):
    """The numbers of the rounds to run. It ends early where the test's share of the time is over.

    The share is more than an equal one: what early tests take, late ones seldom need.
    """
    global tests_left  # noqa: PLW0603
    share = _GENEROUS * (_END - time.monotonic()) / max(tests_left, _GENEROUS)
    tests_left -= 1
    end = time.monotonic() + share
    number, begun = scale(reduced, full), _cpu()
    done.append((0, number, 0.0))
    for k in range(number):
        if FULL and time.monotonic() > end:
            return
        yield k
        done[-1] = (k + 1, number, _cpu() - begun)


def _cpu() -> float:
    """CPU seconds of this process and of the processes that it has waited for."""
    times = os.times()
    return sum(times[:4])


def some_calls(number: int, reduced: int = 6) -> list[int]:
    """All numbers of calls in an order that covers them evenly, or some of them in the fast suite."""
    if FULL:
        return np.random.default_rng(0).permutation(number).tolist()
    return sorted({int(k) for k in np.linspace(0, number - 1, reduced)})


def moments(seconds: float, reduced: int, full: int) -> np.ndarray:
    """Random moments within so many seconds."""
    return np.random.default_rng(0).uniform(0, seconds, scale(reduced, full))


def seconds_of(function) -> float:
    """How long a function takes in a process of its own."""
    begin = time.monotonic()
    assert run(function) == 0
    return time.monotonic() - begin
