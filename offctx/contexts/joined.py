"""Two context spaces side by side: a family whose contexts have more coordinates."""

import numpy as np

from offctx.contexts.space import Contexts, ContextSpace
from offctx.errors import ContextError


def joined(first: ContextSpace, second: ContextSpace) -> ContextSpace:
    """The space of contexts that hold those of the first space, then those of the second.

    Args:
        first: with p coordinates.
        second: with q coordinates of other names.

    Returns:
        A space of p + q coordinates. Splits that the first space was made with hold the default of the second, and the second
        space adds its own sweeps to them.

    Raises:
        ContextError: both have a coordinate of the same name.
    """
    for name in second.names:
        if name in first.names:
            raise ContextError(f"the environment has a coordinate {name!r} already; its coordinates are {list(first.names)}")
    first_fields, second_fields = first.to_dict(), second.to_dict()
    lists = {
        key: first_fields[key] + second_fields[key]
        for key in ("names", "units", "low", "high", "default", "constraints", "discrete")
    }
    named = {key: first_fields.get(key, {}) | second_fields.get(key, {}) for key in ("values", "kinds")}
    splits = {name: _side_by_side(np.array(rows), second.default).tolist() for name, rows in first_fields["splits"].items()}
    if splits:
        sweeps = {name: rows for name, rows in second.splits.items() if name not in splits}
        splits |= {name: _side_by_side(first.default[None], rows).tolist() for name, rows in sweeps.items()}
    return ContextSpace.from_dict({**lists, **named, "splits": splits})


def _side_by_side(rows: Contexts, others: Contexts) -> Contexts:
    """Every context of the rows (K, p) or of the others (K, q), the other part repeated: (K, p + q)."""
    k = max(len(rows), len(np.atleast_2d(others)))
    parts = (np.broadcast_to(np.atleast_2d(part), (k, np.shape(part)[-1])) for part in (rows, others))
    return np.concatenate(list(parts), axis=1)
