"""Pessimistic empirical risk minimisation (PERM): one policy for all environments, each judged by its own data.

Source: arXiv 2503.07988, Algorithm 2:

    pi = argmax over pi in Pi of J(pi) = (1/n) sum_i < mu_i, V_{i,1}^pi >,   V_i^pi from PPE on D_i alone.

The paper leaves the maximisation open. Here Pi are the softmax policies (H, S, A) and their limits, and J is climbed from
several starts, all of them one batch:

1. Adam on the logits, through `PPEProblem.evaluate`.
2. Rounding to a deterministic policy. As long as no clip is active, J is linear in pi_h while the other steps are fixed
   (V_{i,h} is linear in pi_h, and J in V_{i,h}), so a best policy is deterministic, and setting pi_h to its gradient's argmax
   is an exact step of block-coordinate ascent. Sweep h = H..1 until nothing improves, taking only what improves: clips may
   be active.
3. From each start's better of the two, change single (h, x) while that improves J, exactly evaluated, the most promising by
   gradient first.
4. Several times: change a third of its actions at random, repeat 2 and 3, keep what is better (iterated local search).

J has local maxima, as finding the best one policy for several MDPs is hard; when starts end apart, `PERMResult` says so.

Dimensions: R restarts, n environments, K trajectories, H horizon, S states, A actions, d features.
"""

from dataclasses import dataclass

import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn.functional import one_hot

from offctx.checks import Floats, at_least, count, probabilities
from offctx.linear.ppe import PPEProblem, frozen
from offctx.uncertainty.quantifier import UncertaintyQuantifier

_KICKS = 6
_ROUNDING = 1e-12  # an improvement is more than that


@dataclass(frozen=True)
class PERMResult:
    """The best policy found, and how the search went.

    Attributes:
        policy: (H, S, A).
        value: J, the mean of `values`.
        values: the policy's pessimistic value in each environment, from the initial distribution (n,).
        trace: J of each restart along Adam's steps and after polishing: (iterations + 2, R).
        restart_values: J that each restart reached (R,).
        tolerance: how far below the best a restart may end and still agree.
    """

    policy: Floats
    value: float
    values: Floats
    trace: Floats
    restart_values: Floats
    tolerance: float

    @property
    def agreement(self) -> float:
        """The share of restarts that ended within `tolerance` of the best."""
        return float((self.restart_values >= self.value - self.tolerance).mean())

    @property
    def restarts_disagree(self) -> bool:
        """Whether some restart ended further below the best: then a better policy may have been missed."""
        return self.agreement < 1


def perm(
    states: ArrayLike,
    actions: ArrayLike,
    rewards: ArrayLike,
    features: ArrayLike,
    *,
    initial: ArrayLike,
    beta: float | UncertaintyQuantifier,
    seed: int,
    ridge: float = 1.0,
    restarts: int = 16,
    iterations: int = 100,
    learning_rate: float = 0.3,
    polish: bool = True,
    tolerance: float = 1e-3,
) -> PERMResult:
    """PERM on the data of n environments.

    Args:
        states: (n, K, H+1), integers in 0..S-1.
        actions: (n, K, H), integers in 0..A-1.
        rewards: (n, K, H), in [0, 1].
        features: (S, A, d), of norm at most 1.
        initial: mu, the distribution of the first state, (S,) or one for each environment (n, S).
        beta: the scale of `EllipticalUncertainty`, >= 0 (theory's is `beta_perm`); or another quantifier.
        seed: of the starts.
        ridge: lambda of the regression, > 0.
        restarts, iterations, learning_rate, polish, tolerance: as in `maximise`.

    Raises:
        LinearError: as `ppe`.
    """
    problem = PPEProblem.fit(states, actions, rewards, features, beta=beta, ridge=ridge)
    return maximise(
        problem, initial, seed=seed, restarts=restarts, iterations=iterations, learning_rate=learning_rate,
        polish=polish, tolerance=tolerance,
    )  # fmt: skip


def maximise(
    problem: PPEProblem,
    initial: ArrayLike,
    *,
    seed: int,
    restarts: int = 16,
    iterations: int = 100,
    learning_rate: float = 0.3,
    polish: bool = True,
    tolerance: float = 1e-3,
) -> PERMResult:
    """The policy of the largest mean value, by the problem. For the oracle give it `LinearCMDP.problem()`.

    Args:
        problem: what judges policies.
        initial: mu, (S,) or (n, S).
        seed: of the starts: the first is uniform, the others have standard normal logits, times two.
        restarts: R.
        iterations: Adam's steps.
        learning_rate: Adam's, falling linearly to a tenth.
        polish: steps 2 to 4 above; without it, the softmax policies as Adam left them.
        tolerance: see `PERMResult`.
    """
    n, H, S, A = problem.shape
    mu = torch.tensor(probabilities(initial, "initial", ((S,), (n, S))))
    R, steps = count(restarts, 1, "restarts"), count(iterations, 0, "iterations")
    rate, slack = at_least(learning_rate, 0, "learning_rate"), at_least(tolerance, 0, "tolerance")
    search = _Search(problem, mu)
    generator = torch.Generator().manual_seed(count(seed, 0, "seed"))
    logits = 2 * torch.randn(R, H, S, A, generator=generator, dtype=torch.float64)
    logits[0] = 0
    policies, trace = search.adam(logits, steps, rate)
    values = trace[-1]
    if polish:
        policies, values = search.polish(policies, values)
        for _ in range(_KICKS):
            policies, values = search.kick(policies, values, generator)
    best = int(values.argmax())
    each = search.values(policies[best])
    return PERMResult(
        frozen(policies[best].clone()),
        float(each.mean()),
        frozen(each),
        frozen(torch.stack([*trace, values])),
        frozen(values),
        slack,
    )


