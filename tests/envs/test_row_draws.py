"""Random numbers by row: the same for an episode whatever is drawn beside it, and distributed as they should be."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from offctx.envs.row_draws import EpisodeStreams, RowGenerator
from offctx.errors import PolicyError

CONTEXTS = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])

DRAWS: dict[str, Callable[[np.random.Generator, int], Any]] = {
    "random": lambda rng, n: rng.random(n),
    "uniform": lambda rng, n: rng.uniform([-1.0, 2.0], [1.0, 5.0], (n, 2)),
    "uniform without size": lambda rng, n: rng.uniform(np.zeros((n, 2)), 3.0),
    "standard_normal": lambda rng, n: rng.standard_normal((n, 3)),
    "normal": lambda rng, n: rng.normal(2.0, 0.5, n),
    "normal without size": lambda rng, n: rng.normal(np.full((n, 1), 2.0), 0.5),
    "integers": lambda rng, n: rng.integers(3, 7, n),
    "integers below": lambda rng, n: rng.integers(4, size=n, endpoint=True),
    "choice": lambda rng, n: rng.choice([1.0, 2.0, 5.0], n, p=[0.2, 0.0, 0.8]),
    "choice of equals": lambda rng, n: rng.choice(5, (n, 2)),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_row_does_not_depend_on_the_others(draw: Callable[[np.random.Generator, int], Any]) -> None:
    every = EpisodeStreams(7, CONTEXTS, 4)
    whole = np.asarray(draw(every.at(3, np.arange(12)), 12))
    some = np.array([9, 2, 4])
    np.testing.assert_array_equal(draw(every.at(3, some), 3), whole[some])
    np.testing.assert_array_equal(draw(every.at(3, np.arange(12)).of(some), 3), whole[some])
    alone = EpisodeStreams(7, CONTEXTS[[2, 0]], 2)  # other contexts, another order, fewer episodes
    np.testing.assert_array_equal(draw(alone.at(3, np.arange(4)), 4), whole[[8, 9, 0, 1]])


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_the_distribution_is_that_of_numpy(draw: Callable[[np.random.Generator, int], Any]) -> None:
    n = 20_000
    ours = np.asarray(draw(EpisodeStreams(0, CONTEXTS[:1], n).at(0, np.arange(n)), n))
    theirs = np.asarray(draw(np.random.default_rng(0), n))
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    levels = np.linspace(0.02, 0.98, 25)
    spread = np.ptp(np.quantile(theirs, levels, axis=0), axis=0).max()
    assert np.abs(np.quantile(ours, levels, axis=0) - np.quantile(theirs, levels, axis=0)).max() < 0.03 * spread
    assert np.abs(ours.mean(axis=0) - theirs.mean(axis=0)).max() < 0.03 * spread


def test_streams_differ_by_seed_context_episode_step_and_place() -> None:
    numbers = [
        EpisodeStreams(seed, CONTEXTS, 5).at(t, np.arange(15)).random((15, 6)).ravel() for seed in (0, 1) for t in (0, 1, 2)
    ]
    drawn = np.concatenate(numbers)
    assert len(np.unique(drawn)) == len(drawn)
    rng = EpisodeStreams(0, CONTEXTS, 5).at(0, np.arange(15))
    first, second = rng.random(15), rng.random(15)
    assert not np.intersect1d(first, second).size
    rows = np.random.default_rng(0).permutation(np.concatenate(numbers).reshape(6, 15, 6))
    assert abs(np.corrcoef(rows[:, :, 0].ravel(), rows[:, :, 1].ravel())[0, 1]) < 0.3


def test_one_number_is_common() -> None:
    draws = [EpisodeStreams(0, CONTEXTS, m).at(4, np.arange(3 * m)) for m in (3, 5)]
    for draw in (
        lambda rng: rng.random(),
        lambda rng: rng.normal(),
        lambda rng: rng.uniform(3.0, 4.0),
        lambda rng: rng.choice([[1, 2], [3, 4]], p=[0.5, 0.5]),
        lambda rng: rng.gamma(2.0),
        lambda rng: rng.integers(9),
    ):
        assert np.array_equal(*(draw(rng) for rng in draws))
    assert all(isinstance(rng, RowGenerator) and isinstance(rng, np.random.Generator) for rng in draws)


def test_zero_and_minus_zero_are_the_same_context_and_bad_bounds_are_refused() -> None:
    plus, minus = (EpisodeStreams(0, np.array([[zero]]), 2).at(0, np.arange(2)) for zero in (0.0, -0.0))
    assert np.array_equal(plus.random(2), minus.random(2))
    with pytest.raises(ValueError, match="low >= high"):
        plus.integers(3, 3, size=2)


@pytest.mark.parametrize(("name", "arguments"), [("laplace", (0.0, 1.0)), ("exponential", (1.0,)), ("triangular", (0, 1, 2))])
def test_distributions_without_streams_of_rows_are_refused(name: str, arguments: tuple[float, ...]) -> None:
    rng = EpisodeStreams(0, np.zeros((2, 1)), 2).at(0, np.arange(4))
    with pytest.raises(PolicyError, match=rf"rng\.{name} has no stream for each row"):
        getattr(rng, name)(*arguments, size=(4, 3))
    assert np.shape(getattr(rng, name)(*arguments)) == ()  # common to the rows


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.normal(size=2),
        lambda rng: rng.uniform([0.0, 1.0], 2.0),
        lambda rng: rng.integers(5, size=(3, 4)),
        lambda rng: rng.choice(9, size=3, replace=False),
        lambda rng: rng.dirichlet([1.0, 2.0]),
        lambda rng: rng.permutation(3),
        lambda rng: rng.shuffle(np.zeros(4)),
        lambda rng: rng.spawn(4),
        lambda rng: rng.standard_normal(out=np.zeros(4)),
    ],
)
def test_what_would_be_of_the_rows_in_another_batch_is_refused(draw: Callable[[np.random.Generator], Any]) -> None:
    rng = EpisodeStreams(0, np.zeros((2, 1)), 2).at(0, np.arange(4))
    with pytest.raises(PolicyError):
        draw(rng)


def test_streams_by_seeds_of_episodes() -> None:
    seeds = np.array([3, 2**62, 0, 9])
    every, some = EpisodeStreams.of_seeds(5, seeds), EpisodeStreams.of_seeds(5, seeds[[2, 1]])
    drawn = np.stack([every.at(t, np.arange(4)).random((4, 3)) for t in range(3)])
    np.testing.assert_array_equal(np.stack([some.at(t, np.arange(2)).random((2, 3)) for t in range(3)]), drawn[:, [2, 1]])
    assert len(np.unique(drawn)) == drawn.size and every.at(2, np.arange(4)).random() == some.at(2, np.arange(1)).random()
