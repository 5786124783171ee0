"""Ridge regression of r + V(x') on features, for every environment and step at once.

    w_h = Lambda_h^{-1} sum_tau phi_tau (r_tau + V_{h+1}(x'_tau))            (arXiv 2503.07988, Algorithm 4)

Dimensions: n environments, K transitions at each step, H horizon, S states, A actions, d features.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from offctx.checks import Floats, Ints, at_least
from offctx.uncertainty.elliptical import EllipticalUncertainty
from offctx.uncertainty.gamma import check_gamma
from offctx.uncertainty.quantifier import UncertaintyQuantifier
from offctx.uncertainty.registry import as_quantifier, quantifier_names, require_features


@dataclass(frozen=True)
class StepTransitions:
    """Data by step, checked: the transitions of step h need not come from the trajectories of step h + 1.

    Attributes:
        states, actions, next_states: integers (n, K, H).
        rewards: (n, K, H).
    """

    states: Ints
    actions: Ints
    rewards: Floats
    next_states: Ints

    @classmethod
    def whole(cls, states: Ints, actions: Ints, rewards: Floats) -> "StepTransitions":
        """Every transition of trajectories with states (n, K, H+1)."""
        return cls(states[:, :, :-1], actions, rewards, states[:, :, 1:])


@dataclass(frozen=True, eq=False)
class Regression:
    """The regressions of all environments and steps, factorised, and the bonus Gamma of their data.

    Attributes:
        features: (S, A, d).
        bonus: Gamma (n, H, S, A).
        elliptical: the Cholesky factors of Lambda (n, H, d, d).
        pairs: flat state-action indices x A + a (n, H, K).
        rewards: (n, H, K).
        next_states: (n, H, K).
    """

    features: Tensor
    bonus: Tensor
    elliptical: EllipticalUncertainty
    pairs: Tensor
    rewards: Tensor
    next_states: Tensor

    @classmethod
    def fit(
        cls, data: StepTransitions, features: Floats, beta: float | UncertaintyQuantifier, ridge: float = 1.0
    ) -> "Regression":
        """Factorise.

        Args:
            data: the transitions.
            features: (S, A, d).
            beta: of `EllipticalUncertainty` with this ridge; or another quantifier, which is fitted to each environment's and
                step's data.
            ridge: lambda of the regression, > 0.
        """
        A = features.shape[1]
        phi = torch.tensor(features)
        rows = phi.flatten(0, 1)
        pairs, rewards, next_states = (
            torch.from_numpy(np.array(array.swapaxes(1, 2), order="C"))
            for array in (data.states * A + data.actions, data.rewards, data.next_states)
        )
        n, H, K = pairs.shape
        visits: tuple[Tensor, Tensor | None]
        if len(rows) <= 4 * K:  # counting visits then costs less than gathering their features
            visits = (rows, torch.zeros(n, H, len(rows), dtype=torch.float64).scatter_add_(2, pairs, torch.ones_like(rewards)))
        else:
            visits = (rows[pairs], None)
        elliptical = EllipticalUncertainty(0.0 if isinstance(beta, UncertaintyQuantifier) else beta, ridge).fit(*visits)
        quantifier = beta.fit(*visits) if isinstance(beta, UncertaintyQuantifier) else elliptical
        bonus = check_gamma(quantifier.bonus(phi), quantifier, (n, H, *phi.shape[:2])).to(torch.float64)
        return cls(phi, bonus, elliptical, pairs, rewards, next_states)

    def weights(self, h: int, values: Tensor) -> Tensor:
        """w_h (n, d) for values V_{h+1} (n, S); differentiable in them."""
        rows = self.features.flatten(0, 1)
        targets = self.rewards[:, h] + values.gather(1, self.next_states[:, h])
        by_pair = values.new_zeros(len(values), len(rows)).scatter_add(1, self.pairs[:, h], targets)
        return torch.cholesky_solve((by_pair @ rows)[..., None], self.elliptical.cholesky[:, h])[..., 0]

    @cached_property
    def operators(self) -> tuple[Tensor, Tensor]:
        """u (n, H, d) and M (n, H, d, S) with w_h = u_h + M_h V_{h+1}: costly once, cheap for every policy afterwards."""
        n, H, _ = self.pairs.shape
        S, _, d = self.features.shape
        rows = self.features.flatten(0, 1)
        step = torch.arange(n * H).reshape(n, H, 1)
        cells = torch.stack([(step * S + self.next_states).flatten(), self.pairs.flatten()])
        ones = torch.ones(cells.shape[1], dtype=torch.float64)
        visits = torch.sparse_coo_tensor(cells, ones, (n * H * S, len(rows)), check_invariants=False)
        cells = torch.stack([step.expand_as(self.pairs).flatten(), self.pairs.flatten()])
        rewards = torch.sparse_coo_tensor(cells, self.rewards.flatten(), (n * H, len(rows)), check_invariants=False)
        next_features = torch.sparse.mm(visits, rows).reshape(n, H, S, d).mT
        sums = torch.cat([torch.sparse.mm(rewards, rows).reshape(n, H, d, 1), next_features], dim=-1)
        solved = torch.cholesky_solve(sums, self.elliptical.cholesky)
        return solved[..., 0].contiguous(), solved[..., 1:].contiguous()


def check_beta(beta: float | str | UncertaintyQuantifier) -> float | UncertaintyQuantifier:
    """A quantifier of features, itself or by its registered name, or a number >= 0."""
    if isinstance(beta, UncertaintyQuantifier) or beta in quantifier_names():
        return require_features(as_quantifier(beta), "offctx.linear")
    return at_least(beta, 0, "beta")
