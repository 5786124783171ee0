"""Context sensitivity of families whose derivatives are known: the ranking, distances and units by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import offctx
from offctx.contexts.space import ContextSpace
from offctx.errors import ContextError
from tests.analysis.families import SPACE, J, N, R, by_name, linear


def test_the_ranking_of_a_linear_family_by_hand() -> None:
    data = linear()
    step = np.sqrt(((data.next_observations - data.observations) ** 2).mean(axis=0))
    spread = data.rewards.std()
    found = offctx.context_sensitivity(data)
    np.testing.assert_allclose(found.observation_units, step, rtol=1e-12)
    assert found.reward_unit == pytest.approx(spread, rel=1e-12)
    assert found.scale.tolist() == [1.0, 2.0, 5.0], "half the width; where unbounded, the size of the default"
    rows = by_name(found)
    assert rows["a"].next_observation == pytest.approx(3 / step[0] / np.sqrt(2), rel=1e-12)
    assert rows["b"].next_observation == pytest.approx(2 * 4 / step[1] / np.sqrt(2), rel=1e-12)
    assert rows["c"].next_observation == pytest.approx(5 * np.hypot(1 / step[0], 2 / step[1]) / np.sqrt(2), rel=1e-12)
    assert [rows[name].reward for name in "abc"] == pytest.approx([2 / spread, 2 / spread, 0], rel=1e-12)
    for row in found.ranking:
        assert row.both == pytest.approx(np.hypot(row.next_observation, row.reward), rel=1e-12)
    assert [row.name for row in found.ranking] == ["c", "b", "a"]
    assert [(rows[name].by, rows[name].unit) for name in "abc"] == [(1.0, "kg"), (2.0, ""), (5.0, "m")]


def test_distances_of_a_linear_family_by_hand() -> None:
    found = offctx.context_sensitivity(linear())
    first, second = np.array([0.5, -1.0, 2.0]), np.array([-0.25, 1.0, 2.5])
    moved, reward = J @ (first - second) / found.observation_units, R @ (first - second) / found.reward_unit
    apart = np.sqrt((moved**2).mean())
    assert found.distance(first, second, "next_observation") == pytest.approx(apart, rel=1e-12)
    assert found.distance(first, second, "reward") == pytest.approx(abs(reward), rel=1e-12)
    assert found.distance(first, second) == pytest.approx(np.hypot(apart, reward), rel=1e-12)
    assert offctx.context_distance(linear(), first, second, "reward") == pytest.approx(abs(reward), rel=1e-12)
    assert found.distance({"a": 0.5}, {"a": -0.5}) == pytest.approx(by_name(found)["a"].both, rel=1e-12)


def test_a_sweep_of_many_pairs_is_each_pair() -> None:
    found = offctx.context_sensitivity(linear())
    contexts = np.random.default_rng(0).normal(size=(7, 3))
    table = found.distance(contexts[:, None], contexts)
    assert table.shape == (7, 7)
    one_by_one = [[float(found.distance(a, b)) for b in contexts] for a in contexts]
    np.testing.assert_allclose(table, one_by_one, rtol=1e-12)


def test_a_distance_is_a_seminorm_of_the_difference() -> None:
    rng = np.random.default_rng(1)
    data = linear(dnext_observation_dcontext=rng.normal(size=(N, 2, 3)), dreward_dcontext=rng.normal(size=(N, 3)))
    found = offctx.context_sensitivity(data)
    a, b, c = rng.normal(size=(3, 500, 3))
    for part in ("both", "next_observation", "reward"):
        assert (found.distance(a, a, part) == 0).all()
        np.testing.assert_array_equal(found.distance(a, b, part), found.distance(b, a, part))
        assert (found.distance(a, c, part) <= found.distance(a, b, part) + found.distance(b, c, part) + 1e-12).all()
        np.testing.assert_allclose(found.distance(3 * a, 3 * b, part), 3 * found.distance(a, b, part), rtol=1e-12)
    # A seminorm and no norm: R is blind to the direction (1, 2, 0).
    still = offctx.context_sensitivity(linear())
    assert still.distance([0, 0, 0], [1, 2, 0], "reward") == pytest.approx(0, abs=1e-12)
    assert still.distance([0, 0, 0], [1, 2, 0], "next_observation") > 1


def test_units_of_data_and_of_contexts_do_not_matter() -> None:
    plain = linear()
    expected = offctx.context_sensitivity(plain)
    o, c = np.array([1000.0, 1e-3]), np.array([1e3, 1e-2, 60.0])  # millimetres, kilometres, ...; a grams, b hundreds, c minutes
    space = ContextSpace(SPACE.names, SPACE.low * c, SPACE.high * c, SPACE.default * c)
    found = offctx.context_sensitivity(
        linear(
            context_space=space,
            observations=plain.observations * o,
            next_observations=plain.next_observations * o,
            rewards=plain.rewards * 1e4 + 7,
            dnext_observation_dcontext=np.tile(J * o[:, None] / c, (N, 1, 1)),
            dreward_dcontext=np.tile(R * 1e4 / c, (N, 1)),
        )
    )
    for theirs, ours in zip(expected.ranking, found.ranking, strict=True):
        assert theirs.name == ours.name
        parts = [(row.next_observation, row.reward, row.both) for row in (theirs, ours)]
        np.testing.assert_allclose(parts[1], parts[0], rtol=1e-9)
    first, second = np.random.default_rng(2).normal(size=(2, 20, 3))
    np.testing.assert_allclose(found.distance(first * c, second * c), expected.distance(first, second), rtol=1e-9)


def test_what_never_changes_still_has_a_unit() -> None:
    """An observation that stands still counts in its own size, in 1 where that is 0; rewards likewise."""
    observations = np.tile([4.0, 0.0], (N, 1))
    still = linear(observations=observations, next_observations=observations.copy(), rewards=np.full(N, -3.0))
    found = offctx.context_sensitivity(still)
    assert found.observation_units.tolist() == [4.0, 1.0]
    assert found.reward_unit == 3.0
    assert offctx.context_sensitivity(linear(rewards=np.zeros(N))).reward_unit == 1.0


def test_float32_rounding_is_no_unit() -> None:
    rng = np.random.default_rng(0)
    observations = np.stack([np.full(N, 1e3), rng.normal(size=N)], axis=1).astype(np.float32)
    after = observations + np.stack([np.zeros(N), np.ones(N)], axis=1).astype(np.float32)
    after[::2, 0] = np.nextafter(np.float32(1e3), np.float32(2e3))
    found = offctx.context_sensitivity(linear(observations=observations, next_observations=after))
    assert found.observation_units[0] == pytest.approx(1e3, rel=1e-6)


def test_discrete_coordinates_are_listed_and_not_ranked() -> None:
    space = ContextSpace(SPACE.names, [-1, 0, -9], [1, 1, 9], [0, 0, 5], discrete=["b"])
    found = offctx.context_sensitivity(linear(context_space=space))
    assert sorted(row.name for row in found.ranking) == ["a", "c"]
    assert found.to_dict()["discrete"] == ["b"]
    assert not found.metric()[1].any() and not found.metric()[:, 1].any()
    assert found.distance([0, 0, 0], [0.5, 0, 0]) > 0
    assert found.distance([0, 0, 0], [0.5, 1, 0]) == np.inf
    assert found.from_data([[0, 0, 5], [0, 1, 5]]).tolist() == [0, np.inf]
    assert "discrete: no derivative, not ranked" in str(found)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: s.distance([0, 0], [1, 1]), r"contexts \(\.\.\., 3\)"),
        (lambda s: s.distance([0, 0, np.nan], [1, 1, 1]), "finite contexts"),
        (lambda s: s.distance({"z": 1.0}, [1, 1, 1]), "unknown context name 'z'"),
        (lambda s: s.distance([0, 0, 0], [1, 1, 1], "rewards"), 'must be "both"'),
        (lambda s: s.distance([0, 0, 0], [1, 1, 1], base=1), r"0\.\.0"),
        (lambda s: s.from_data([[1.0, 2.0]]), r"contexts \(\.\.\., 3\)"),
    ],
)
def test_bad_questions_are_refused(call: Any, words: str) -> None:
    with pytest.raises(ContextError, match=words):
        call(offctx.context_sensitivity(linear()))


def test_arrays_are_read_only() -> None:
    found = offctx.context_sensitivity(linear())
    with pytest.raises(ValueError, match="read-only"):
        found.next_observation_metrics[:] = 0
    found.metric()[:] = 0  # a copy
    found.metric(base=0)[:] = 0
    assert found.metric().any()
