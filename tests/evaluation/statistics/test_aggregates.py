"""Point estimates, against rliable and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from rliable import metrics

from offctx.evaluation.statistics import (
    iqm,
    iqm_rows,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_iqm_by_hand() -> None:
    # -50 and 1 are cut below, 6 and 100 above.
    assert iqm(np.array([[100.0, 1, 2, 3], [4, 5, 6, -50]])) == pytest.approx((2 + 3 + 4 + 5) / 4)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 9, 30])
def test_iqm_equals_rliable(count: int) -> None:
    scores = rng(count).standard_t(2, size=(count, 3))
    assert iqm(scores) == pytest.approx(metrics.aggregate_iqm(scores), rel=1e-12)


def test_iqm_rows_is_iqm_of_each_row() -> None:
    scores = rng().normal(size=(6, 5, 3))
    assert iqm_rows(scores) == pytest.approx([metrics.aggregate_iqm(row) for row in scores])
