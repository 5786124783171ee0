"""PEVI, PERM and PPPO: against enumeration, each other, and updates worked out by hand."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch

import offctx.linear
from offctx.errors import LinearError
from offctx.linear import EllipticalUncertainty, LinearCMDP, PPEProblem, average_mdp, maximise, perm, pevi, ppe, pppo
from offctx.linear.pppo import split_by_step


def instance(seed: int, *, n: int = 6, K: int = 30, tabular: bool = False, S: int = 3, A: int = 2, H: int = 3) -> Any:
    rng = np.random.default_rng(seed)
    cmdp = LinearCMDP.random_tabular(n, S, A, H, rng) if tabular else LinearCMDP.random(n, S, A, 4, H, rng)
    return cmdp, cmdp.sample(rng.dirichlet(np.ones(A), size=(n, H, S)), K, rng)


# --- PEVI -----------------------------------------------------------------------------------------------------------------


def test_pevi_is_the_plain_loop_on_merged_data() -> None:
    cmdp, data = instance(0, n=3)
    found = pevi(*data, cmdp.features, beta=0.3, ridge=0.5)
    v = np.zeros((4, 3))
    for h in (2, 1, 0):
        precision, target = 0.5 * np.eye(4), np.zeros(4)
        for i, k in np.ndindex(3, 30):
            phi = cmdp.features[data.states[i, k, h], data.actions[i, k, h]]
            precision += np.outer(phi, phi)
            target += phi * (data.rewards[i, k, h] + v[h + 1, data.states[i, k, h + 1]])
        inverse = np.linalg.inv(precision)
        bonus = 0.3 * np.sqrt(np.einsum("sad,de,sae->sa", cmdp.features, inverse, cmdp.features))
        q = np.clip(cmdp.features @ (inverse @ target) - bonus, 0, 3 - h)
        v[h] = q.max(axis=1)
        np.testing.assert_allclose(found.q[h], q, atol=1e-12)
        np.testing.assert_allclose(found.bonus[h], bonus, atol=1e-12)
        assert (found.actions[h] == q.argmax(axis=1)).all()
    np.testing.assert_allclose(found.v, v, atol=1e-12)
    assert (found.policy == np.eye(2)[found.actions]).all()


def test_pevi_is_worth_what_ppe_says_of_its_policy_on_the_merged_data() -> None:
    cmdp, data = instance(1)
    found = pevi(*data, cmdp.features, beta=0.3)
    merged = [array.reshape(1, -1, array.shape[-1]) for array in data]
    again = ppe(*merged, found.policy, cmdp.features, beta=0.3)
    np.testing.assert_allclose(found.v, again.v[0], atol=1e-12)
    np.testing.assert_allclose(found.weights, again.weights[0], atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_perm_of_merged_tabular_data_is_pevi(seed: int) -> None:
    """Tabular regression is monotone in V, so that greedy is best; PERM with one environment must then reach it."""
    cmdp, data = instance(seed, tabular=True, n=3)
    merged = [array.reshape(1, -1, array.shape[-1]) for array in data]
    initial = cmdp.initial.mean(axis=0)
    one = pevi(*data, cmdp.features, beta=0.2)
    found = perm(*merged, cmdp.features, initial=initial, beta=0.2, seed=0)
    assert found.value == pytest.approx(one.v[0] @ initial, abs=1e-9)
    apart = perm(*data, cmdp.features, initial=initial, beta=0.2, seed=0)
    judged = perm(*data, cmdp.features, initial=initial, beta=0.2, seed=0, iterations=0, restarts=1, polish=False)
    assert apart.value > judged.value, "the first start is uniform, and there must be something to gain"


def test_pevi_with_plenty_of_data_solves_the_average_mdp() -> None:
    """And that is not the mean of the environments: the merged optimum is another policy."""
    rewards = np.array([[[[1.0, 0.3]]], [[[0.0, 0.3]]]])  # action 0 pays in environment 0 alone, where it is rarely played
    cmdp = LinearCMDP.tabular(np.ones((2, 1, 1, 2, 1)), rewards, [1.0])
    behaviours = np.array([[[[0.05, 0.95]]], [[[0.95, 0.05]]]])
    data = cmdp.sample(behaviours, 5000, np.random.default_rng(0))
    merged = pevi(*data, cmdp.features, beta=0.5)
    average = average_mdp(cmdp, behaviours).mdp
    np.testing.assert_allclose(merged.q, average.rewards[0], atol=0.03)
    apart = perm(*data, cmdp.features, initial=[1.0], beta=0.5, seed=0)
    assert merged.actions.tolist() == [[1]] and apart.policy.argmax(-1).tolist() == [[0]]
    np.testing.assert_allclose([cmdp.returns(p).mean() for p in (merged.policy, apart.policy)], [0.3, 0.5], atol=1e-9)


# --- PERM -----------------------------------------------------------------------------------------------------------------


def enumerated(problem: PPEProblem, initial: np.ndarray) -> float:
    """The best of all deterministic policies, all evaluated."""
    _, H, S, A = problem.shape
    every = np.eye(A)[np.array(list(itertools.product(range(A), repeat=H * S))).reshape(-1, H, S)]
    v = problem.evaluate(torch.tensor(every)[:, None]).v[..., 0, :]
    return float((v * torch.tensor(initial)).sum(dim=-1).mean(dim=-1).max())


def reached(seeds: range) -> tuple[int, int, int]:
    """In how many instances PERM reaches enumeration less 1e-3, missed it, and missed it without a warning."""
    good, silent = 0, 0
    for seed in seeds:
        cmdp, data = instance(seed, tabular=seed % 2 == 0)
        problem = PPEProblem.fit(*data, cmdp.features, beta=(0.0, 0.1, 0.5, 1.0)[seed // 2 % 4])
        assert problem.shape == (6, 3, 3, 2)
        best, found = enumerated(problem, cmdp.initial), maximise(problem, cmdp.initial, seed=seed)
        fine = found.value >= best - 1e-3
        good += fine
        silent += not fine and not found.restarts_disagree
    return good, len(seeds) - good, silent


def test_perm_reaches_the_best_deterministic_policy() -> None:
    good, _, silent = reached(range(10))
    assert good >= 9 and silent == 0


@pytest.mark.slow
def test_perm_reaches_the_best_deterministic_policy_in_95_of_100() -> None:
    good, missed, silent = reached(range(1000, 1100))
    print(f"{good} of 100; missed {missed}, of which {silent} without the restarts disagreeing")
    assert good >= 95


def test_one_start_without_polish_does_worse() -> None:
    """Else the test above could not tell a good search from a bad one."""
    lost = 0
    for seed in range(10):
        cmdp, data = instance(seed, tabular=True)
        problem = PPEProblem.fit(*data, cmdp.features, beta=0.1)
        best = enumerated(problem, cmdp.initial)
        lost += maximise(problem, cmdp.initial, seed=seed, restarts=1, polish=False, iterations=20).value < best - 1e-3
    assert lost >= 5


def test_perms_record_is_consistent() -> None:
    cmdp, data = instance(3, tabular=True)
    found = perm(*data, cmdp.features, initial=cmdp.initial, beta=0.1, seed=5, restarts=4, iterations=30)
    judged = ppe(*data, found.policy, cmdp.features, beta=0.1)
    np.testing.assert_allclose(found.values, (judged.v[:, 0] * cmdp.initial).sum(axis=1), atol=1e-12)
    assert found.value == pytest.approx(found.values.mean()) == pytest.approx(found.restart_values.max())
    assert found.trace.shape == (32, 4) and (found.trace[-1] == found.restart_values).all()
    assert (found.trace[-1] >= found.trace[-2] - 1e-12).all() and (found.trace[-2] > found.trace[0]).all()
    uniform = ppe(*data, np.full((3, 3, 2), 0.5), cmdp.features, beta=0.1)
    assert found.trace[0, 0] == pytest.approx((uniform.v[:, 0] * cmdp.initial).sum(axis=1).mean())
    np.testing.assert_allclose(found.policy.sum(axis=-1), 1)


def test_perm_says_whether_its_restarts_disagree() -> None:
    """One environment has one best value; and where starts are left where they began, they do not agree."""
    cmdp, data = instance(4, tabular=True)
    left = perm(*data, cmdp.features, initial=cmdp.initial, beta=0.1, seed=0, iterations=0, polish=False)
    assert left.restarts_disagree and left.agreement < 0.5
    values = left.restart_values
    assert left.agreement == (values >= values.max() - 1e-3).mean()
    wide = perm(*data, cmdp.features, initial=cmdp.initial, beta=0.1, seed=0, iterations=0, polish=False, tolerance=3.0)
    assert wide.agreement == 1 and not wide.restarts_disagree
    solved = maximise(cmdp[:1].problem(), cmdp.initial[0], seed=0)
    assert not solved.restarts_disagree and solved.value == pytest.approx(cmdp[:1].optimal().v[0, 0] @ cmdp.initial[0])


def test_the_same_seed_gives_the_same_policy() -> None:
    cmdp, data = instance(2)
    one, same, other = (
        perm(*data, cmdp.features, initial=cmdp.initial, beta=0.1, seed=seed, restarts=3, iterations=5, polish=False)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(one.trace, same.trace) and np.array_equal(one.policy, same.policy)
    assert not np.array_equal(one.trace, other.trace)


def test_a_bonus_that_leaves_nothing_is_no_error() -> None:
    cmdp, data = instance(2)
    assert perm(*data, cmdp.features, initial=cmdp.initial, beta=1e3, seed=0, restarts=2, iterations=2).value == 0


# --- PPPO -----------------------------------------------------------------------------------------------------------------


def test_pppos_update_by_hand() -> None:
    """One state, H = 1, two actions, one-hot features, ridge 1, no bonus: Q = sum of rewards / (visits + 1)."""
    states = np.zeros((3, 3, 2), dtype=int)
    actions = np.array([[[0], [0], [1]], [[1], [1], [1]], [[0], [1], [1]]])
    rewards = np.array([[[1.0], [0.5], [0.2]], [[0.4], [0.4], [0.4]], [[0.0], [0.0], [0.0]]])
    found = pppo(states, actions, rewards, np.eye(2)[None], beta=0.0, seed=0, step_size=2.0)
    q = np.array([[1.5 / 3, 0.2 / 2], [0.0, 1.2 / 4], [0.0, 0.0]])
    np.testing.assert_allclose(found.q[:, 0, 0], q)
    first = np.array([0.5, 0.5])  # pi_1, as Q_0 = 0
    second = first * np.exp(2 * q[0])
    second /= second.sum()
    third = second * np.exp(2 * q[1])
    third /= third.sum()
    np.testing.assert_allclose(found.policies[:, 0, 0], [first, second, third])
    np.testing.assert_allclose(found.values[:, 0], [first @ q[0], second @ q[1], third @ q[2]])


def test_pppos_default_step_size() -> None:
    cmdp, data = instance(0, n=6, A=2, H=3)
    assert pppo(*data, cmdp.features, beta=0.0, seed=0).step_size == pytest.approx(np.sqrt(np.log(2) / (9 * 6)))


@pytest.mark.parametrize("split", [True, False])
def test_each_pppo_value_is_ppe_in_its_own_environment(split: bool) -> None:
    cmdp, data = instance(1, n=4, K=31)
    found = pppo(*data, cmdp.features, beta=0.2, seed=0, split=split, ridge=0.7)
    for i in range(4):
        one = [array[i : i + 1] for array in data]
        if not split:
            np.testing.assert_allclose(
                ppe(*one, found.policies[i], cmdp.features, beta=0.2, ridge=0.7).q[0], found.q[i], atol=1e-12
            )
            continue
        v = np.zeros(3)  # with splitting: step h (from 0) keeps trajectories h, H + h, 2 H + h, ...; ten of the 31
        for h in (2, 1, 0):
            rows = [tau * 3 + h for tau in range(10)]
            x, a, r = one[0][0, rows, h], one[1][0, rows, h], one[2][0, rows, h]
            phi = cmdp.features[x, a]
            inverse = np.linalg.inv(phi.T @ phi + 0.7 * np.eye(4))
            w = inverse @ phi.T @ (r + v[one[0][0, rows, h + 1]])
            gamma = 0.2 * np.sqrt(np.einsum("sad,de,sae->sa", cmdp.features, inverse, cmdp.features))
            q = np.clip(cmdp.features @ w - gamma, 0, 3 - h)
            v = (found.policies[i, h] * q).sum(axis=1)
            np.testing.assert_allclose(found.q[i, h], q, atol=1e-12)
        np.testing.assert_allclose(found.values[i], v, atol=1e-12)


def test_the_split_shares_no_trajectory_between_steps() -> None:
    K, H = 11, 3
    states = np.arange(K)[None, :, None] * 10 + np.arange(H + 1)  # trajectory k at step h: 10 k + h
    parts = split_by_step(states, states[:, :, :-1], states[:, :, :-1].astype(float))
    assert parts.states[0].tolist() == [[0, 11, 22], [30, 41, 52], [60, 71, 82]]
    assert (parts.next_states == parts.states + 1).all() and (parts.actions == parts.states).all()


def test_pppos_outputs() -> None:
    cmdp, data = instance(0)
    make = {name: pppo(*data, cmdp.features, beta=0.1, seed=3, output=name, step_size=1.0) for name in ("last", "mixture")}
    assert make["last"].chosen == 5 and np.array_equal(make["last"].policy, make["last"].policies[5])
    np.testing.assert_allclose(make["mixture"].policy, make["mixture"].policies.mean(axis=0))
    assert make["mixture"].chosen is None
    drawn = [pppo(*data, cmdp.features, beta=0.1, seed=seed) for seed in range(60)]
    assert {result.chosen for result in drawn} == set(range(6)), "each of pi_1..pi_n comes up"
    for result in drawn[:3]:
        assert np.array_equal(result.policy, result.policies[result.chosen])
    assert [pppo(*data, cmdp.features, beta=0.1, seed=k).chosen for k in range(9)] == [r.chosen for r in drawn[:9]]


def test_pppo_learns_what_perm_finds() -> None:
    """The same easy task in 300 environments: a policy that climbs, and at last is close to the best."""
    rng = np.random.default_rng(0)
    cmdp = LinearCMDP.random_tabular(300, 3, 2, 3, rng, difference=0.0)
    data = cmdp.sample(np.full((3, 3, 2), 0.5), 120, rng)
    found = pppo(*data, cmdp.features, beta=0.05, seed=0, output="last", step_size=0.3)
    returns = [cmdp[:1].returns(found.policies[i])[0] for i in (0, 20, 299)]
    best = cmdp[:1].optimal().v[0, 0] @ cmdp.initial[0]
    assert returns[0] < returns[1] < returns[2] + 1e-9 and best - returns[2] < 0.02 * best


# --- quantifiers and bad input ---------------------------------------------------------------------------------------------


def test_all_take_a_quantifier() -> None:
    cmdp, data = instance(0)
    options: dict[str, Any] = {"initial": cmdp.initial, "seed": 0, "restarts": 2, "iterations": 5}
    for learn in (
        lambda beta: perm(*data, cmdp.features, beta=beta, **options).policy,
        lambda beta: pevi(*data, cmdp.features, beta=beta).policy,
        lambda beta: pppo(*data, cmdp.features, beta=beta, seed=0).policies,
    ):
        np.testing.assert_allclose(learn(EllipticalUncertainty(0.3)), learn(0.3), atol=1e-9)
        assert not np.allclose(learn(0.3), learn(5.0)), "and the quantifier matters"


def spoiled(data: Any, **new: Any) -> Any:
    return data._replace(**new)


BAD: list[tuple[Any, str]] = [
    (lambda c, d: pevi(*d, c.features, beta=-1), "expected beta >= 0; found -1"),
    (lambda c, d: pevi(*spoiled(d, rewards=2 + d.rewards), c.features, beta=1), r"rewards in \[0, 1\]"),
    (lambda c, d: perm(*d, c.features, initial=c.initial, beta=-1, seed=0), "expected beta >= 0; found -1"),
    (lambda c, d: perm(*spoiled(d, actions=5 + d.actions), c.features, initial=c.initial, beta=1, seed=0), "actions in 0..1"),
    (lambda c, d: perm(*d, c.features, initial=[0.5, 0.6, 0.1], beta=1, seed=0), "expected initial to sum to 1"),
    (lambda c, d: perm(*d, c.features, initial=[0.5, 0.5], beta=1, seed=0), r"expected initial of shape \(3,\) or \(6, 3\)"),
    (lambda c, d: perm(*d, c.features, initial=c.initial, beta=1, seed=0, restarts=0), "restarts as a whole number >= 1"),
    (lambda c, d: perm(*d, c.features, initial=c.initial, beta=1, seed=0, iterations=-1), "iterations as a whole number >= 0"),
    (lambda c, d: pppo(*d, c.features, beta=-1, seed=0), "expected beta >= 0; found -1"),
    (lambda c, d: pppo(*d, c.features, beta=1, seed=0, output="best"), 'expected output "random", "last" or "mixture"'),
    (lambda c, d: pppo(*d, c.features, beta=1, seed=0, step_size=-1.0), "expected step_size >= 0; found -1"),
    (lambda c, d: pppo(*(k[:, :2] for k in d), c.features, beta=1, seed=0), "expected K >= 3; found 2"),
    (lambda c, d: pppo(*(k[:0] for k in d), c.features, beta=1, seed=0), "at least one environment"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_is_told(call: Any, message: str) -> None:
    with pytest.raises(LinearError, match=message):
        call(*instance(0))


def test_the_former_names_of_the_results_are_aliases() -> None:
    for name in ("PERM", "PPPO", "PEVI", "PPE"):
        assert getattr(offctx.linear, name) is getattr(offctx.linear, f"{name}Result")
        assert name not in offctx.linear.__all__
