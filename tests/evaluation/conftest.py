"""Reports with known returns, for the tests of evaluation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from offctx.evaluation.compare import compare
from offctx.evaluation.report import Comparison, ZeroShotReport

TRAIN = np.array([[9.0, 1.0], [10.0, 1.0], [11.0, 1.0]])
TEST = np.array([[4.0, 1.0], [15.0, 1.0]])


def make_report(level: float = 0.0, seed: int = 0, episodes: int = 6, **changes: Any) -> ZeroShotReport:
    """Returns near `level` on train and 10 below on test; the second test context is the worst."""
    rng = np.random.default_rng(seed)
    returns = {
        "train": level + rng.normal(size=(3, episodes)),
        "test": level - np.array([[8.0], [12.0]]) + rng.normal(size=(2, episodes)),
    }
    given: dict[str, Any] = {
        "policy": "CQL",
        "env_id": "offctx/PendulumGoal-v0",
        "context_names": ("g", "m"),
        "context_units": ("m/s^2", "kg"),
        "train_contexts": TRAIN[1:2],
        "contexts": {"train": TRAIN, "test": TEST},
        "returns": returns,
        "lengths": {split: np.full(values.shape, 200) for split, values in returns.items()},
        "seed": 7,
        "context": "append",
    }
    return ZeroShotReport(**(given | changes))


def three_methods() -> Comparison:
    methods = {"hidden": make_report(-100), "CSE": make_report(-60, 1), "expert": make_report(-20, 2)}
    return compare(methods, baseline="hidden", reference="expert", replicates=200, title="Gravity")


@pytest.fixture
def make() -> Callable[..., ZeroShotReport]:
    """Makes a report of one policy in two splits, the contexts `TRAIN` and `TEST`."""
    return make_report


@pytest.fixture
def three() -> Callable[[], Comparison]:
    """Makes a comparison of three methods, one run each, with a baseline and a reference."""
    return three_methods
