"""Interrupts (Ctrl-C) that Python would drop while h5py writes."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def dropped_interrupts() -> Iterator[list[bool]]:
    """Gives a list that is empty until Python drops a KeyboardInterrupt; the block raises it again where it may stop.

    Python drops an exception that is raised in a weakref callback, and h5py runs such callbacks all the time while it
    writes. Without this, Ctrl-C would sometimes be ignored.
    """
    dropped: list[bool] = []
    hook = sys.unraisablehook

    def note(unraisable: Any) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            dropped.append(True)
        else:
            hook(unraisable)

    sys.unraisablehook = note
    try:
        yield dropped
    finally:
        sys.unraisablehook = hook
