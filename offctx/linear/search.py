"""The search of PERM for the policy of the largest mean pessimistic value.

Dimensions: R restarts, n environments, H horizon, S states, A actions, B leading dimensions of policies.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from offctx.linear.problem import PPEProblem

LEAST_IMPROVEMENT = 1e-12  # an improvement is more than that


@dataclass(frozen=True)
class PolicySearch:
    """The steps of the search in offctx/linear/perm.py.

    Attributes:
        problem: evaluates policies.
        initial: mu (S,) or (n, S).
    """

    problem: PPEProblem
    initial: Tensor

    def values(self, policies: Tensor) -> Tensor:
        """V_{i,1} from the initial distribution, of policies (*B, H, S, A) in each environment: (*B, n)."""
        v = self.problem.evaluate(policies[..., None, :, :, :]).v
        return (v[..., 0, :] * self.initial).sum(dim=-1)

    def objective(self, policies: Tensor) -> Tensor:
        """J of policies (*B, H, S, A): (*B,)."""
        return self.values(policies).mean(dim=-1)

    def gradient(self, policies: Tensor) -> Tensor:
        """dJ / dpi at policies (*B, H, S, A)."""
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
        """Steps 2 and 3: deterministic policies by sweeps, then single changes. No restart becomes worse."""
        vertices = one_hot(policies.argmax(dim=-1), policies.shape[-1]).to(torch.float64)
        reached = self.objective(vertices)
        vertices, reached = self.sweeps(vertices, reached)
        better = reached >= values
        policies, values = torch.where(better[:, None, None, None], vertices, policies), torch.where(better, reached, values)
        return self.flips(policies, values)

    def kick(self, policies: Tensor, values: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Step 4: restarts the ascent from a deterministic policy nearby. No restart becomes worse."""
        present = policies.argmax(dim=-1)
        chance = torch.rand(present.shape, generator=generator)
        random_actions = torch.randint(policies.shape[-1], present.shape, generator=generator)
        nearby = one_hot(torch.where(chance < 1 / 3, random_actions, present), policies.shape[-1]).to(torch.float64)
        kicked, reached = self.flips(*self.sweeps(nearby, self.objective(nearby)))
        better = reached > values
        return torch.where(better[:, None, None, None], kicked, policies), torch.where(better, reached, values)

    def sweeps(self, vertices: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Block-coordinate ascent, one step h at a time, until no restart improves."""
        while True:
            before = values
            for h in reversed(range(vertices.shape[1])):
                slope = (
                    self.gradient(vertices)[:, h] + LEAST_IMPROVEMENT * vertices[:, h]
                )  # of equal actions keep the present one
                moved = vertices.clone()
                moved[:, h] = one_hot(slope.argmax(dim=-1), slope.shape[-1]).to(torch.float64)
                vertices, values = self.keep(vertices, values, moved)
            if bool((values <= before).all()):
                return vertices, values

    def flips(self, policies: Tensor, values: Tensor, *, most: int = 64, rounds: int = 50) -> tuple[Tensor, Tensor]:
        """Hill climbing by single (h, x): the best of the `most` changes that the gradient favours, until none improves."""
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
        """The moved policy of each restart where it improves, else the present one."""
        reached = self.objective(moved)
        better = reached > values + LEAST_IMPROVEMENT
        return torch.where(better[:, None, None, None], moved, policies), torch.where(better, reached, values)
