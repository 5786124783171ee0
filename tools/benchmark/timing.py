"""Timing two contenders that take turns."""

import gc
import time
from collections.abc import Callable
from typing import Any

Contender = Callable[[], float]  # does its work once and returns the seconds that count


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def alternate_batches(ours: Any, peer: Any, size: int, rounds: int, block: int) -> tuple[list[float], list[float]]:
    """Draws batches of so many rows from two replay buffers in turns; returns the times as `alternate`."""
    return alternate(
        lambda: timed(lambda: ours.sample_transition_batch(size)),
        lambda: timed(lambda: peer.sample_transition_batch(size)),
        rounds,
        block,
    )


def alternate(ours: Contender, peer: Contender, rounds: int, block: int = 1) -> tuple[list[float], list[float]]:
    """Call both contenders in turns, so that a machine that grows slower slows both.

    Args:
        ours: the first contender.
        peer: the second contender.
        rounds: turns of each.
        block: calls per turn.

    Returns:
        The times of ours and of the peer, `rounds * block` each.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for contender, record in zip((ours, peer), times, strict=True):
            gc.collect()  # neither pays for the other's garbage
            record += [contender() for _ in range(block)]
    return times
