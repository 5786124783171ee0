"""The one set of checks of numbers, choices and arrays: an error says what was expected, what was found, and what is valid.

A check returns the value in the promised type. `error` is the class of the error that it raises.
"""

import math
import re
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offctx.errors import AlgorithmError, LinearError, OffctxError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ErrorClass = type[OffctxError]
LARGEST_SEED = 2**32 - 1  # that d3rlpy's and NumPy's global generators take
ROUNDING = 1e-8  # the largest error of a sum of probabilities, or of a norm, that counts as rounding


def whole_number(value: Any, name: str, least: int, error: ErrorClass, most: int | None = None) -> int:
    """A setting as an int >= least, and <= most where that is given."""
    if not _is_whole(value, least):
        raise error(f"{name} must be a whole number, at least {least}; found {value!r}")
    if most is not None and value > most:
        raise error(f"{name} must be at most {most:,}; found {value!r}")
    return int(value)


def number_in(text: str) -> int | None:
    """The whole number >= 0 that a text says in 1 to 100 digits; None where it says something else.

    Python's `int` refuses texts of thousands of digits with an error of its own.
    """
    return int(text) if re.fullmatch(r"[0-9]{1,100}", text) else None


def count(value: Any, least: int, what: str, error: ErrorClass = LinearError) -> int:
    """An argument as an int >= least."""
    if not _is_whole(value, least):
        raise error(f"expected {what} as a whole number >= {least}; found {value!r}")
    return int(value)


def check_number(value: Any, name: str, low: float, high: float = math.inf, error: ErrorClass = AlgorithmError) -> float:
    """A setting as a finite float in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or not low <= float(value) <= high:
        valid = f">= {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        raise error(f"{name} must be a number {valid}; found {value!r}")
    return float(value)


def at_least(
    value: Any, least: float, what: str, *, strictly: bool = False, most: float = math.inf, error: ErrorClass = LinearError
) -> float:
    """An argument as a finite float in [least, most], or in (least, most] where `strictly`."""
    sign = ">" if strictly else ">="
    if not np.isscalar(value) or isinstance(value, (str, bytes)) or not np.isfinite(value):
        raise error(f"expected {what} as one finite number {sign} {least:g}; found {value!r}")
    number = float(value)  # type: ignore[arg-type]  # NumPy types isscalar too widely
    if number < least or (strictly and number == least):
        raise error(f"expected {what} {sign} {least:g}; found {number:g}")
    if number > most:
        raise error(f"expected {what} <= {most:g}; found {number:g}")
    return number


def check_flag(value: Any, name: str, error: ErrorClass) -> bool:
    """A setting that is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise error(f"{name} must be True or False; found {value!r}")
    return bool(value)


def check_choice(value: Any, name: str, choices: Sequence[str], error: ErrorClass = AlgorithmError) -> None:
    """That a setting is one of its choices."""
    if not isinstance(value, str) or value not in choices:
        raise error(f"{name} must be one of {', '.join(choices)}; found {value!r}")


def numbers(values: ArrayLike, what: str, shape: str, error: ErrorClass = LinearError) -> NDArray[Any]:
    """An array of finite numbers of any dtype. `shape` is for the message alone."""
    try:
        array = np.asarray(values)
    except ValueError as ragged:
        raise error(f"expected {what} as one array {shape}; found ragged rows ({ragged})") from ragged
    if array.dtype == object or not (np.issubdtype(array.dtype, np.number) or array.dtype == bool):
        raise error(f"expected {what} as one array {shape} of numbers; found {array.dtype}, which ragged rows also give")
    index = first_not_finite(array)
    if index is not None:
        raise error(f"expected finite {what}; found {array[index]} at {index}")
    return array


def floats(values: ArrayLike, what: str, shape: str, error: ErrorClass = LinearError) -> Floats:
    """Finite numbers as a contiguous float64 array. `shape` is for the message alone."""
    return np.ascontiguousarray(numbers(values, what, shape, error), dtype=np.float64)


def indices(values: ArrayLike, what: str, shape: str, size: int, error: ErrorClass = LinearError) -> Ints:
    """Integers in [0, size) as an int64 array. `shape` is for the message alone."""
    array = numbers(values, what, shape, error)
    if not np.issubdtype(array.dtype, np.integer):
        raise error(f"expected {what} {shape} as integers; found {array.dtype}")
    if array.size and (array.min() < 0 or array.max() >= size):
        raise error(f"expected {what} in 0..{size - 1}; found {array.min()} to {array.max()}")
    return array.astype(np.int64)


def probabilities(values: ArrayLike, what: str, shapes: Sequence[tuple[int, ...]], error: ErrorClass = LinearError) -> Floats:
    """Distributions over the last axis as a float64 array of one of the shapes."""
    valid = " or ".join(str(shape) for shape in shapes)
    array = floats(values, what, valid, error)
    if array.shape not in shapes:
        raise error(f"expected {what} of shape {valid}; found {array.shape}")
    if array.min() < 0:
        raise error(f"expected {what} as probabilities; found {array.min():g}")
    sums = array.sum(axis=-1)
    worst = float(sums.flat[np.abs(sums - 1).argmax()])
    if abs(worst - 1) > ROUNDING:
        raise error(f"expected {what} to sum to 1 over the last axis; found {worst:g}")
    return array


def finite_copy(values: Any, name: str, error: ErrorClass) -> Floats:
    """A fresh float64 array of finite numbers."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as reason:
        raise error(f"{name} must be an array of numbers: {reason}") from reason
    index = first_not_finite(array)
    if index is not None:
        raise error(f"{name} must be finite; found {array[index]} at index {list(index)}")
    return array


def first_not_finite(array: NDArray[Any]) -> tuple[int, ...] | None:
    """The index of the first number that is NaN or infinite; None where all are finite."""
    finite = np.isfinite(array)
    return None if finite.all() else tuple(int(k) for k in np.argwhere(~finite)[0])


def _is_whole(value: Any, least: int) -> bool:
    """Whether a value is an integer >= least; NumPy's integers count, booleans do not."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= least  # type: ignore[operator]
