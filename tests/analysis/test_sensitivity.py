"""Context sensitivity: families whose derivatives are known, the ranking of PendulumGoal, distances, and what is shown.

Dimensions: N transitions, o observation, p context.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

import offctx
from offctx.analysis import outcome_metrics as module
from offctx.analysis.context_sensitivity import sensitivity_summary
from offctx.contexts.space import ContextSpace
from offctx.data.card import card, render
from offctx.data.metadata import Behaviour, Derivatives, Metadata
from offctx.errors import ContextError, DerivativeError

N = 400
J = np.array([[3.0, 0.0, 1.0], [0.0, 4.0, -2.0]])  # d next observation / d context
R = np.array([2.0, -1.0, 0.0])  # d reward / d context
SPACE = ContextSpace(["a", "b", "c"], [-1, -2, -np.inf], [1, 2, np.inf], [0, 0, 5], ["kg", "", "m"])


def linear(**changes: Any) -> offctx.ContextualDataset:
    """Transitions of s' = s + (noise) + J c, r = (noise) + R c at the default context: constant derivatives J and R."""
    rng = np.random.default_rng(3)
    space = changes.get("context_space", SPACE)
    observations = rng.normal(size=(N, 2))
    given: dict[str, Any] = {
        "dataset_id": "test/linear-v0",
        "context_space": space,
        "observation_space": spaces.Box(-np.inf, np.inf, (2,), np.float64),
        "action_space": spaces.Box(-1.0, 1.0, (1,), np.float32),
        "observations": observations,
        "actions": np.zeros((N, 1), np.float32),
        "rewards": rng.normal(size=N),
        "next_observations": observations + rng.normal(size=(N, 2)) * [2.0, 0.5],
        "terminations": np.zeros(N, dtype=bool),
        "truncations": np.arange(N) % 20 == 19,
        "contexts": np.tile(space.default, (N, 1)),
        "context_ids": np.zeros(N, dtype=np.int64),
        "episode_starts": np.arange(0, N, 20),
        "episode_ends": np.arange(20, N + 1, 20),
        "dnext_observation_dcontext": np.tile(J, (N, 1, 1)),
        "dreward_dcontext": np.tile(R, (N, 1)),
    }
    return offctx.ContextualDataset(**(given | changes))


def by_name(found: offctx.Sensitivity) -> dict[str, Any]:
    return {row.name: row for row in found.ranking}


def flagged(data: offctx.ContextualDataset, errors: np.ndarray, tolerance: float | None = None) -> offctx.ContextualDataset:
    """The data with derivative errors, and in the metadata the tolerance where one is given."""
    metadata = Metadata(
        layout_version=1,
        env="test",
        horizon=20,
        context_space=data.context_space.to_dict(),
        behaviour=Behaviour(policies=["random"], weights=[1.0], context="append"),
        derivatives=Derivatives(source="central differences", tolerance=tolerance),
        recipe={},
        packages={},
        sha256="",
    )
    return dataclasses.replace(data, derivative_errors=errors, metadata=metadata)


# --- by hand


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


# --- along real data


def test_a_distance_is_how_far_the_simulator_moves(pendulum: offctx.ContextualDataset) -> None:
    """For a small move of the context: simulated again from the same states, in float64, against `distance`."""
    env, found = offctx.envs.PendulumGoal(), offctx.context_sensitivity(pendulum)
    dc = 1e-5 * np.array([1.0, -0.5, 0.7, 2.0])

    def outcome(contexts: np.ndarray) -> np.ndarray:
        (theta, theta_dot), rewards = (out := env.simulate(pendulum.states, pendulum.actions, contexts))[0].T, out[1]
        scaled = np.stack([np.cos(theta), np.sin(theta), theta_dot], axis=1) / found.observation_units / np.sqrt(3)
        return np.concatenate([scaled, rewards[:, None] / found.reward_unit], axis=1)

    move = (outcome(pendulum.contexts + dc) - outcome(pendulum.contexts - dc)) / 2
    zero = np.zeros(4)
    assert found.distance(dc, zero, "next_observation") == pytest.approx(np.sqrt((move[:, :3] ** 2).sum(1).mean()), rel=1e-5)
    assert found.distance(dc, zero, "reward") == pytest.approx(np.sqrt((move[:, 3] ** 2).mean()), rel=1e-5)
    assert found.distance(dc, zero) == pytest.approx(np.sqrt((move**2).sum(1).mean()), rel=1e-5)


def test_the_ranking_of_the_pendulum_makes_sense(pendulum: offctx.ContextualDataset) -> None:
    """The torque to balance is in the goal alone: no next state, and most of the reward. Of the dynamics, the length, which is
    in both terms and squared in one, moves most.
    """
    rows = by_name(offctx.context_sensitivity(pendulum))
    assert rows["tau"].next_observation == 0
    assert max(rows, key=lambda name: rows[name].reward) == "tau"
    assert max(rows, key=lambda name: rows[name].next_observation) == "l"
    assert all(rows[name].next_observation > 0 for name in "gml")


