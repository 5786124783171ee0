"""How many processor cores this process may use."""

import os

THREADS = "OFFCTX_THREADS"


def available_cores() -> int:
    """The cores of this process: OFFCTX_THREADS where it is set, else those that the system gives it."""
    limit = os.environ.get(THREADS, "")
    if limit.isdecimal() and int(limit) > 0:
        return int(limit)
    return system_cores()


def system_cores() -> int:
    """The cores that the system gives this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
