"""Random, resampled and transported actions, and what they need."""

from typing import Any

import numpy as np
import pytest

from offctx import CSE
from offctx.errors import ContextError, EnvError, PolicyError
from tests.augmentations.helpers import ID, Linear, by_hand, rows_of


@pytest.mark.parametrize("perturbation", ["ball", "sphere"])
def test_random_actions_lie_within_their_radius_and_the_box(datasets: Any, perturbation: Any) -> None:
    cse = CSE(0.3, exact=ID, action="random", action_radius=0.2, perturbation=perturbation)
    batch = rows_of(datasets[True], cse)
    moved = cse(batch, np.random.default_rng(0))
    da = np.linalg.norm(moved.actions - batch.actions, axis=1)
    inside = (np.abs(moved.actions) < 1).all(axis=1)
    assert da.max() <= 0.2 + 1e-6 and np.abs(moved.actions).max() <= 1 and (~inside).any()
    if perturbation == "sphere":
        np.testing.assert_allclose(da[inside], 0.2, atol=1e-6)
        assert (da[~inside] < 0.2 - 1e-4).any(), "what is left of da after clipping"
    after, rewards = by_hand(batch, moved, batch.observations[:, :2])
    np.testing.assert_allclose(moved.next_observations[:, :2], after, atol=1e-5)
    np.testing.assert_allclose(moved.rewards[:, 0], rewards, atol=1e-5)  # of the new action, with the new state
    assert moved.actions.dtype == moved.rewards.dtype == np.float32 and not np.array_equal(batch.actions, moved.actions)


def test_resampled_actions_are_the_policys_at_the_new_observation(datasets: Any) -> None:
    cse = CSE(0.3, exact=ID, action="resampled", policy=Linear(gain=0.7))
    moved = cse(rows_of(datasets[True], cse), np.random.default_rng(0))
    np.testing.assert_allclose(moved.actions, 0.7 * moved.contexts, atol=1e-6)

    class Greedy:
        def predict(self, observations: np.ndarray) -> np.ndarray:
            return -observations[:, 2:]

    greedy = CSE(0.3, exact=ID, action="resampled", policy=Greedy())
    moved = greedy(rows_of(datasets[True], greedy), np.random.default_rng(0))
    np.testing.assert_allclose(moved.actions, -moved.contexts, atol=1e-6)


def test_transported_actions_keep_their_place_in_the_distribution(datasets: Any) -> None:
    policy = Linear()
    cse = CSE(0.3, exact=ID, action="transported", policy=policy)
    batch = rows_of(datasets[True], cse)
    moved = cse(batch, np.random.default_rng(0))
    (mean1, std1), (mean2, std2) = policy.gaussian(batch.observations), policy.gaussian(moved.observations)
    inside = (np.abs(moved.actions) < 1).all(axis=1)
    place = (batch.actions - mean1) / std1
    np.testing.assert_allclose(((moved.actions - mean2) / std2)[inside], place[inside], atol=1e-5)
    assert inside.mean() > 0.5 and np.abs(moved.actions - batch.actions)[inside].max() > 0.05


def test_discrete_actions(chooser: Any) -> None:
    env = "testing/Chooser-v0"
    plain = CSE(0.2)
    assert np.array_equal(plain(rows_of(chooser, plain), np.random.default_rng(0)).actions, rows_of(chooser, plain).actions)
    cse = CSE(0.2, exact=env, action="random")
    batch = rows_of(chooser, cse)
    moved = cse(batch, np.random.default_rng(0))
    assert np.array_equal(np.unique(moved.actions), [0, 1, 2]) and moved.actions.shape == batch.actions.shape
    after = batch.observations[:, :2] + np.concatenate([moved.actions - 1, moved.contexts], axis=1)
    np.testing.assert_allclose(moved.next_observations[:, :2], after, atol=1e-6)
    np.testing.assert_allclose(moved.rewards[:, 0], -(after**2).sum(axis=1), atol=1e-5)

    class Last:
        def sample_action(self, observations: np.ndarray) -> np.ndarray:
            return np.full(len(observations), 2)

    chosen = CSE(0.2, exact=env, action="resampled", policy=Last())(batch, np.random.default_rng(0))
    assert (chosen.actions == 2).all()
    states = CSE(0.2, env=env, state_radius=0.1)(batch, np.random.default_rng(0))  # first order in state and context
    pushed = np.concatenate([batch.actions - 1, states.contexts], axis=1)
    np.testing.assert_allclose(states.next_observations[:, :2], states.observations[:, :2] + pushed, atol=1e-5)
    with pytest.raises(PolicyError, match='action="random" needs exact= where actions are Discrete'):
        CSE(0.2, env=env, action="random")
    with pytest.raises(PolicyError, match="cannot transport Discrete actions"):
        CSE(0.2, exact=env, action="transported", policy=Last())


def test_changes_ask_for_what_they_need(datasets: Any) -> None:
    with pytest.raises(EnvError, match=r'CSE with action="random" needs env= \(to first order\) or exact='):
        CSE(0.1, action="random")
    with pytest.raises(EnvError, match="CSE with state_radius > 0 needs env="):
        CSE(0.1, state_radius=0.1)
    with pytest.raises(EnvError, match="either env=, to expand to first order, or exact="):
        CSE(0.1, env=ID, exact=ID)
    with pytest.raises(PolicyError, match=r"CSE action must be one of .*'transported'.*found 'moved'"):
        CSE(0.1, action="moved")  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match='action="resampled" needs policy='):
        CSE(0.1, env=ID, action="resampled")
    with pytest.raises(ContextError, match="CSE action_radius must be one number >= 0, or one per action coordinate"):
        CSE(0.1, env=ID, action="random", action_radius=-1)
    with pytest.raises(ContextError, match=r"CSE action_radius has shape \(3,\); an action has \(2,\)"):
        CSE(0.1, env=ID, action="random", action_radius=[1, 2, 3])
    cse = CSE(0.1, env=ID, state_radius=[0.1, 0.1, 0.1])
    with pytest.raises(ContextError, match="CSE state_radius has 3 numbers; a state has 2"):
        cse(rows_of(datasets[True], cse))
    other = CSE(0.1, exact="offctx/PendulumGoal-v0")
    with pytest.raises(
        ContextError, match=r"CSE's environment has the context \['g', 'm', 'l', 'tau'\]; the data have \['c_x'"
    ):
        other.check(datasets[True].context_space)
    unknown = CSE(0.1, env=ID, action="transported", policy=object())
    with pytest.raises(PolicyError, match=r"can transport the actions of a diagonal Gaussian.*found object"):
        unknown(rows_of(datasets[True], unknown))
    mute = CSE(0.1, env=ID, action="resampled", policy=object())
    with pytest.raises(PolicyError, match="with sample_action or predict; found object"):
        mute(rows_of(datasets[True], mute))