def test_each_base_context_has_its_own_metric(pendulum: offctx.ContextualDataset) -> None:
    found = offctx.context_sensitivity(pendulum)
    assert found.base_contexts.shape == (4, 4) and found.transitions.tolist() == [60] * 4
    for b in range(4):
        rows = np.flatnonzero(pendulum.context_ids == b)
        j = pendulum.dnext_observation_dcontext[rows] / found.observation_units[:, None]
        r = pendulum.dreward_dcontext[rows].astype(np.float64) / found.reward_unit
        expected = np.einsum("nop,noq->pq", j, j) / 3 / len(rows) + r.T @ r / len(rows)
        np.testing.assert_allclose(found.metric(base=b), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.metric(), np.mean([found.metric(base=b) for b in range(4)], axis=0), rtol=1e-12)
    first, second = found.base_contexts[:2]
    assert found.distance(first, second, base=0) != found.distance(first, second, base=3)


def test_distance_from_data_is_to_the_nearest_context_measured_there(pendulum: offctx.ContextualDataset) -> None:
    found = offctx.context_sensitivity(pendulum)
    contexts = pendulum.context_space.sample(np.random.default_rng(0), 30)
    expected = [min(float(found.distance(c, base, base=b)) for b, base in enumerate(found.base_contexts)) for c in contexts]
    np.testing.assert_allclose(found.from_data(contexts), expected, rtol=1e-12)
    assert (found.from_data(found.base_contexts) == 0).all()
    assert found.from_data({"g": 2.0}).shape == (1,)


def test_blocks_do_not_change_the_result(pendulum: offctx.ContextualDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = offctx.context_sensitivity(pendulum)
    monkeypatch.setattr(module, "_BLOCK", 37)
    parts = offctx.context_sensitivity(pendulum)
    np.testing.assert_allclose(parts.next_observation_metrics, whole.next_observation_metrics, rtol=1e-12)
    np.testing.assert_allclose(parts.reward_metrics, whole.reward_metrics, rtol=1e-12)
    np.testing.assert_allclose(parts.observation_units, whole.observation_units, rtol=1e-12)


# --- what has no derivative, or none to trust


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


@pytest.mark.parametrize(("tolerance", "left_out"), [(None, 100), (1e-2, 40)])
def test_flagged_rows_are_left_out_and_counted(tolerance: float | None, left_out: int) -> None:
    errors = np.full(N, 1e-7)
    errors[:60], errors[60:99], errors[99] = 1e-3, 1.0, np.nan
    wild = np.tile(J, (N, 1, 1))
    wild[60:100] = 1e6
    found = offctx.context_sensitivity(flagged(linear(dnext_observation_dcontext=wild), errors, tolerance))
    expected = offctx.context_sensitivity(linear())
    assert found.left_out == left_out and found.transitions.tolist() == [N - left_out]
    np.testing.assert_allclose(found.metric(), expected.metric(), rtol=1e-12)
    assert f"left out: {left_out} of {N} transitions" in str(found)


def test_a_base_context_with_flagged_rows_only_is_no_base() -> None:
    ids = (np.arange(N) >= 200).astype(np.int64)
    contexts = np.tile(SPACE.default, (N, 1))
    contexts[200:, 0] = 1.0
    errors = np.where(np.arange(N) < 200, 1.0, 0.0)
    found = offctx.context_sensitivity(flagged(linear(context_ids=ids, contexts=contexts), errors))
    assert found.base_contexts.tolist() == [[1.0, 0.0, 5.0]]
    assert np.isfinite(found.metric()).all()


def test_no_derivatives_or_none_to_trust_is_an_error() -> None:
    with pytest.raises(DerivativeError, match="has no context derivatives"):
        offctx.context_sensitivity(linear(dreward_dcontext=None))
    with pytest.raises(DerivativeError, match="every derivative is flagged"):
        offctx.context_sensitivity(flagged(linear(), np.ones(N)))


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


# --- the card


def test_the_card_has_the_ranking(pendulum: offctx.ContextualDataset) -> None:
    found = card(pendulum, sensitivity_summary(pendulum))
    expected = offctx.context_sensitivity(pendulum)
    assert json.loads(json.dumps(found, allow_nan=False))["sensitivity"] == expected.to_dict()
    assert [row["name"] for row in found["sensitivity"]["ranking"]] == [row.name for row in expected.ranking]
    lines = render(found).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("  sensitivity"))
    names = [line.split()[0] for line in lines[start + 2 : start + 6]]
    assert names == [row.name for row in expected.ranking]
    assert f"{expected.ranking[0].both:.3g}" in lines[start + 2]


def test_the_card_of_data_without_derivatives_has_none() -> None:
    plain = linear(dnext_observation_dcontext=None, dreward_dcontext=None)
    assert card(plain, sensitivity_summary(plain))["sensitivity"] is None
    assert "sensitivity" not in render(card(plain, sensitivity_summary(plain)))
    distrusted = flagged(linear(), np.ones(N))
    assert card(distrusted, sensitivity_summary(distrusted))["sensitivity"] is None
