"""Context sensitivity of real and of flagged data: the ranking of PendulumGoal, what is left out, and the card."""

from __future__ import annotations

import json

import numpy as np
import pytest

import offctx
from offctx.analysis import outcome_metrics as module
from offctx.analysis.context_sensitivity import sensitivity_summary
from offctx.data.card import card, render
from offctx.errors import DerivativeError
from tests.analysis.families import SPACE, J, N, by_name, flagged, linear


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


def test_the_card_has_the_ranking(pendulum: offctx.ContextualDataset) -> None:
    found = card(pendulum, sensitivity_summary(pendulum))
    expected = offctx.context_sensitivity(pendulum)
    assert json.loads(json.dumps(found, allow_nan=False))["sensitivity"] == expected.to_dict()
    assert [row["name"] for row in found["sensitivity"]["ranking"]] == [row.name for row in expected.ranking]
    lines = render(found).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("  sensitivity"))
    grouped = ["changes the dynamics and the reward:", "l", "m", "g", "changes the reward:", "tau"]
    assert [line.strip().split("  ")[0] for line in lines[start + 2 : start + 8]] == grouped
    assert list(expected.by_kind) == [("dynamics", "reward"), ("reward",)]
    assert [row.name for rows in expected.by_kind.values() for row in rows] == ["l", "m", "g", "tau"]
    assert f"{expected.ranking[0].both:.3g}" in lines[start + 3]


def test_the_card_of_data_without_derivatives_has_none() -> None:
    plain = linear(dnext_observation_dcontext=None, dreward_dcontext=None)
    assert card(plain, sensitivity_summary(plain))["sensitivity"] is None
    assert "sensitivity" not in render(card(plain, sensitivity_summary(plain)))
    distrusted = flagged(linear(), np.ones(N))
    assert card(distrusted, sensitivity_summary(distrusted))["sensitivity"] is None
