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

`offctx.linear.ppe.backward` is not used here: it keeps Q of every environment at all S states. Here each next observation is a
state of its own, of which a step needs those of its own environment and step only, n H times fewer.

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

from offctx.algos.losses import value_bounds
from offctx.data.replay_buffer import ContextualReplayBuffer
from offctx.errors import LinearError
from offctx.linear import EllipticalUncertainty
from offctx.linear.features import gram_matrices

_ROWS = 2**14  # observations whose bonus is computed at a time
_KEPT = 4  # arrays of the size of a policy that autograd keeps of a sweep
_LIMIT = 2**26  # numbers that it may keep of all of them


# --- data -----------------------------------------------------------------------------------------------------------------


class Data(NamedTuple):
    """A buffer's transitions, checked, with their place in their episode.

    Attributes:
        observations, next_observations: float32 (N, D), as the buffer has them.
        actions: (N,).
        rewards: (N,).
        alive: 0 where the episode terminated, else 1, (N,).
        environments: 0..n-1, in order of the context ids; all 0 where merged, (N,).
        episodes: which of its environment's episodes it belongs to, from 0, (N,).
        steps: from 0, (N,).
    """

    observations: Tensor
    next_observations: Tensor
    actions: Tensor
    rewards: Tensor
    alive: Tensor
    environments: Tensor
    episodes: Tensor
    steps: Tensor

    @classmethod
    def of(cls, buffer: ContextualReplayBuffer, *, merged: bool) -> "Data":
        """All transitions of a buffer; as if from one environment where merged.

        Raises:
            LinearError: no transitions, an augmentation, overwritten transitions, values that are not finite, or transitions
                without a context id though they are not to be merged.
        """
        table = buffer.table
        _check(buffer)
        first = np.flatnonzero(np.diff(table["episode"], prepend=-1))  # of each episode
        environments = np.zeros(len(first), dtype=np.int64) if merged else _environments(table["context_ids"])[first]
        order = np.argsort(environments, kind="stable")
        rank = np.empty_like(order)
        rank[order] = _counted(environments[order])
        lengths = np.diff(first, append=table.size)
        columns = {
            "observations": table["observations"],
            "next_observations": table["next_observations"],
            "actions": table["actions"][:, 0].astype(np.int64),
            "rewards": table["rewards"][:, 0],
            "alive": 1 - table["terminals"][:, 0],
            "environments": np.repeat(environments, lengths),
            "episodes": np.repeat(rank, lengths),
            "steps": np.arange(table.size) - np.repeat(first, lengths),
        }
        tensors = {name: torch.from_numpy(np.array(column)) for name, column in columns.items()}
        return cls(**tensors | {name: tensors[name].double() for name in ("rewards", "alive")})

    @property
    def n(self) -> int:
        """How many environments."""
        return int(self.environments.max()) + 1

    def where(self, chosen: Tensor) -> "Data":
        """The transitions where `chosen` (N,)."""
        return Data(*(column[chosen] for column in self))

    def split_by_step(self, horizon: int) -> "Data":
        """Step h keeps episodes tau H + h, tau = 0..floor(K / H) - 1, of each environment and no others (Algorithm 3).

        Raises:
            LinearError: an environment has fewer than H episodes.
        """
        counts = torch.bincount(self.environments[self.steps == 0])
        if int(counts.min()) < horizon:
            raise LinearError(
                f"data splitting gives each of the {horizon} steps episodes of its own: expected at least {horizon} episodes "
                f"in each environment; found {int(counts.min())}. Set split=False"
            )
        used = (counts // horizon * horizon)[self.environments]
        return self.where((self.episodes < used) & (self.episodes % horizon == self.steps))


def _check(buffer: ContextualReplayBuffer) -> None:
    table = buffer.table
    if table.size == 0:
        raise LinearError("expected a buffer with transitions; found an empty one")
    if buffer.augmentation is not None:
        raise LinearError(
            f"{type(buffer.augmentation).__name__} augments sampled batches, and a closed-form fit samples none: make the "
            f"buffer without an augmentation"
        )
    if table.first:
        raise LinearError(
            f"{table.first} transitions have been overwritten, so that steps cannot be counted from their episode's start: use "
            f"a buffer without a capacity, or with a larger one"
        )
    for name in ("observations", "next_observations", "rewards"):
        odd = ~np.isfinite(table[name])
        if odd.any():
            raise LinearError(
                f"expected finite {name}; found nan or inf in {odd.sum()} places, first in row {odd.nonzero()[0][0]}"
            )


def _environments(context_ids: NDArray[Any]) -> NDArray[Any]:
    """0..n-1, in order of the context ids."""
    if (context_ids < 0).any():
        raise LinearError(
            f"expected every transition to have a context id; {(context_ids < 0).sum()} of {len(context_ids)} have none: steps "
            f"appended online have one only after buffer.connect(env)"
        )
    return np.unique(context_ids, return_inverse=True)[1]


def _counted(groups: NDArray[Any]) -> NDArray[Any]:
    """0, 1, 2, ... within each run of equal numbers."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    return np.arange(len(groups)) - np.repeat(starts, np.diff(starts, append=len(groups)))


# --- the evaluation -------------------------------------------------------------------------------------------------------


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
