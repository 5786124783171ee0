"""How much the tests of faults do: a little in the fast suite, all of it in `make test-faults`, within a given time."""

import os
import time

FULL = os.environ.get("OFFCTX_FAULTS") == "full"
_SECONDS = float(os.environ.get("OFFCTX_FAULTS_SECONDS", "180"))  # a test, at most


def scale(reduced: int, full: int) -> int:
    return full if FULL else reduced


def rounds(reduced: int, full: int):
    """The numbers of the rounds to run; it ends early where the time of one test is over, and says so."""
    end = time.monotonic() + _SECONDS
    number = scale(reduced, full)
    for k in range(number):
        if time.monotonic() > end:
            print(f"{k} of {number} rounds in {_SECONDS:g} seconds")
            return
        yield k
