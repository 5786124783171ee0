"""Numbers as plain data for strict JSON."""

from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Arrays and sequences as lists, numbers that are not finite as None; other values as they are."""
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value.tolist()]
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
