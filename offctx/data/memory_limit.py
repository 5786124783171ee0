"""How much memory a dataset may take before its arrays are mapped from files, as users say it."""

import re
from collections.abc import Callable

from offctx.checks import check_flag, whole_number
from offctx.errors import DatasetError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_WITH_A_BUFFER = 2  # the arrays of a dataset, and the table of a buffer, which is about as large


def memory_limit(lazy: bool, memory_budget: int | str | None) -> Callable[[int], bool] | None:
    """Returns which arrays fit into memory, from their bytes; None where all do.

    Args:
        lazy: none do.
        memory_budget: bytes for the arrays and a buffer of them, as a number or a text such as "2GB"; None for no limit.

    Raises:
        DatasetError: one of them is something else.
    """
    if check_flag(lazy, "lazy", DatasetError):
        return lambda size: False
    if memory_budget is None:
        return None
    budget = parse_bytes(memory_budget, "memory_budget")
    return lambda size: _WITH_A_BUFFER * size <= budget


def parse_bytes(size: int | str, name: str) -> int:
    """Returns a number of bytes from a number, or a text such as "2GB", "1.5 GiB" or "500MB".

    Raises:
        DatasetError: it is neither.
    """
    if not isinstance(size, str):
        return whole_number(size, name, 0, DatasetError)
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*([kmgt]?)(i?)b?\s*", size, flags=re.IGNORECASE | re.ASCII)
    if match is None or (match[3] and not match[2]):
        raise DatasetError(f'{name} must be a number of bytes, or a text such as "2GB" or "500MB"; found {size!r}')
    unit = match[2].lower()
    return int(float(match[1]) * (1024 ** "kmgt".index(unit) * 1024 if match[3] else _UNITS[unit]))
