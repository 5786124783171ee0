"""Pessimistic policy evaluation against a plain loop, exact evaluation, finite differences, and its own promise."""

from typing import Any

import numpy as np
import pytest
import torch

from offctx.errors import LinearError, OffctxError
from offctx.linear import EllipticalUncertainty, LinearCMDP, PPEProblem, UncertaintyQuantifier, beta_perm, ppe, ppe_torch
from offctx.linear.regression import Regression, StepTransitions


def plain_loop(states, actions, rewards, policy, features, beta, ridge):
    """Algorithm 1 with Algorithm 4's quantifier, one environment, step, state and action at a time."""
    n, K, H = actions.shape
    S, A, d = features.shape
    policy = np.broadcast_to(policy, (n, H, S, A))
    q, v, gamma, weights = np.zeros((n, H, S, A)), np.zeros((n, H + 1, S)), np.zeros((n, H, S, A)), np.zeros((n, H, d))
    for i in range(n):
        for h in range(H - 1, -1, -1):
            precision, target = ridge * np.eye(d), np.zeros(d)
            for k in range(K):
                phi = features[states[i, k, h], actions[i, k, h]]
                precision += np.outer(phi, phi)
                target += phi * (rewards[i, k, h] + v[i, h + 1, states[i, k, h + 1]])
            inverse = np.linalg.inv(precision)
            weights[i, h] = inverse @ target
            for x in range(S):
                for a in range(A):
                    phi = features[x, a]
                    gamma[i, h, x, a] = beta * np.sqrt(phi @ inverse @ phi)
                    # the paper's h counts from 1, so that its H - h + 1 is H - h here
                    q[i, h, x, a] = min(max(phi @ weights[i, h] - gamma[i, h, x, a], 0), H - h)
                v[i, h, x] = policy[i, h, x] @ q[i, h, x]
    return q, v, gamma, weights


def instance(seed: int = 0, *, n: int = 3, K: int = 12, S: int = 4, A: int = 3, d: int = 5, H: int = 4) -> Any:
    """A random CMDP, data from it, and a random policy."""
    rng = np.random.default_rng(seed)
    cmdp = LinearCMDP.random(n, S, A, d, H, rng)
    data = cmdp.sample(rng.dirichlet(np.ones(A), size=(n, H, S)), K, rng, bernoulli=True)
    return cmdp, data, rng.dirichlet(np.ones(A), size=(H, S)), rng