@dataclass(frozen=True)
class _Search:
    problem: PPEProblem
    initial: Tensor

    def values(self, policies: Tensor) -> Tensor:
        """Of policies (*B, H, S, A), in each environment: (*B, n)."""
        v = self.problem.evaluate(policies[..., None, :, :, :]).v
        return (v[..., 0, :] * self.initial).sum(dim=-1)

    def objective(self, policies: Tensor) -> Tensor:
        """J of policies (*B, H, S, A): (*B,)."""
        return self.values(policies).mean(dim=-1)

    def gradient(self, policies: Tensor) -> Tensor:
        """Of J, at policies (*B, H, S, A)."""
        at = policies.detach().requires_grad_()
        (slope,) = torch.autograd.grad(self.objective(at).sum(), at)
        return slope

    def adam(self, logits: Tensor, steps: int, rate: float) -> tuple[Tensor, list[Tensor]]:
        """Softmax policies (R, H, S, A) and J (R,) before each step and after the last."""
        logits.requires_grad_()
        optimiser = torch.optim.Adam([logits], lr=rate)
        trace = []
        for step in range(steps):
            optimiser.param_groups[0]["lr"] = rate * (1 - 0.9 * step / steps)
            value = self.objective(torch.softmax(logits, dim=-1))
            trace.append(value.detach())
            optimiser.zero_grad()
            (-value.sum()).backward()  # type: ignore[no-untyped-call]  # torch does not type it
            optimiser.step()
        policies = torch.softmax(logits.detach(), dim=-1)
        return policies, [*trace, self.objective(policies)]

    def polish(self, policies: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """No restart becomes worse."""
        vertices = one_hot(policies.argmax(dim=-1), policies.shape[-1]).to(torch.float64)
        reached = self.objective(vertices)
        vertices, reached = self.sweeps(vertices, reached)
        better = reached >= values
        policies, values = torch.where(better[:, None, None, None], vertices, policies), torch.where(better, reached, values)
        return self.flips(policies, values)

    def kick(self, policies: Tensor, values: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Restart the ascent from a deterministic policy nearby; no restart becomes worse."""
        present = policies.argmax(dim=-1)
        chance = torch.rand(present.shape, generator=generator)
        drawn = torch.randint(policies.shape[-1], present.shape, generator=generator)
        nearby = one_hot(torch.where(chance < 1 / 3, drawn, present), policies.shape[-1]).to(torch.float64)
        found, reached = self.flips(*self.sweeps(nearby, self.objective(nearby)))
        better = reached > values
        return torch.where(better[:, None, None, None], found, policies), torch.where(better, reached, values)

    def sweeps(self, vertices: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Block-coordinate ascent, one step h at a time, until no restart improves."""
        while True:
            before = values
            for h in reversed(range(vertices.shape[1])):
                slope = self.gradient(vertices)[:, h] + _ROUNDING * vertices[:, h]  # of equal actions keep the present one
                moved = vertices.clone()
                moved[:, h] = one_hot(slope.argmax(dim=-1), slope.shape[-1]).to(torch.float64)
                vertices, values = self.keep(vertices, values, moved)
            if bool((values <= before).all()):
                return vertices, values

    def flips(self, policies: Tensor, values: Tensor, *, most: int = 64, rounds: int = 50) -> tuple[Tensor, Tensor]:
        """Hill climbing by single (h, x): of the `most` changes that the gradient favours, the best, until none improves."""
        R, H, S, A = policies.shape
        cells = torch.eye(A, dtype=torch.float64).expand(H, S, A, A)
        for _ in range(rounds):
            slope = self.gradient(policies)
            gain = slope - (slope * policies).sum(dim=-1, keepdim=True)
            chosen = gain.masked_fill(policies == 1, -torch.inf).flatten(1).topk(min(most, H * S * A)).indices  # (R, C)
            at = chosen // A
            trials = policies[:, None].expand(R, at.shape[1], H, S, A).flatten(2, 3).clone()  # (R, C, H S, A)
            rows = cells.flatten(0, 2)[chosen][:, :, None]  # (R, C, 1, A)
            trials.scatter_(2, at[..., None, None].expand(R, at.shape[1], 1, A), rows)
            trials = trials.reshape(R, -1, H, S, A)
            best = self.objective(trials).argmax(dim=1)
            policies, after = self.keep(policies, values, trials[torch.arange(R), best])
            if bool((after <= values).all()):
                break
            values = after
        return policies, values

    def keep(self, policies: Tensor, values: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
        """What was moved where that is an improvement, else what there was."""
        reached = self.objective(moved)
        better = reached > values + _ROUNDING
        return torch.where(better[:, None, None, None], moved, policies), torch.where(better, reached, values)
