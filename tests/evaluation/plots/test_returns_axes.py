"""When a close-up of the returns is drawn, and what it shows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from offctx.evaluation.plots.returns_axes import close_up_limits


def test_close_up_wants_a_spread_and_a_far_return() -> None:
    def limits(*values: float, spread: float = math.nan) -> Any:
        estimates = np.array(values)
        return close_up_limits(estimates, estimates - spread, estimates + spread)

    near = np.linspace(0.0, 1.0, 20)
    assert limits(*near) is None
    assert limits(3.0) is None
    assert limits(2.0, 2.0, 2.0, -9e9) is None  # a flat line has no shape to show
    for far in (-1e6, 1e6):
        assert limits(*near, far) == pytest.approx((-0.1, 1.1))
        assert limits(*near, far, spread=0.5) == pytest.approx((-0.6, 1.6))
        assert limits(*near, far, spread=99.0) == pytest.approx((-1.1, 2.1))
