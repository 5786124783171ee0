"""Comparing arrays bit for bit, with a message that shows the first row that differs."""

from collections.abc import Iterable
from typing import Any

import numpy as np

OUTCOME = ("next states", "rewards", "terminations")  # what `simulate` returns


def assert_same(expected: Iterable[Any], actual: Iterable[Any], names: Iterable[str], where: str) -> None:
    """That arrays are equal bit for bit.

    Args:
        expected: arrays.
        found: as many arrays.
        names: the names of the arrays, for the message.
        where: the beginning of the message.
    """
    for name, a, b in zip(names, map(np.asarray, expected), map(np.asarray, actual), strict=True):
        if a.tobytes() != b.tobytes() or a.shape != b.shape:
            row = int(np.argmax((a != b).reshape(len(a), -1).any(axis=1))) if a.shape == b.shape and a.ndim else ()
            raise AssertionError(f"{where}: expected {name} {a[row]}, found {b[row] if a.shape == b.shape else b.shape}")
