"""Checks of the fields of evaluated runs, and look-ups whose errors name the valid keys.

Dimensions: K contexts of a split, M episodes per context, p context coordinates.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from offctx.contexts.kinds import Kinds, checked_kinds
from offctx.errors import ContextError, EvaluationError
from offctx.evaluation.statistics import Array, as_returns

Value = TypeVar("Value")


def check_names(names: tuple[str, ...], units: tuple[str, ...]) -> None:
    """Raises EvaluationError unless the names are distinct and each has a unit."""
    if not names or len(set(names)) < len(names) or not all(isinstance(name, str) and name for name in names):
        raise EvaluationError(f"expected context names that are distinct and not empty, found {names}")
    if len(units) != len(names) or not all(isinstance(unit, str) for unit in units):
        raise EvaluationError(f"expected one unit for each of {names}, '' where dimensionless, found {units}")


def checked_context_kinds(kinds: Sequence[Sequence[str]], names: tuple[str, ...]) -> tuple[Kinds, ...]:
    """The kinds of each coordinate; () for each where none are given. Raises EvaluationError for others."""
    try:
        return tuple(checked_kinds(list(kinds), names).values())
    except (ContextError, TypeError) as error:
        raise EvaluationError(f"expected context_kinds as a list of kinds for each of {names}: {error}") from error


def kinds_lists(kinds: Sequence[Kinds]) -> list[list[str]]:
    """The kinds of each coordinate for strict JSON."""
    return [list(each) for each in kinds]


def checked_contexts(values: npt.ArrayLike, width: int, label: str, *, may_be_empty: bool = False) -> Array:
    """Returns a read-only copy of finite contexts (K, width)."""
    array = np.array(values, dtype=np.float64)
    empty = array.shape[:1] == (0,) and not may_be_empty
    if array.ndim != 2 or array.shape[1] != width or empty:
        raise EvaluationError(f"expected {label} of shape (K, {width}), found {array.shape}")
    if not np.isfinite(array).all():
        raise EvaluationError(f"expected finite {label}, found NaN or infinite entries")
    return _read_only(array)


def checked_returns(values: npt.ArrayLike, contexts: int, label: str) -> Array:
    """Returns a read-only copy of finite returns (contexts, M)."""
    array = as_returns(np.array(values)[np.newaxis], label)[0]
    if len(array) != contexts:
        expected = f"({contexts}, episodes), one row a context"
        raise EvaluationError(f"expected {label} of shape {expected}, found {array.shape}")
    return _read_only(array)


def checked_lengths(values: npt.ArrayLike, shape: tuple[int, ...], label: str) -> npt.NDArray[np.int64]:
    """Returns a read-only copy of episode lengths in steps, whole numbers of this shape."""
    array = np.asarray(values)
    if array.shape != shape or not np.issubdtype(array.dtype, np.number):
        actual = f"{array.dtype} of shape {array.shape}"
        raise EvaluationError(f"expected {label} as numbers of shape {shape}, as its returns, found {actual}")
    if not (np.isfinite(array) & (array >= 0) & (array == np.rint(array))).all():
        raise EvaluationError(f"expected {label} in whole steps, found {array.min()} to {array.max()}")
    return _read_only(array.astype(np.int64))


def lookup(mapping: Mapping[str, Value], key: str, kind: str) -> Value:
    """Returns mapping[key], or raises EvaluationError with the known keys. `kind` says what the keys are."""
    if key not in mapping:
        raise EvaluationError(f"unknown {kind} {key!r}; known: {list(mapping)}")
    return mapping[key]


def finite_or_none(value: float) -> float | None:
    """A number for strict JSON: None where it is NaN or infinite."""
    return float(value) if np.isfinite(value) else None


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array.flags.writeable = False
    return array
