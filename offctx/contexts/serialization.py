"""Context spaces as plain JSON data, as they stand in the metadata of datasets."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from offctx.contexts.checking import Contexts
from offctx.contexts.kinds import kinds_from_dict
from offctx.errors import ContextError

if TYPE_CHECKING:
    from offctx.contexts.space import ContextSpace


def space_to_dict(space: "ContextSpace", splits: Mapping[str, Contexts]) -> dict[str, Any]:
    """JSON data of a space and the splits that it was made with; infinite bounds become None."""
    kinds = {name: list(each) for name, each in space.kinds.items() if each}
    listed = {"values": {name: values.tolist() for name, values in space.listed.items()}} if space.listed else {}
    return {
        "names": list(space.names),
        "units": list(space.units),
        "low": _numbers(space.low),
        "high": _numbers(space.high),
        "default": _numbers(space.default),
        "constraints": list(space.constraints),
        "discrete": list(space.discrete),
        **listed,
        "splits": {name: rows.tolist() for name, rows in splits.items()},
        **({"kinds": kinds} if kinds else {}),
    }


def arguments_from_dict(data: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `ContextSpace` from its JSON data.

    Raises:
        ContextError: a part is missing or has the wrong type; the message names it.
    """
    try:
        return {
            "low": [-np.inf if value is None else float(value) for value in data["low"]],
            "high": [np.inf if value is None else float(value) for value in data["high"]],
            **{key: [str(text) for text in data[key]] for key in ("names", "units", "constraints")},
            "discrete": _discrete(data),
            "splits": dict(data["splits"]),
            "kinds": kinds_from_dict(data),  # datasets before version 0.5 have no "kinds"
            "default": list(data["default"]),
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ContextError(f"not the description of a context space: {type(error).__name__} {error}") from error


def _discrete(data: Mapping[str, Any]) -> dict[str, list[float] | None]:
    """The discrete coordinates and their values. The first version of layout 1 has no "discrete"; "values" came later still."""
    listed = {str(name): [float(value) for value in values] for name, values in data.get("values", {}).items()}
    names = [str(name) for name in data.get("discrete", [])]
    if unknown := [name for name in listed if name not in names]:
        raise ContextError(f"not the description of a context space: values of {unknown}, which are not discrete")
    return {name: listed.get(name) for name in names}


def _numbers(row: NDArray[np.floating]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in row]
