"""Populations of contexts, the best policy for a population, and what single checks need of both.

Sub-optimality of a policy pi is max V - V(pi), where V is the exact mean return over a population of contexts. Training
contexts are drawn from the population independently, with replacement. The maximum is the one that `maximise` finds for
the exact problem of the whole population.

Dimensions: n contexts, B policies, H horizon, S states, A actions.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from offctx.linear import LinearCMDP, PERMResult, Trajectories, maximise, perm
from offctx.linear.problem import PPEProblem
from tools.reproduce.theory.sizes import Sizes

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Population:
    """All contexts of an instance, equally likely, and the best single policy for them.

    Attributes:
        cmdp: the contexts.
        problem: policy evaluation in the contexts, exact.
        best: the best policy and its value.
    """

    cmdp: LinearCMDP
    problem: PPEProblem
    best: PERMResult

    def suboptimality(self, policies: Floats) -> Floats:
        """Sub-optimality (B,) of policies (B, H, S, A)."""
        v = self.problem.evaluate(torch.tensor(policies)[:, None]).v[..., 0, :]
        returns = (v * torch.tensor(self.cmdp.initial)).sum(dim=-1).mean(dim=-1)
        return np.asarray(self.best.value - returns.numpy())

    def draw(self, n: int, rng: np.random.Generator) -> LinearCMDP:
        """Draw n training contexts, independently and with replacement."""
        return self.cmdp[rng.integers(len(self.cmdp), size=n)]


def population(cmdp: LinearCMDP, seed: int, sizes: Sizes) -> Population:
    """The population of these contexts; `seed` is that of the search for the best policy."""
    return Population(cmdp, cmdp.problem(), best_policy(cmdp, seed, sizes))


def linear_population(rng: np.random.Generator, seed: int, sizes: Sizes) -> Population:
    """Random linear contexts that share their features and a part of their measures and rewards."""
    S, A, H = sizes.states, sizes.actions, sizes.horizon
    cmdp = LinearCMDP.random(sizes.population, S, A, sizes.dimension, H, rng, difference=sizes.difference)
    return population(cmdp, seed, sizes)


def best_policy(cmdp: LinearCMDP, seed: int, sizes: Sizes) -> PERMResult:
    """The best single policy for contexts that are known exactly."""
    return maximise(cmdp.problem(), cmdp.initial, seed=seed, restarts=sizes.restarts, iterations=sizes.iterations)


def learn_perm(data: Trajectories, cmdp: LinearCMDP, beta: float, seed: int, sizes: Sizes, ridge: float = 1.0) -> PERMResult:
    """PERM's policy from data of these contexts."""
    return perm(
        *data, cmdp.features, initial=cmdp.initial, beta=beta, seed=seed, ridge=ridge, restarts=sizes.restarts,
        iterations=sizes.iterations,
    )  # fmt: skip


def uniform_policy(cmdp: LinearCMDP) -> Floats:
    """The policy (H, S, A) that takes all actions with the same probability."""
    _, H, S, A = cmdp.shape
    return np.full((H, S, A), 1 / A)


def mixed_with_uniform(policy: Floats, share: float) -> Floats:
    """A policy (..., A) that takes a uniform action with probability `share`, and follows `policy` otherwise."""
    return np.asarray((1 - share) * policy + share / policy.shape[-1])
