"""Pessimistic evaluation over continuous observations: the backward sweeps over a buffer's data, packed by step.

Source: arXiv 2503.07988, Algorithms 1 and 4. With discrete actions and features psi of an observation, phi(x, a) is
e_a (x) psi(x), so that each action has a regression of its own. For environment i and step h (from 0), with V_{i,H} = 0,

    w_{i,h,a} = Lambda_{i,h,a}^{-1} sum psi(x) (r + gamma V_{i,h+1}(x')),  Lambda_{i,h,a} = sum psi(x) psi(x)^T + ridge I,
    Gamma_{i,h}(x, a) = beta sqrt( psi(x)^T Lambda_{i,h,a}^{-1} psi(x) )
    Q_{i,h}(x, a) = clip( psi(x)^T w_{i,h,a} - Gamma_{i,h}(x, a), least and largest sum of 1 to H - h rewards )
    V_{i,h}(x) = < Q_{i,h}(x, .), pi_h(. | x) >,  0 where the episode has terminated

with sums over the transitions at step h of environment i that took action a. Gamma is that of EllipticalUncertainty, the
default; another quantifier may take its place.

Departures: (1) Rewards lie in given bounds, not in [0, 1], and Q is clipped to what they allow. (2) A discount, 1 unless asked
for. (3) Episodes may end early, and environments differ in size. (4) Stationary: all transitions of an environment serve one
regression, whatever their step, and the policy with H steps to go serves at every step.

`offctx.linear.recursion.backward` is not used here: it keeps Q of every environment at all S states. Here each next
observation is a state of its own, and a step needs those of its own environment and step only, n H times fewer.

Dimensions: N transitions, n environments, K transitions of one environment at one step (padded with zeros), H horizon, T steps
that have regressions of their own (H, or 1 where stationary), A actions, m features, R policies at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from offctx.algos.closed_form.bonus import bonus_of_actions
from offctx.algos.closed_form.regression import Starts, StepRegression, linear_values, sweep
from offctx.uncertainty.quantifier import UncertaintyQuantifier

_KEPT = 4  # arrays of the size of a policy that autograd keeps of a sweep
_LIMIT = 2**26  # numbers that it may keep of all of them


@dataclass(frozen=True, eq=False)
class Problem:
    """Regressions of all environments and steps, factorised, and what is needed to sweep over them.

    Attributes:
        steps: T of them.
        starts: the initial observations.
        bounds: of Q (H, 2).
        quantifier: of the data of each step, environment and action, batch (T, n, A).
    """

    steps: list[StepRegression]
    starts: Starts
    bounds: NDArray[Any]
    quantifier: UncertaintyQuantifier

    def environment(self, i: int) -> "Problem":
        """The problem of environment i alone."""
        one = slice(i, i + 1)
        steps = [StepRegression(*(tensor[one] for tensor in step)) for step in self.steps]
        starts = Starts(*(tensor[one] for tensor in self.starts))
        return replace(self, steps=steps, starts=starts, quantifier=self.quantifier.select((slice(None), one)))

    @property
    def spread(self) -> float:
        """The largest difference between the values of two policies."""
        return float(self.bounds[0, 1] - self.bounds[0, 0])

    def after(self, t: int) -> int | None:
        """The index in `steps` and `bounds` of the step after steps[t]; None where no step follows."""
        return next_index(t, len(self.steps), len(self.bounds))

    def q(self, features: Tensor, weights: list[Tensor], t: int) -> Tensor:
        """Q (n, K, A) at any observations psi (n, K, m), for w of the T steps, each (n, m, 1, A).

        The problem of one environment takes psi of any number of groups, which it evaluates alike.
        """
        n, _, A = self.starts.bonus.shape
        quantifier = self.quantifier.select(t)
        if len(features) != n:
            quantifier = quantifier.select(torch.zeros(len(features), dtype=torch.int64, device=features.device))
        bonus = bonus_of_actions(quantifier, features, A)
        return (linear_values(features, weights[t])[:, :, 0] - bonus).clamp(*self.bounds[t].tolist())

    def index(self, h: int) -> int:
        """Which of `steps` serves step h."""
        return min(h, len(self.steps) - 1)

    def evaluate(self, policies: Sequence[Tensor] | None) -> list[Tensor]:
        """w of the T steps, each (n, m, R, A), differentiable in the policies.

        Args:
            policies: for each of the T steps, the probabilities of the step after at its next observations (n, K, R, A); the
                greedy policy where None.
        """
        last = len(self.bounds) - 1
        weights = [sweep(self.steps[self.index(last)], None, None, 0.0, 0.0)]
        # What autograd keeps of a stationary problem's sweeps grows with H; beyond a limit it keeps one sweep and repeats it.
        kept = 0 if policies is None or not policies[0].requires_grad else _KEPT * last * policies[0].numel()
        repeat = len(self.steps) <= last and kept > _LIMIT
        for h in reversed(range(last)):
            policy = None if policies is None else policies[self.index(h)]
            arguments = (self.steps[self.index(h)], weights[-1], policy, *self.bounds[h + 1].tolist())
            weights.append(checkpoint(sweep, *arguments, use_reentrant=False) if repeat else sweep(*arguments))
        return weights[::-1][: len(self.steps)]

    def initial_values(self, weights: Tensor, policy: Tensor | None) -> Tensor:
        """V_{i,0}, the mean over the environment's own initial observations: (n, R).

        Args:
            weights: w_0 (n, m, R, A).
            policy: pi_0 at the initial observations (n, K, R, A); greedy where None.
        """
        q = (linear_values(self.starts.features, weights) - self.starts.bonus[:, :, None]).clamp(*self.bounds[0].tolist())
        v = q.amax(dim=-1) if policy is None else (q * policy).sum(dim=-1)
        return (self.starts.shares[..., None] * v).sum(dim=1)


def next_index(t: int, T: int, horizon: int) -> int | None:
    """Which of T regressions serves the step after those of regression t; None where no step follows."""
    if horizon > T:  # stationary
        return 0
    return t + 1 if t + 1 < T else None
