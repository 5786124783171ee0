"""Pessimistic policy evaluation (PPE) in many linear MDPs, against a NumPy loop over them.

Dimensions: n environments, H steps, K trajectories, d features, S states, A actions.
"""

import statistics

import numpy as np
from numpy.typing import NDArray

import offctx.linear
from offctx.linear import LinearCMDP
from tools.benchmark.bench import Bench, Size
from tools.benchmark.race import Measurement, Race
from tools.benchmark.timing import alternate, timed

ENVIRONMENTS = Size(full=64, quick=2)


def ppe(bench: Bench) -> Measurement:
    """`offctx.linear.ppe` and the loop, which must agree."""
    n, H, K, d, S, A = bench.size(ENVIRONMENTS), 20, 200, 50, 25, 4
    rng = np.random.default_rng(0)
    cmdp = LinearCMDP.random(n, S, A, d, H, rng)
    data = cmdp.sample(rng.dirichlet(np.ones(A), size=(n, H, S)), K, rng)
    policy = rng.dirichlet(np.ones(A), size=(H, S))
    estimate = offctx.linear.ppe(*data, policy, cmdp.features, beta=1.0)
    times = {}
    for solver in ("cholesky", "inverse"):
        q = ppe_by_loops(*data, policy, cmdp.features, solver=solver)
        assert np.abs(q - estimate.q).max() < 1e-10

        def ours() -> float:
            return timed(lambda: offctx.linear.ppe(*data, policy, cmdp.features, beta=1.0))

        def peer(solver: str = solver) -> float:
            return timed(lambda: ppe_by_loops(*data, policy, cmdp.features, solver=solver))

        times[solver] = alternate(ours, peer, bench.repeats)
    inverse_ratio = statistics.median(times["inverse"][1]) / statistics.median(times["inverse"][0])
    what = (
        f"one policy in n = {n} linear MDPs, H = {H}, K = {K}, d = {d}, S = {S}, A = {A}, float64: offctx.linear.ppe against "
        f"the same mathematics, by Cholesky too, as a NumPy loop over environments and steps (agreeing to 1e-10); against a "
        f"loop that inverts Lambda outright, which is less work, the ratio is {inverse_ratio:.2f}x"
    )
    return Measurement(what, *times["cholesky"])


def ppe_by_loops(
    states: NDArray[np.int64],
    actions: NDArray[np.int64],
    rewards: NDArray[np.float64],
    policy: NDArray[np.float64],
    features: NDArray[np.float64],
    *,
    solver: str,
    beta: float = 1.0,
    ridge: float = 1.0,
) -> NDArray[np.float64]:
    """PPE as one would write it in NumPy without batching: whole arrays inside a step, loops over environments and steps.

    Args:
        states: (n, K, H + 1).
        actions: (n, K, H).
        rewards: (n, K, H).
        policy: probabilities (H, S, A).
        features: (S, A, d).
        solver: "cholesky", or "inverse" to invert Lambda.
        beta: factor of the uncertainty.
        ridge: lambda.

    Returns:
        Pessimistic action values (n, H, S, A).
    """
    n, _, H = actions.shape
    S, A, d = features.shape
    rows = features.reshape(S * A, d)
    q, v = np.zeros((n, H, S, A)), np.zeros((n, H + 1, S))
    for i in range(n):
        for h in reversed(range(H)):
            phi = features[states[i, :, h], actions[i, :, h]]
            precision = phi.T @ phi + ridge * np.eye(d)
            target = phi.T @ (rewards[i, :, h] + v[i, h + 1, states[i, :, h + 1]])
            if solver == "cholesky":
                factor = np.linalg.cholesky(precision)
                w = np.linalg.solve(factor.T, np.linalg.solve(factor, target))
                square = (np.linalg.solve(factor, rows.T) ** 2).sum(axis=0)
            else:
                inverse = np.linalg.inv(precision)
                w = inverse @ target
                square = (rows @ inverse * rows).sum(axis=1)
            q[i, h] = np.clip(rows @ w - beta * np.sqrt(square), 0, H - h).reshape(S, A)
            v[i, h] = (policy[h] * q[i, h]).sum(axis=1)
    return q


RACES = (Race("ppe", ppe, target=3),)
