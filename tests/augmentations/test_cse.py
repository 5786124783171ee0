"""Context sample enhancement against its formula, worked out here row by row."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from offctx import CSE
from offctx.contexts.space import ContextSpace
from offctx.errors import DerivativeError
from tests.augmentations.helpers import batch_of


def test_a_batch_of_two_by_hand(batch: Any) -> None:
    """o = 1, p = 2: s' + d_c f dc, r + (total) d_c r dc, contexts c + dc before and after; all else as it was."""
    space = ContextSpace(["a", "b"], -10, 10, [0, 0])
    contexts = np.array([[1, 2], [3, 4]], np.float32)
    small = dataclasses.replace(
        batch,
        observations=np.array([[0.1, 1, 2], [0.2, 3, 4]], np.float32),
        next_observations=np.array([[0.3, 1, 2], [0.4, 3, 4]], np.float32),
        actions=np.array([[5], [6]], np.float32),
        rewards=np.array([[7], [8]], np.float32),
        contexts=contexts,
        dnext_observation_dcontext=np.array([[[1, 10]], [[-2, 0.5]]], np.float32),
        dreward_dcontext=np.array([[100, 0], [3, -4]], np.float32),
        context_space=space,
    )

    class Known(CSE):
        def perturb(self, contexts, space, rng):
            dc = np.array([[0.5, -0.25], [1, 2]], np.float32)
            return contexts + dc, dc

    moved = Known(1.0)(small)
    # Row 0: 0.3 + 1 * 0.5 + 10 * -0.25 = -1.7; 7 + 100 * 0.5 = 57.  Row 1: 0.4 - 2 * 1 + 0.5 * 2 = -0.6; 8 + 3 - 8 = 3.
    np.testing.assert_allclose(moved.next_observations, [[-1.7, 1.5, 1.75], [-0.6, 4, 6]], rtol=1e-6)
    np.testing.assert_allclose(moved.rewards, [[57], [3]])
    np.testing.assert_allclose(moved.observations, [[0.1, 1.5, 1.75], [0.2, 4, 6]], rtol=1e-6)
    assert moved.contexts.tolist() == [[1.5, 1.75], [4, 6]]
    assert np.array_equal(moved.actions, small.actions) and np.array_equal(moved.terminals, small.terminals)
    assert small.observations[0, 1] == 1 and small.next_observations[0, 0] == np.float32(0.3), "the batch given must stay"
    assert contexts.tolist() == [[1, 2], [3, 4]] and small.rewards.tolist() == [[7], [8]]


def test_simple_direction_rows_by_the_formula(batch: Any) -> None:
    """There d_c f = I and d_c r = s' + c, so s'_bar = s' + dc and r_bar = r + (s' + c) . dc."""
    moved = CSE(radius=0.3)(batch, np.random.default_rng(0))
    dc = moved.contexts.astype(np.float64) - batch.contexts
    assert np.linalg.norm(dc, axis=1).max() <= 0.3 + 1e-6 and (np.linalg.norm(dc, axis=1) > 0).all()
    after = batch.next_observations[:, :2].astype(np.float64)
    np.testing.assert_allclose(moved.next_observations[:, :2], after + dc, atol=1e-6)
    by_hand = batch.rewards[:, 0] + ((after + batch.contexts) * dc).sum(axis=1)
    np.testing.assert_allclose(moved.rewards[:, 0], by_hand, atol=1e-5)
    assert np.array_equal(moved.observations[:, :2], batch.observations[:, :2])
    for seen in (moved.observations, moved.next_observations):
        assert np.array_equal(seen[:, 2:], moved.contexts)
    kept = (
        "actions",
        "terminals",
        "intervals",
        "context_ids",
        "dnext_observation_dcontext",
        "dreward_dcontext",
        "next_actions",
    )
    assert all(np.array_equal(getattr(moved, name), getattr(batch, name)) for name in kept)
    changed = [getattr(moved, name) for name in ("observations", "next_observations", "rewards", "contexts")]
    assert {array.dtype for array in changed} == {np.dtype(np.float32)}


def test_radius_zero_is_the_very_same_batch(batch: Any, datasets: Any) -> None:
    assert CSE(radius=0)(batch) is batch
    assert CSE(radius=[0, 0])(batch) is batch
    without = batch_of(datasets[False])
    assert CSE(radius=0)(without) is without


def test_a_hidden_context_leaves_what_the_agent_sees_of_it_alone(datasets: Any) -> None:
    hidden = batch_of(datasets[True], "hidden")
    assert hidden.observations.shape[1] == 2
    moved = CSE(radius=0.3)(hidden, np.random.default_rng(0))
    dc = moved.contexts - hidden.contexts
    assert np.array_equal(moved.observations, hidden.observations)
    np.testing.assert_allclose(moved.next_observations, hidden.next_observations + dc, atol=1e-6)
    appended = CSE(radius=0.3)(batch_of(datasets[True]), np.random.default_rng(0))
    assert np.array_equal(moved.rewards, appended.rewards)


def test_missing_derivatives_are_told(datasets: Any) -> None:
    with pytest.raises(DerivativeError, match="CSE needs a batch with dnext_observation_dcontext"):
        CSE(radius=0.1)(batch_of(datasets[False]))
    with pytest.raises(
        DerivativeError, match=r"CSE needs dnext_observation_dcontext.* offctx/test/without-v0 .*gradients=True"
    ):
        datasets[False].replay_buffer(augmentation=CSE(radius=0.1))


def test_randomness_is_the_callers_or_its_own(batch: Any) -> None:
    first, again, other = (CSE(0.3)(batch, np.random.default_rng(seed)).contexts for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    own, same, different = (CSE(0.3, seed=seed)(batch).contexts for seed in (1, 1, 2))
    assert np.array_equal(own, same) and not np.array_equal(own, different)
    one = CSE(0.3)
    assert not np.array_equal(one(batch).contexts, one(batch).contexts)