@pytest.mark.parametrize("K", [1, 12, 60])  # 12 pairs: few trajectories gather features, many count visits
@pytest.mark.parametrize(("beta", "ridge"), [(0.0, 1.0), (0.2, 1.0), (0.5, 0.01), (50.0, 1.0)])
def test_the_plain_loop(K: int, beta: float, ridge: float) -> None:
    cmdp, data, policy, rng = instance(K=K)
    for pi in (policy, rng.dirichlet(np.ones(3), size=(3, 4, 4))):
        result = ppe(*data, pi, cmdp.features, beta=beta, ridge=ridge)
        loop = plain_loop(*data, pi, cmdp.features, beta, ridge)
        for found, expected in zip((result.q, result.v, result.bonus, result.weights), loop, strict=True):
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("K", [2, 40])
def test_both_ways_to_gather_data_are_taken(K: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the test above covers both: few trajectories come as their features, many as counts of visits."""
    seen = []
    fit = EllipticalUncertainty.fit
    monkeypatch.setattr(EllipticalUncertainty, "fit", lambda *args: seen.append(args[2]) or fit(*args))
    cmdp, data, policy, _ = instance(K=K)
    ppe(*data, policy, cmdp.features, beta=1.0)
    assert [counts is not None for counts in seen] == [K == 40]


def test_both_clips_are_reached() -> None:
    """Else the plain loop would not see a clip that is missing or off by one."""
    features = np.eye(2)[:, None]  # S = 2, A = 1
    states = np.zeros((1, 50, 3), dtype=int)
    data = (states, np.zeros((1, 50, 2), dtype=int), np.ones((1, 50, 2)))
    low = ppe(*data, np.ones((2, 2, 1)), features, beta=2.0)
    assert (low.q[0, :, 1] == 0).all() and (low.q[0, :, 0] > 0).all()
    narrow = np.array([[[0.1]], [[1.0]]])  # state 0 seen, so w is about 10 times the return, and state 1 overestimated
    high = ppe(*data, np.ones((2, 2, 1)), narrow, beta=0.0, ridge=1e-9)
    np.testing.assert_allclose(high.q[0, :, 1, 0], [2, 1])


@pytest.mark.parametrize("tabular", [True, False])
def test_full_coverage_without_bonus_and_ridge_is_exact_evaluation(tabular: bool) -> None:
    """Deterministic dynamics, every pair seen at every step: nothing is left to estimate."""
    rng = np.random.default_rng(1)
    n, S, A, H = 3, 4, 2, 5
    following = rng.integers(S, size=(n, H, S, A))
    rewards = rng.random((n, H, S, A))
    transitions = np.eye(S)[following]
    cmdp = LinearCMDP.tabular(transitions, rewards, np.full(S, 1 / S))
    # Transitions by step rather than trajectories: so that each pair is seen once in each step, by construction.
    x, a = (np.broadcast_to(k.ravel()[None, :, None], (n, S * A, H)) for k in np.mgrid[:S, :A])
    i, h = np.arange(n)[:, None, None], np.arange(H)
    data = StepTransitions(x, a, rewards[i, h, x, a], following[i, h, x, a])
    features = cmdp.features if tabular else cmdp.features @ np.linalg.qr(rng.standard_normal((S * A, S * A)))[0]
    problem = PPEProblem.of(Regression.fit(data, features, 0.0, 1e-12))
    policy = rng.dirichlet(np.ones(A), size=(n, H, S))
    q, v = cmdp.values(policy)
    found = problem.evaluate(torch.tensor(policy))
    np.testing.assert_allclose(found.q, q, atol=1e-9)
    np.testing.assert_allclose(found.v, v, atol=1e-9)


def test_with_more_data_it_approaches_exact_evaluation() -> None:
    """Stochastic, linear features, sampled: the error falls like K^{-1/2}, so by about 10 for 100 times the data."""
    cmdp, _, policy, rng = instance(2, d=4)
    errors = []
    for K in (1000, 100_000):
        data = cmdp.sample(np.full(policy.shape, 1 / 3), K, rng)
        errors.append(np.abs(ppe(*data, policy, cmdp.features, beta=0.0, ridge=1e-9).q - cmdp.values(policy)[0]).max())
    assert errors[1] < 0.02 and errors[1] < errors[0] / 3


# --- the torch form and its gradient ------------------------------------------------------------------------------------


@pytest.mark.parametrize("each", [False, True])
def test_torch_and_problem_are_the_same_function(each: bool) -> None:
    cmdp, data, policy, rng = instance(3)
    if each:
        policy = rng.dirichlet(np.ones(3), size=(3, 4, 4))
    expected = ppe(*data, policy, cmdp.features, beta=0.2)
    problem = PPEProblem.fit(*data, cmdp.features, beta=0.2)
    for found in (
        ppe_torch(*data, torch.tensor(policy), cmdp.features, beta=0.2),
        problem.evaluate(torch.tensor(policy)),
    ):
        for name in ("q", "v", "weights"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=0, atol=1e-12)
    np.testing.assert_allclose(problem.bonus, expected.bonus, rtol=0, atol=1e-12)
    np.testing.assert_allclose(problem.environment(1).greedy().q[0], problem.greedy().q[1], atol=1e-12)


def test_a_batch_of_policies_is_each_of_them() -> None:
    cmdp, data, _, rng = instance(3)
    problem = PPEProblem.fit(*data, cmdp.features, beta=0.2)
    policies = rng.dirichlet(np.ones(3), size=(2, 5, 1, 4, 4))
    found = problem.evaluate(torch.tensor(policies))
    assert found.q.shape == (2, 5, 3, 4, 4, 3) and found.v.shape == (2, 5, 3, 5, 4) and found.weights.shape == (2, 5, 3, 4, 5)
    for i, j in np.ndindex(2, 5):
        alone = ppe(*data, policies[i, j, 0], cmdp.features, beta=0.2)
        for name in ("q", "v", "weights"):
            np.testing.assert_allclose(getattr(found, name)[i, j], getattr(alone, name), rtol=0, atol=1e-12)


@pytest.mark.parametrize("form", ["data", "operators"])
def test_the_gradient_is_the_finite_difference(form: str) -> None:
    """Of the mean value, in each of the H S A probabilities."""
    cmdp, data, policy, _ = instance(4)
    problem = PPEProblem.fit(*data, cmdp.features, beta=0.2)

    def value(pi: torch.Tensor) -> torch.Tensor:
        if form == "operators":
            return problem.evaluate(pi).v[:, 0].mean()
        return ppe_torch(*data, pi, cmdp.features, beta=0.2).v[:, 0].mean()

    at = torch.tensor(policy, requires_grad=True)
    (slope,) = torch.autograd.grad(value(at), at)
    assert slope.count_nonzero() > slope.numel() / 2, "a gradient of zeros would be checked against nothing"
    step = 1e-6
    for index in np.ndindex(*policy.shape):
        up, down = (torch.tensor(policy) for _ in range(2))
        up[index] += step
        down[index] -= step
        difference = float(value(up) - value(down)) / (2 * step)
        assert float(slope[index]) == pytest.approx(difference, abs=1e-8)


# --- the promise ----------------------------------------------------------------------------------------------------------


def violations(beta: float | None, delta: float = 0.1) -> tuple[int, float]:
    """Of 1,000 random instances, in how many some pessimistic q exceeds the true one; and the share of the value kept.

    Twenty feature maps, with fifty linear MDPs, fifty data sets and fifty policies each.
    """
    wrong, kept = 0, []
    d, H, K, n = 2, 2, 6000, 50
    for seed in range(20):
        rng = np.random.default_rng(seed)
        cmdp = LinearCMDP.random(n, 3, 2, d, H, rng)
        data = cmdp.sample(rng.dirichlet(np.ones(2), size=(n, H, 3)), K, rng, bernoulli=True)
        policy = rng.dirichlet(np.ones(2), size=(n, H, 3))
        scale = beta_perm(d, H, 1, K, delta, 0.0) if beta is None else beta
        result = ppe(*data, policy, cmdp.features, beta=scale)
        q, v = cmdp.values(policy)
        wrong += int(((result.q > q + 1e-12).any(axis=(1, 2, 3)) | (result.v > v + 1e-12).any(axis=(1, 2))).sum())
        kept.append(result.v[:, 0].mean() / v[:, 0].mean())
    return wrong, float(np.mean(kept))


def test_pessimism_holds_at_theorys_beta() -> None:
    """In at least 1 - delta of 1,000 instances, and not because everything is clipped to zero; not in most without it."""
    wrong, kept = violations(None, delta=0.1)
    assert wrong <= 100
    assert kept > 0.3
    without, _ = violations(0.0)
    assert without > 500


# --- quantifiers and bad input --------------------------------------------------------------------------------------------


def test_beta_may_be_a_quantifier() -> None:
    cmdp, data, policy, _ = instance()
    number = ppe(*data, policy, cmdp.features, beta=0.3, ridge=2.0)
    quantifier = ppe(*data, policy, cmdp.features, beta=EllipticalUncertainty(0.3, ridge=2.0), ridge=2.0)
    np.testing.assert_allclose(quantifier.q, number.q, atol=1e-13)
    np.testing.assert_allclose(quantifier.bonus, number.bonus, atol=1e-13)

    class Constant(UncertaintyQuantifier):
        def __init__(self, batch=()):
            self.batch = batch

        def fit(self, features, counts=None):
            return Constant(features.shape[:-2] if counts is None else counts.shape[:-1])

        update = fit

        def bonus(self, features, *, paired=False):
            return torch.full((*self.batch, *features.shape[:-1]), 0.25, dtype=torch.float64)

    flat = ppe(*data, policy, cmdp.features, beta=Constant())
    assert (flat.bonus == 0.25).all()
    np.testing.assert_allclose(flat.q[:, -1], np.clip((cmdp.features @ flat.weights[:, -1].T).transpose(2, 0, 1) - 0.25, 0, 1))
    with pytest.raises(LinearError, match=r"expected a bonus >= 0 of shape \(3, 4, 4, 3\)"):
        Constant.fit = lambda self, features, counts=None: self  # type: ignore[method-assign,assignment]
        ppe(*data, policy, cmdp.features, beta=Constant())


def test_the_record_is_frozen() -> None:
    cmdp, data, policy, _ = instance()
    result = ppe(*data, policy, cmdp.features, beta=0.3)
    for name in ("q", "v", "bonus", "weights"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(result, name)[:] = 0
    with pytest.raises(AttributeError):
        result.q = None  # type: ignore[misc,assignment]


def changed(name: str, change: Any) -> Any:
    def make(arguments: dict[str, Any]) -> None:
        arguments[name] = change(arguments[name])

    return make


def put(array: np.ndarray, value: float) -> np.ndarray:
    array = np.array(array)
    array.flat[1] = value
    return array


BAD: list[tuple[Any, str]] = [
    (changed("rewards", lambda r: put(r, 1.5)), r"expected rewards in \[0, 1\]; found .* to 1.5"),
    (changed("rewards", lambda r: put(r, -0.5)), r"expected rewards in \[0, 1\]; found -0.5"),
    (changed("rewards", lambda r: put(r, np.nan)), r"expected finite rewards; found nan at \(0, 0, 1\)"),
    (changed("features", lambda f: 3 * f), "expected features of norm at most 1.*; found norm"),
    (changed("features", lambda f: put(f, np.inf)), "expected finite features; found inf"),
    (changed("features", lambda f: f[0]), r"expected features of shape \(S, A, d\)"),
    (changed("actions", lambda a: put(a, 3)), r"expected actions in 0\.\.2; found 0 to 3"),
    (changed("actions", lambda a: put(a, -1)), r"expected actions in 0\.\.2; found -1"),
    (changed("actions", lambda a: a.astype(float)), r"expected actions \(n, K, H\) as integers; found float64"),
    (changed("states", lambda x: put(x, 4)), r"expected states in 0\.\.3; found 0 to 4"),
    (changed("states", lambda x: x[:, :, :-1]), r"expected states of shape \(3, 12, 5\) beside actions .*; found \(3, 12, 4\)"),
    (changed("states", lambda x: [[list(range(k % 3 + 1)) for k in range(12)]] * 3), "expected states as one array.* ragged"),
    (changed("rewards", lambda r: [[list(range(k % 3 + 1)) for k in range(12)]] * 3), "expected rewards as one array.* ragged"),
    (changed("rewards", lambda r: r[:2]), r"expected rewards of shape \(3, 12, 4\) beside actions .*; found \(2, 12, 4\)"),
    (changed("actions", lambda a: a[:0]), "at least one environment, trajectory and step"),
    (changed("actions", lambda a: a[:, :0]), "at least one environment, trajectory and step"),
    (changed("policy", lambda p: 2 * p), "expected policy to sum to 1 over the last axis; found 2"),
    (changed("policy", lambda p: np.stack([1.5 + 0 * p[..., 0], -0.5 + 0 * p[..., 0], 0 * p[..., 0]], -1)), "probabilities"),
    (changed("policy", lambda p: p[:-1]), r"expected policy of shape \(4, 4, 3\) or \(3, 4, 4, 3\); found \(3, 4, 3\)"),
    (changed("policy", lambda p: put(p, np.nan)), "expected finite policy; found nan"),
    (changed("beta", lambda b: -1.0), "expected beta >= 0; found -1"),
    (changed("beta", lambda b: np.nan), "expected beta as one finite number >= 0; found nan"),
    (changed("beta", lambda b: "large"), "expected beta as one finite number >= 0; found 'large'"),
    (changed("ridge", lambda b: 0.0), "expected ridge > 0; found 0"),
]


@pytest.mark.parametrize(("spoil", "message"), BAD)
def test_bad_input_is_told(spoil: Any, message: str) -> None:
    cmdp, data, policy, _ = instance()
    arguments = {**data._asdict(), "policy": policy, "features": cmdp.features, "beta": 1.0, "ridge": 1.0}
    ppe(**arguments)
    spoil(arguments)
    with pytest.raises(LinearError, match=message) as told:
        ppe(**arguments)
    assert isinstance(told.value, (OffctxError, ValueError))


@pytest.mark.parametrize("shape", [(4, 3), (3, 4, 3), (2, 4, 4, 3), (5, 3, 4, 4, 3)])
def test_policies_of_the_wrong_shape_are_told(shape: tuple[int, ...]) -> None:
    cmdp, data, _, _ = instance()
    with pytest.raises(LinearError, match="expected a float64 policy of shape"):
        ppe_torch(*data, torch.zeros(shape, dtype=torch.float64), cmdp.features, beta=1.0)
    with pytest.raises(LinearError, match="expected a float64 policy"):
        PPEProblem.fit(*data, cmdp.features, beta=1.0).evaluate(torch.zeros(4, 4, 3))
