"""How many processor cores this process may use."""

import os

from offctx.checks import number_in, whole_number
from offctx.errors import OffctxError

THREADS = "OFFCTX_THREADS"
_MOST = 4096


def available_cores() -> int:
    """The cores of this process: OFFCTX_THREADS where it is set, else those that the system gives it.

    Raises:
        OffctxError: OFFCTX_THREADS is no whole number, or too large.
    """
    limit = os.environ.get(THREADS)
    if not limit:
        return system_cores()
    number = number_in(limit)
    return whole_number(limit[:100] if number is None else number, THREADS, 1, OffctxError, most=_MOST)


def system_cores() -> int:
    """The cores that the system gives this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
