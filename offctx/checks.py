"""The one set of checks of numbers, shapes and choices: an error says what was expected, what was found, and what is valid."""

import numbers
from typing import Any

import numpy as np

from offctx.errors import LinearError, OffctxError


def whole_number(value: Any, name: str, least: int, error: type[OffctxError]) -> int:
    """`value` as an int, or `error` where it is no whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise error(f"{name} must be a whole number, at least {least}; found {value!r}")
    return int(value)


def at_least(value: float, least: float, what: str, *, strictly: bool = False) -> float:
    """One finite number >= least, or > least where `strictly`."""
    sign = ">" if strictly else ">="
    if not np.isscalar(value) or isinstance(value, (str, bytes)) or not np.isfinite(value):
        raise LinearError(f"expected {what} as one finite number {sign} {least:g}; found {value!r}")
    if value < least or (strictly and value == least):
        raise LinearError(f"expected {what} {sign} {least:g}; found {value:g}")
    return float(value)


def count(value: int, least: int, what: str) -> int:
    """A whole number >= least."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise LinearError(f"expected {what} as a whole number >= {least}; found {value!r}")
    return int(value)
