"""Linear CMDPs against sums over every trajectory, and the average MDP against what merged data look like."""

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from offctx.errors import LinearError
from offctx.linear import LinearCMDP, average_mdp


def small(seed: int = 0, n: int = 2) -> tuple[LinearCMDP, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    cmdp = LinearCMDP.random(n, 3, 2, 4, 3, rng)
    return cmdp, rng.dirichlet(np.ones(2), size=(n, 3, 3)), rng


def test_transitions_and_rewards_by_their_definition() -> None:
    cmdp, _, _ = small()
    for i, h, x, a in np.ndindex(2, 3, 3, 2):
        after = sum(cmdp.features[x, a, k] * cmdp.measures[i, h, k] for k in range(4))
        np.testing.assert_allclose(cmdp.transitions[i, h, x, a], after, atol=1e-14)
        assert cmdp.rewards[i, h, x, a] == pytest.approx(cmdp.features[x, a] @ cmdp.reward_weights[i, h])
    np.testing.assert_allclose(cmdp.transitions.sum(axis=-1), 1)
    assert np.linalg.norm(cmdp.features, axis=-1).max() <= 1


def test_values_and_occupancies_by_every_trajectory() -> None:
    """V = sum over paths of their probability times their rewards; an occupancy likewise."""
    cmdp, policy, _ = small()
    P, r = cmdp.transitions, cmdp.rewards
    for i in range(2):
        total, occupancy = 0.0, np.zeros((3, 3, 2))
        for x in itertools.product(range(3), repeat=3):
            for a in itertools.product(range(2), repeat=3):
                chance = cmdp.initial[i, x[0]]
                for h in range(3):
                    chance *= policy[i, h, x[h], a[h]] * (P[i, h, x[h], a[h], x[h + 1]] if h < 2 else 1)
                total += chance * sum(r[i, h, x[h], a[h]] for h in range(3))
                for h in range(3):
                    occupancy[h, x[h], a[h]] += chance
        assert cmdp.returns(policy)[i] == pytest.approx(total)
        np.testing.assert_allclose(cmdp.occupancy(policy)[i], occupancy, atol=1e-14)
    np.testing.assert_allclose((cmdp.occupancy(policy) * r).sum(axis=(1, 2, 3)), cmdp.returns(policy))


def test_the_optimum_is_the_best_of_all_deterministic_policies() -> None:
    cmdp, _, _ = small(n=3)
    every = np.eye(2)[np.array(list(itertools.product(range(2), repeat=9))).reshape(-1, 3, 3)]
    best = np.max([cmdp.values(policy)[1][:, 0] for policy in every], axis=0)
    optimum = cmdp.optimal()
    np.testing.assert_allclose(optimum.v[:, 0], best)
    np.testing.assert_allclose(cmdp.values(optimum.policy)[0], optimum.q)


def test_the_exact_problem_is_exact_evaluation() -> None:
    import torch

    cmdp, policy, _ = small()
    found, (q, v) = cmdp.problem().evaluate(torch.tensor(policy)), cmdp.values(policy)
    np.testing.assert_allclose(found.q, q, atol=1e-14)
    np.testing.assert_allclose(found.v, v, atol=1e-14)


def test_samples_have_the_occupancies_transitions_and_rewards() -> None:
    cmdp, policy, rng = small()
    K = 40_000
    data = cmdp.sample(policy, K, rng, bernoulli=True)
    i, h = np.ogrid[:2, :3]
    counts, after, earned = np.zeros((2, 3, 3, 2)), np.zeros((2, 3, 3, 2, 3)), np.zeros((2, 3, 3, 2))
    where = (i[:, None], h[:, None], data.states[:, :, :-1], data.actions)
    np.add.at(counts, where, 1)
    np.add.at(after, (*where, data.states[:, :, 1:]), 1)
    np.add.at(earned, where, data.rewards)
    assert np.abs(counts / K - cmdp.occupancy(policy)).max() < 5 * 0.5 / np.sqrt(K)
    seen = np.maximum(counts, 1)
    assert (np.abs(after / seen[..., None] - cmdp.transitions) < 5 * 0.5 / np.sqrt(seen)[..., None]).all()
    assert (np.abs(earned / seen - cmdp.rewards) < 5 * 0.5 / np.sqrt(seen)).all()
    assert set(np.unique(data.rewards)) == {0, 1}
    plain = cmdp.sample(policy, 10, rng)
    np.testing.assert_allclose(plain.rewards, cmdp.rewards[i[:, None], h[:, None], plain.states[:, :, :-1], plain.actions])


def test_sampling_is_the_generators_alone() -> None:
    cmdp, policy, _ = small()
    one, same, other = (cmdp.sample(policy, 5, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one.states, other.states)
    assert one.states.shape == (2, 5, 4) and one.actions.shape == one.rewards.shape == (2, 5, 3)


def test_what_cannot_happen_does_not() -> None:
    """Zero probabilities first, in the middle and last, of many draws."""
    transitions = np.broadcast_to([0, 0.5, 0, 0.5, 0], (1, 2, 5, 2, 5))
    cmdp = LinearCMDP.tabular(transitions, np.zeros((1, 2, 5, 2)), [0, 0, 1, 0, 0])
    data = cmdp.sample(np.broadcast_to([0.0, 1.0], (2, 5, 2)), 5000, np.random.default_rng(0))
    assert (data.actions == 1).all() and (data.states[:, :, 0] == 2).all()
    assert set(np.unique(data.states[:, :, 1:])) == {1, 3}


def test_tables_come_back() -> None:
    rng = np.random.default_rng(0)
    P, r = rng.dirichlet(np.ones(3), size=(2, 4, 3, 2)), rng.random((2, 4, 3, 2))
    cmdp = LinearCMDP.tabular(P, r, np.ones(3) / 3)
    np.testing.assert_array_equal(cmdp.transitions, P)
    np.testing.assert_array_equal(cmdp.rewards, r)
    assert cmdp.shape == (2, 4, 3, 2) and cmdp.initial.shape == (2, 3) and len(cmdp[1:]) == 1
    np.testing.assert_array_equal(cmdp[[1]].rewards[0], r[1])


@pytest.mark.parametrize("difference", [0.0, 0.25, 1.0])
def test_contexts_differ_by_as_much_as_asked(difference: float) -> None:
    """Against the same draw with difference 1: each context's distance to another shrinks by that factor."""
    some, whole = (LinearCMDP.random(4, 3, 2, 4, 3, np.random.default_rng(0), difference=k) for k in (difference, 1.0))
    for name in ("measures", "reward_weights", "initial"):
        a, b = getattr(some, name), getattr(whole, name)
        np.testing.assert_allclose(a[1:] - a[:1], difference * (b[1:] - b[:1]), atol=1e-14)
    assert np.abs(whole.measures[1] - whole.measures[0]).max() > 0.1
    tabular = LinearCMDP.random_tabular(2, 3, 2, 3, np.random.default_rng(0))
    assert tabular.features.shape == (3, 2, 6) and (tabular.features.reshape(6, 6) == np.eye(6)).all()


# --- the average MDP ------------------------------------------------------------------------------------------------------


def test_the_average_mdp_by_hand() -> None:
    """One state and step, two actions; environment 0 plays action 0 with 0.9, environment 1 with 0.3."""
    cmdp = LinearCMDP.tabular(np.ones((2, 1, 1, 2, 1)), [[[[1.0, 0.0]]], [[[0.0, 0.4]]]], [1.0])
    average = average_mdp(cmdp, [[[[0.9, 0.1]]], [[[0.3, 0.7]]]])
    # action 0: (0.9 * 1 + 0.3 * 0) / 1.2 = 0.75; action 1: (0.1 * 0 + 0.7 * 0.4) / 0.8 = 0.35
    np.testing.assert_allclose(average.mdp.rewards, [[[[0.75, 0.35]]]])
    np.testing.assert_allclose(average.behaviour, [[[0.6, 0.4]]])
    np.testing.assert_allclose(average.occupancy, [[[0.6, 0.4]]])


def test_the_average_mdp_visits_as_the_merged_data_do() -> None:
    cmdp, policy, _ = small(1, n=5)
    average = average_mdp(cmdp, policy)
    np.testing.assert_allclose(average.occupancy, cmdp.occupancy(policy).mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(average.mdp.occupancy(average.behaviour)[0], average.occupancy, atol=1e-12)
    assert average.mdp.returns(average.behaviour)[0] == pytest.approx(cmdp.returns(policy).mean())


def test_one_environment_is_its_own_average_and_unvisited_pairs_are_the_plain_mean() -> None:
    cmdp, policy, _ = small(n=1)
    np.testing.assert_allclose(average_mdp(cmdp, policy).mdp.transitions, cmdp.transitions, atol=1e-12)
    cmdp, _, _ = small(n=2)
    never = average_mdp(cmdp, np.broadcast_to([1.0, 0.0], (3, 3, 2))).mdp
    np.testing.assert_allclose(never.transitions[0, :, :, 1], cmdp.transitions[:, :, :, 1].mean(axis=0), atol=1e-12)


def misfit(data: Any, mdp: LinearCMDP) -> tuple[float, int]:
    """Pearson's chi-square of the transitions given states and actions, and its degrees of freedom."""
    _, H, S, A = mdp.shape
    counts = np.zeros((H, S, A, S))
    np.add.at(counts, (np.arange(H), data.states[:, :, :-1], data.actions, data.states[:, :, 1:]), 1)
    expected = counts.sum(axis=-1, keepdims=True) * mdp.transitions[0]
    used = (expected > 5).all(axis=-1)
    return float(((counts - expected)[used] ** 2 / expected[used]).sum()), int(used.sum()) * (S - 1)


def test_merged_data_are_the_average_mdps_and_neither_environments() -> None:
    """A goodness-of-fit test at level 0.001 with 100,000 transitions at each step."""
    rng = np.random.default_rng(3)
    cmdp = LinearCMDP.random(2, 3, 2, 4, 3, rng, concentration=1.0)
    policy = rng.dirichlet(np.ones(2), size=(2, 3, 3))
    data = cmdp.sample(policy, 50_000, rng)
    statistic, freedom = misfit(data, average_mdp(cmdp, policy).mdp)
    assert freedom >= 20 and statistic < chi2.ppf(0.999, freedom)
    assert statistic > chi2.ppf(0.001, freedom), "too good a fit is none: the data would not be random"
    for i in range(2):
        assert misfit(data, cmdp[i : i + 1])[0] > 10 * chi2.ppf(0.999, freedom)


BAD: list[tuple[Any, str]] = [
    (lambda c: LinearCMDP(2 * c.features, c.measures, c.reward_weights, c.initial), "features of norm at most 1"),
    (lambda c: LinearCMDP(c.features / 2, c.measures, c.reward_weights, c.initial), "expected features to sum to 1"),
    (lambda c: LinearCMDP(c.features, 2 * c.measures, c.reward_weights, c.initial), "expected measures to sum to 1"),
    (lambda c: LinearCMDP(c.features, c.measures[:, :-1], c.reward_weights, c.initial), "expected measures of shape"),
    (lambda c: LinearCMDP(c.features, c.measures, 2 + c.reward_weights, c.initial), r"reward_weights in \[0, 1\]"),
    (lambda c: LinearCMDP(c.features, c.measures[:0], c.reward_weights[:0], c.initial), r"reward_weights of shape \(n, H, 4\)"),
    (lambda c: LinearCMDP(c.features, c.measures, c.reward_weights, c.initial[:, :2]), "expected initial of shape"),
    (lambda c: LinearCMDP.tabular(np.ones((1, 2, 2)), np.ones((1, 2)), [1.0]), r"rewards of shape \(n, H, S, A\)"),
    (lambda c: LinearCMDP.random(0, 2, 2, 2, 2, np.random.default_rng(0)), "expected n as a whole number >= 1"),
    (lambda c: LinearCMDP.random(1, 2, 2, 2, 2, np.random.default_rng(0), difference=2.0), r"difference in \[0, 1\]; found 2"),
    (lambda c: c[0], "a slice or a list of contexts; found the number 0"),
    (lambda c: c.values(np.ones((3, 3, 2))), "expected policy to sum to 1"),
    (lambda c: c.sample(np.full((3, 3, 2), 0.5), 0, np.random.default_rng(0)), "expected episodes as a whole number >= 1"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_is_told(call: Any, message: str) -> None:
    with pytest.raises(LinearError, match=message):
        call(small()[0])
