"""Pessimistic evaluation over continuous observations: a buffer's data packed by step, and the backward sweeps over them.

Source: arXiv 2503.07988, Algorithms 1 and 4. With discrete actions and features psi of an observation, phi(x, a) is
e_a (x) psi(x), so that each action has a regression of its own. For environment i and step h (from 0), with V_{i,H} = 0,

    w_{i,h,a} = Lambda_{i,h,a}^{-1} sum psi(x) (r + gamma V_{i,h+1}(x')),  Lambda_{i,h,a} = sum psi(x) psi(x)^T + ridge I,
    Gamma_{i,h}(x, a) = beta sqrt( psi(x)^T Lambda_{i,h,a}^{-1} psi(x) )
    Q_{i,h}(x, a) = clip( psi(x)^T w_{i,h,a} - Gamma_{i,h}(x, a), what 1 to H - h rewards can be worth )
    V_{i,h}(x) = < Q_{i,h}(x, .), pi_h(. | x) >,  0 where the episode has terminated

with sums over the transitions at step h of environment i that took action a.

Departures: (1) Rewards lie in given bounds, not in [0, 1], and Q is clipped to what they allow. (2) A discount, 1 unless asked
for. (3) Episodes may end early, and environments differ in size. (4) Stationary: all transitions of an environment serve one
regression, whatever their step, and the policy with H steps to go serves at every step.

`offctx.linear.recursion.backward` is not used here: it keeps Q of every environment at all S states. Here each next
observation is a state of its own, and a step needs those of its own environment and step only, n H times fewer.

Dimensions: N transitions, n environments, K transitions of one environment at one step (padded with zeros), H horizon, T steps
that have regressions of their own (H, or 1 where stationary), A actions, m features, D what the agent sees, R policies at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from offctx.algos.closed_form.data import Data
from offctx.algos.shared.losses import value_bounds
from offctx.linear import EllipticalUncertainty
from offctx.uncertainty.gram import gram_matrices

_ROWS = 2**14  # observations whose bonus is computed at a time
_KEPT = 4  # arrays of the size of a policy that autograd keeps of a sweep
_LIMIT = 2**26  # numbers that it may keep of all of them


class Step(NamedTuple):
    """What is regressed at one step, in every environment.

    Attributes:
        features: psi(x), (n, K, m).
        chosen: which action was taken, (n, K, A), 0 or 1.
        rewards: (n, K).
        discounts: gamma, or 0 where the episode terminated, (n, K).
        next_features: psi(x'), (n, K, m).
        next_bonus: Gamma of the step after at x', (n, K, A).
        whitening: L^{-1} for Lambda = L L^T, (n, A, m, m).
    """

    features: Tensor
    chosen: Tensor
    rewards: Tensor
    discounts: Tensor
    next_features: Tensor
    next_bonus: Tensor
    whitening: Tensor


class Starts(NamedTuple):
    """The environments' own initial observations: features (n, K, m), Gamma (n, K, A), and shares (n, K) that sum to 1."""

    features: Tensor
    bonus: Tensor
    shares: Tensor


def linear(features: Tensor, weights: Tensor) -> Tensor:
    """psi (n, K, m) times weights (n or 1, m, R, A): (n, K, R, A)."""
    product = features @ weights.flatten(-2)
    return product.reshape(*product.shape[:-1], *weights.shape[-2:])


def elliptical_bonus(features: Tensor, whitening: Tensor) -> Tensor:
    """sqrt(psi^T Lambda^{-1} psi) of psi (n or 1, K, m) for L^{-1} (n, A, m, m): (n, K, A)."""
    white = features[:, None] @ whitening.transpose(-1, -2)  # the exporter to ONNX does not know .mT
    return white.square().sum(dim=-1).sqrt().transpose(-1, -2)


def sweep(step: Step, following: Tensor | None, policy: Tensor | None, low: float, high: float) -> Tensor:
    """One step backwards: w_h (n, m, R, A) from w_{h+1} (n, m, R, A), which is None where h is the last.

    Args:
        step: the data of h.
        following: w_{h+1}.
        policy: pi_{h+1} at the next observations (n, K, R, A); greedy where None.
        low, high: bounds of Q_{h+1}.
    """
    targets = step.rewards[..., None]
    if following is not None:
        q = (linear(step.next_features, following) - step.next_bonus[:, :, None]).clamp(low, high)
        v = q.amax(dim=-1) if policy is None else (q * policy).sum(dim=-1)
        targets = targets + step.discounts[..., None] * v
    each = targets[..., None] * step.chosen[:, :, None]  # (n, K, R, A)
    moments = (step.features.mT @ each.flatten(-2)).reshape(len(each), -1, *each.shape[-2:]).permute(0, 3, 1, 2)  # (n, A, m, R)
    solved: Tensor = step.whitening.mT @ (step.whitening @ moments)
    return solved.permute(0, 2, 3, 1)


@dataclass(frozen=True, eq=False)
class Problem:
    """Regressions of all environments and steps, factorised, and what is needed to sweep over them.

    Attributes:
        steps: T of them.
        starts: the initial observations.
        bounds: of Q (H, 2).
        beta: scale of the bonus.
    """

    steps: list[Step]
    starts: Starts
    bounds: NDArray[Any]
    beta: float

    @classmethod
    def fit(
        cls,
        data: Data,
        starts: Data,
        features: nn.Module,
        actions: int,
        *,
        horizon: int,
        stationary: bool,
        reward_bounds: tuple[float, float],
        beta: float,
        ridge: float,
        gamma: float,
    ) -> "Problem":
        """Factorise.

        Args:
            data: transitions of steps below H.
            starts: the first transition of each episode.
            features: psi, ready, in float64.
            actions: A.
            horizon: H.
            stationary: one regression for all steps.
            reward_bounds: of single rewards.
            beta, ridge: of Gamma and the regressions.
            gamma: the discount.
        """
        n, T = starts.n, 1 if stationary else horizon
        served = data.steps.clamp(max=T - 1)
        cells = (served * n + data.environments) * actions + data.actions
        gram = gram_matrices(features, data.observations, None, cells, T * n * actions)
        whitening = EllipticalUncertainty.from_gram(gram, beta, ridge).whitening.reshape(T, n, actions, *gram.shape[1:])

        def step(t: int) -> Step:
            rows = data.where(served == t)
            pack = _packer(rows.environments, n)
            chosen, following = pack(nn.functional.one_hot(rows.actions, actions)), pack(features(rows.next_observations))
            after = _after(t, T, horizon)
            return Step(
                features=pack(features(rows.observations)),
                chosen=chosen,
                rewards=pack(rows.rewards),
                discounts=pack(gamma * rows.alive),
                next_features=following,
                next_bonus=torch.zeros_like(chosen) if after is None else beta * _in_chunks(following, whitening[after]),
                whitening=whitening[t],
            )

        pack = _packer(starts.environments, n)
        first, shares = pack(features(starts.observations)), 1 / torch.bincount(starts.environments).double()
        return cls(
            [step(t) for t in range(T)],
            Starts(first, beta * _in_chunks(first, whitening[0]), pack(shares[starts.environments])),
            np.array([value_bounds(reward_bounds, gamma, horizon - h) for h in range(horizon)]),
            beta,
        )

    def environment(self, i: int) -> "Problem":
        """The problem of environment i alone."""
        one = slice(i, i + 1)
        steps = [Step(*(tensor[one] for tensor in step)) for step in self.steps]
        return replace(self, steps=steps, starts=Starts(*(tensor[one] for tensor in self.starts)))

    @property
    def spread(self) -> float:
        """What the values of two policies can differ by."""
        return float(self.bounds[0, 1] - self.bounds[0, 0])

    def after(self, t: int) -> int | None:
        """The step at whose observations steps[t] ends, as an index of `steps` and `bounds`; None where nothing follows."""
        return _after(t, len(self.steps), len(self.bounds))

    def q(self, features: Tensor, weights: list[Tensor], t: int) -> Tensor:
        """Q at any observations psi (n or 1, K, m), for w of the T steps, each (n, m, 1, A): (n, K, A)."""
        bonus = self.beta * _in_chunks(features, self.steps[t].whitening)
        return (linear(features, weights[t])[:, :, 0] - bonus).clamp(*self.bounds[t].tolist())

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
        held = 0 if policies is None or not policies[0].requires_grad else _KEPT * last * policies[0].numel()
        repeat = len(self.steps) <= last and held > _LIMIT
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
        q = (linear(self.starts.features, weights) - self.starts.bonus[:, :, None]).clamp(*self.bounds[0].tolist())
        v = q.amax(dim=-1) if policy is None else (q * policy).sum(dim=-1)
        return (self.starts.shares[..., None] * v).sum(dim=1)


def _after(t: int, T: int, horizon: int) -> int | None:
    if horizon > T:  # stationary
        return 0
    return t + 1 if t + 1 < T else None


def _packer(environments: Tensor, n: int) -> Callable[[Tensor], Tensor]:
    """From rows (M, ...) to (n, K, ...), float64, each in its environment's row, zeros behind."""
    order = torch.argsort(environments, stable=True)
    counts = torch.bincount(environments, minlength=n)
    slots = torch.empty_like(order)
    slots[order] = torch.arange(len(order)).to(order) - (counts.cumsum(0) - counts)[environments[order]]
    width = int(counts.max())

    def pack(rows: Tensor) -> Tensor:
        packed = torch.zeros(n, width, *rows.shape[1:], dtype=torch.float64, device=rows.device)
        packed[environments, slots] = rows.double()
        return packed

    return pack


def _in_chunks(features: Tensor, whitening: Tensor) -> Tensor:
    """`elliptical_bonus`, some observations at a time: its intermediate products are A m times as large as what it gives."""
    parts = torch.split(features, max(1, _ROWS // max(1, len(features))), dim=1)
    return torch.cat([elliptical_bonus(part, whitening) for part in parts], dim=1)
