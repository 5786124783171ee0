"""Random contexts: their distribution, their validity, and what is refused."""

from typing import Any

import numpy as np
import pytest

from offctx.contexts.space import ContextSpace
from offctx.envs import PendulumGoal
from offctx.errors import ContextError

PENDULUM = PendulumGoal.context_space
SQUARE = ContextSpace(["x", "y"], [-1, 0], [1, 4], [0, 1], ["m", ""])
OPEN = ContextSpace(["x", "y"], [-np.inf, 0], [1, np.inf], [0, 1])


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_samples_are_uniform_valid_and_reproducible() -> None:
    rows = SQUARE.sample(rng(), 20_000)
    assert np.array_equal(rows, SQUARE.sample(rng(), 20_000))
    for k, (low, high) in enumerate(zip(SQUARE.low, SQUARE.high, strict=True)):
        quantiles = np.quantile(rows[:, k], np.linspace(0, 1, 11))
        assert np.abs(quantiles - np.linspace(low, high, 11)).max() < 0.02 * (high - low)
    assert SQUARE.sample(rng()).shape == (2,)
    many = PENDULUM.sample(rng(), 20_000)
    assert (np.abs(many[:, 3]) < many[:, :3].prod(axis=1)).all()
    assert not (np.abs(many[:, 3]) < 0.5 * many[:, :3].prod(axis=1)).all(), "the border region should be sampled too"


def test_sampling_needs_bounds_and_a_count() -> None:
    with pytest.raises(ContextError, match="uniform sampling needs finite bounds"):
        OPEN.sample(rng())
    with pytest.raises(ContextError, match="at least one context to draw; found 0"):
        SQUARE.sample(rng(), 0)


def test_sampling_a_space_with_hardly_a_valid_context_gives_up() -> None:
    thin = ContextSpace(["a", "b"], 0, 1, [0.5, 0.5], constraints=["abs(a - b) < 1e-12"])
    with pytest.raises(ContextError, match="hardly any draw is a valid context"):
        thin.sample(rng())


def test_local_draws_are_normal_around_the_base() -> None:
    wide = ContextSpace(["a", "b"], -100, 100, [1, 2])
    rows = wide.local(20_000, [0.5, 3], rng())
    assert rows.mean(axis=0) == pytest.approx([1, 2], abs=0.1)
    assert rows.std(axis=0) == pytest.approx([0.5, 3], rel=0.03)
    around = wide.local(20_000, 1.0, rng(), base=[-5, 5])
    assert around.mean(axis=0) == pytest.approx([-5, 5], abs=0.05)
    assert (wide.local(50, [1, 0], rng())[:, 1] == 2).all()
    assert PENDULUM.valid(PENDULUM.local(2000, 1.0, rng())).all()


@pytest.mark.parametrize("radius", [-1, np.nan, np.inf, [1, 2, 3]])
def test_local_refuses_a_radius_that_means_nothing(radius: Any) -> None:
    with pytest.raises(ContextError, match="radius must"):
        SQUARE.local(3, radius, rng())
