"""How much the tests of faults do: a little in the fast suite, all of it in `make test-faults`, within 20 minutes."""

import os
import time

import numpy as np

from tests.faults.processes import run

FULL = os.environ.get("OFFCTX_FAULTS") == "full"
_SECONDS = float(os.environ.get("OFFCTX_FAULTS_SECONDS", "1100"))  # of all tests together
_END = time.monotonic() + _SECONDS

tests_left = 1  # how many tests have yet to begin; `conftest.py` counts them


def scale(reduced: int, full: int) -> int:
    return full if FULL else reduced


def rounds(reduced: int, full: int):
    """The numbers of the rounds to run. It ends early where the test's share of the time is over, and says so."""
    global tests_left  # noqa: PLW0603
    share = (_END - time.monotonic()) / max(tests_left, 1)
    tests_left -= 1
    end = time.monotonic() + share
    number = scale(reduced, full)
    for k in range(number):
        if FULL and time.monotonic() > end:
            print(f"{k} of {number} rounds in {share:.0f} seconds", flush=True)
            return
        yield k


def some_calls(number: int) -> list[int]:
    """All numbers of calls in an order that covers them evenly, or some of them in the fast suite."""
    if FULL:
        return np.random.default_rng(0).permutation(number).tolist()
    return sorted({int(k) for k in np.linspace(0, number - 1, 6)})


def moments(seconds: float, reduced: int, full: int) -> np.ndarray:
    """Random moments within so many seconds."""
    return np.random.default_rng(0).uniform(0, seconds, scale(reduced, full))


def seconds_of(function) -> float:
    """How long a function takes in a process of its own."""
    begin = time.monotonic()
    assert run(function) == 0
    return time.monotonic() - begin
