"""Which contexts are meant: by number, by value, by name, or by what they satisfy.

Dimensions: C contexts of a dataset, p context, k chosen ones.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offctx.contexts.constraints import Constraint
from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.errors import ContextError, DatasetError

Mask = NDArray[np.bool_]
Predicate = Callable[[Mapping[str, float]], bool]
ContextChoice = ArrayLike | slice | str | Predicate | Mapping[str, Any] | Sequence[Mapping[str, Any]]
_CLOSE = 1e-6  # relative; values that a user types are those in the data up to this
_KINDS = (
    "numbers of contexts (whole numbers, or a slice), values (k, p), a mapping from names to values, an inequality "
    'such as "g > 2", or a function of a context'
)


def choose_contexts(contexts: Contexts, names: Sequence[str], chosen: Any, what: str) -> Mask:
    """Returns which of the contexts of a dataset are chosen.

    Args:
        contexts: the distinct contexts of the dataset (C, p).
        names: of the coordinates (p,).
        chosen: numbers of contexts, negative ones from the end, or a slice; values (k, p) or (p,), equal to six digits; a
            mapping from names to a number, to several numbers or to a function of the number, or a list of such mappings; an
            inequality between names, as `ContextSpace` takes them; or a function of a context as a mapping, for True or False.
        what: the dataset, for messages.

    Returns:
        booleans (C,), at least one of them True.

    Raises:
        ContextError: a name is unknown, or an inequality is malformed.
        DatasetError: a number is out of range, a value is not there, no context is chosen, or `chosen` is something else.
    """
    mask = _mask(contexts, names, chosen, what)
    if not mask.any():
        raise DatasetError(f"{what}: none of its {_counted(contexts, names)} is chosen by contexts={_text(chosen)}")
    return mask


def _mask(contexts: Contexts, names: Sequence[str], chosen: Any, what: str) -> Mask:
    if isinstance(chosen, str):
        return np.asarray(Constraint(chosen, names).holds(contexts), dtype=bool)
    if callable(chosen):
        return np.array([_truth_of(chosen, dict(zip(names, row, strict=True))) for row in contexts.tolist()], dtype=bool)
    if isinstance(chosen, Mapping):
        return _by_names(contexts, names, chosen)
    if isinstance(chosen, Sequence) and len(chosen) and all(isinstance(each, Mapping) for each in chosen):
        return np.asarray(np.any([_by_names(contexts, names, each) for each in chosen], axis=0))
    if isinstance(chosen, slice):
        mask = np.zeros(len(contexts), dtype=bool)
        mask[numbers_in(len(contexts), chosen, "contexts", what)] = True
        return mask
    return _by_array(contexts, chosen, what)


def _by_array(contexts: Contexts, chosen: Any, what: str) -> Mask:
    array = _array(chosen)
    if array.dtype.kind in "iub" and array.ndim <= 1:
        mask = np.zeros(len(contexts), dtype=bool)
        mask[numbers_in(len(contexts), array, "contexts", what)] = True
        return mask
    if array.dtype.kind not in "iuf" or array.ndim > 2 or np.atleast_2d(array).shape[1] != contexts.shape[1]:
        raise DatasetError(
            f"{what}: expected contexts as {_KINDS}; found an array {array.shape} of {array.dtype}, and p is "
            f"{contexts.shape[1]}"
        )
    mask = np.zeros(len(contexts), dtype=bool)
    for row in np.atleast_2d(array):
        same = close(contexts, row).all(axis=1)
        if not same.any():
            nearest = contexts[np.abs(contexts - row).sum(axis=1).argmin()]
            raise DatasetError(f"{what} has no context {row.tolist()}; the nearest is {nearest.tolist()}")
        mask |= same
    return mask


def _by_names(contexts: Contexts, names: Sequence[str], chosen: Mapping[str, Any]) -> Mask:
    mask = np.ones(len(contexts), dtype=bool)
    for name, value in chosen.items():
        if name not in names:
            raise ContextError(f"unknown context name {name!r}; these contexts have {list(names)}")
        column = contexts[:, list(names).index(name)]
        if callable(value):
            mask &= np.array([_truth_of(value, number) for number in column.tolist()], dtype=bool)
            continue
        values = np.atleast_1d(_array(value))
        if values.dtype.kind not in "iuf" or values.ndim != 1 or not len(values):
            raise DatasetError(f"expected contexts[{name!r}] as a number, as several, or as a function; found {value!r}")
        mask &= np.any([close(column, number) for number in values.tolist()], axis=0)
    return mask


def numbers_in(count: int, chosen: Any, name: str, what: str) -> Array:
    """Returns numbers below `count`, ascending and each once.

    Args:
        count: how many there are.
        chosen: a whole number or several, negative ones from the end; a slice; or booleans (count,).
        name: of the argument, "episodes" or "contexts", for messages.
        what: the dataset, for messages.

    Raises:
        DatasetError: a number is out of range, there is none, or it is something else.
    """
    if isinstance(chosen, slice):
        numbers = _sliced(count, chosen, name, what)
    else:
        array = _array(chosen)
        if array.dtype.kind == "b" and array.shape != (count,):
            raise DatasetError(f"{what} has {count} {name}: expected so many booleans; found an array {array.shape}")
        if array.dtype.kind not in "iub" or array.ndim > 1:
            raise DatasetError(f"{what}: expected {name} as whole numbers, or as a slice; found {_text(chosen)}")
        numbers = np.flatnonzero(array) if array.dtype.kind == "b" else np.atleast_1d(array).astype(np.int64)
        if len(numbers) and (numbers.min() < -count or numbers.max() >= count):
            wrong = numbers[(numbers < -count) | (numbers >= count)][0]
            raise DatasetError(f"{what} has {name} 0 to {count - 1}; found {wrong}")
    if not len(numbers):
        raise DatasetError(f"{what} has {name} 0 to {count - 1}: none of them is chosen by {name}={_text(chosen)}")
    return np.unique(np.where(numbers < 0, numbers + count, numbers))


def close(values: Any, number: Any) -> Any:
    """Where values are a number, or rows (C, p) coordinates (p,), up to six digits."""
    return np.isclose(values, number, rtol=_CLOSE, atol=1e-12)


def _sliced(count: int, chosen: slice, name: str, what: str) -> Array:
    try:
        return np.arange(count)[chosen]
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{what}: expected {name} as a slice of whole numbers; found {chosen}: {error}") from error


def _array(value: Any) -> NDArray[Any]:
    if np.ma.is_masked(value):
        raise DatasetError(f"expected contexts and episodes without a mask, which would be ignored; found {_text(value)}")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DatasetError(f"expected contexts as {_KINDS}: {error}") from error
    return array.astype(np.int64) if array.size == 0 and array.ndim == 1 else array


def _truth_of(predicate: Any, value: Any) -> bool:
    """What a function of the user says of a value."""
    try:
        answer = predicate(value)
    except KeyError as error:
        names = f"; these contexts have {list(value)}" if isinstance(value, Mapping) else ""
        raise ContextError(f"the function in contexts asks for the unknown name {error}{names}") from error
    except Exception as error:  # whatever the user's function raises
        raise DatasetError(f"the function in contexts failed at {value}: {type(error).__name__}: {error}") from error
    if not isinstance(answer, bool | np.bool_):
        raise DatasetError(f"expected the function in contexts to return True or False; it returned {answer!r}")
    return bool(answer)


def _counted(contexts: Contexts, names: Sequence[str]) -> str:
    """How many contexts there are and where, for messages."""
    ranges = [f"{name} {low:g} to {high:g}" for name, low, high in zip(names, contexts.min(0), contexts.max(0), strict=True)]
    return f"{len(contexts)} contexts ({', '.join(ranges)})"


def _text(chosen: Any) -> str:
    text = repr(chosen)
    return text if len(text) <= 100 else f"{text[:100]}..."
