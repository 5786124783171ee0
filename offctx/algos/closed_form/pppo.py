"""Pessimistic proximal policy optimisation (PPPO) on feature maps: one pass over the environments, one policy after the other.

Source: arXiv 2503.07988, Algorithm 3. With Q_0 = 0, for i = 1..n,

    pi_{i,h}(. | x) proportional to exp( alpha sum_{j<i} Q_{j,h}(x, .) ),     Q_i = PPE(D_i, pi_i),

where Q_j at any x follows from w_j and Lambda_j, which the model holds. `problem.py` has the evaluation and its departures.

More departures: (1) alpha = sqrt(log A / n) / (what H rewards can differ by): the paper's order for rewards in [0, 1]. (2) Each
step uses all episodes unless `split`. (3) Outputs "last" and "mixture".

Dimensions: n environments, K observations of each, H horizon, T steps with regressions of their own, A actions.
"""

import dataclasses
import math
from typing import Literal, final

import numpy as np
import torch
from d3rlpy.base import DeviceArg, register_learnable
from torch import Tensor

from offctx.algos.closed_form.config import SeparateConfig
from offctx.algos.closed_form.data import EpisodeData
from offctx.algos.closed_form.learner import LinearLearner
from offctx.algos.closed_form.model import LinearModel
from offctx.algos.closed_form.problem import Problem
from offctx.checks import at_least
from offctx.errors import LinearError
from offctx.uncertainty.feature_map import FeatureMap
from offctx.uncertainty.quantifier import UncertaintyQuantifier


@dataclasses.dataclass()
class LinearPPPOConfig(SeparateConfig):
    """Hyperparameters of linear PPPO, beside those of `SeparateConfig`, whose seed is that of the random output.

    Args:
        step_size: alpha; see the module where None.
        split: each step uses episodes of its own, as the paper has it: at least H in each environment. Not if stationary.
        output: "random": one of pi_1..pi_n, the paper's; "last": pi_n; "mixture": the mean of their action probabilities.
    """

    step_size: float | None = None
    split: bool = False
    output: Literal["random", "last", "mixture"] = "random"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step_size is not None:
            at_least(self.step_size, 0, "step_size")
        if self.output not in ("random", "last", "mixture"):
            raise LinearError(f'expected output "random", "last" or "mixture"; found {self.output!r}')
        if self.split and self.stationary:
            raise LinearError(
                "split gives each step episodes of its own, and stationary lets all steps share theirs: choose one"
            )

    def create(self, device: DeviceArg = False, enable_ddp: bool = False) -> "LinearPPPO":
        """A learner with these settings.

        Args:
            device: as d3rlpy takes it; False is the CPU.
            enable_ddp: d3rlpy's; without effect.
        """
        return LinearPPPO(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """The name in saved files."""
        return "offctx_linear_pppo"


@final
class MirrorDescent(LinearModel):
    """exp(alpha sum_{j<i} Q_j), normalised, for one i, or the mean over i = 1..n.

    Args:
        features: psi.
        sizes: T, n, A.
        quantifier: Gamma, not fitted.
        before: how many environments come before i; None for the mean.
    """

    step_size: Tensor

    def __init__(
        self, features: FeatureMap, sizes: tuple[int, int, int], quantifier: UncertaintyQuantifier, before: int | None
    ) -> None:
        super().__init__(features, sizes, quantifier)
        self.before = before
        self.register_buffer("step_size", torch.zeros((), dtype=torch.float64))

    def probabilities(self, x: Tensor, step: int) -> Tensor:
        if self.before is not None:
            return (self.step_size * self.q(x, step, slice(self.before)).sum(dim=0)).softmax(dim=-1)
        q = self.q(x, step)
        return (self.step_size * (q.cumsum(dim=0) - q)).softmax(dim=-1).mean(dim=0)


@final
class LinearPPPO(LinearLearner):
    """The learner of `LinearPPPOConfig`. Its metric `value`, the mean over i of V_i of pi_i, is the random output's value."""

    def _make_model(self, features: FeatureMap, sizes: tuple[int, int, int]) -> MirrorDescent:
        n = sizes[1]
        random_turn = int(np.random.default_rng(self._config.seed).integers(n))
        before = {"random": random_turn, "last": n - 1, "mixture": None}[self._config.output]
        return MirrorDescent(features, sizes, self._config.quantifier(), before)

    def _select(self, data: EpisodeData, horizon: int) -> EpisodeData:
        return data.split_by_step(horizon) if self._config.split else data

    def _solve(self, problem: Problem, model: MirrorDescent) -> dict[str, float]:
        alpha = self._config.step_size
        if alpha is None:
            n, _, A = problem.starts.bonus.shape
            alpha = math.sqrt(math.log(A) / n) / (problem.spread or 1.0)
        weights, values = mirror_descent(problem, alpha)
        model.store(problem, weights)
        model.step_size.fill_(alpha)
        return {"value": float(values.mean()), "step_size": alpha}


def mirror_descent(problem: Problem, alpha: float) -> tuple[list[Tensor], Tensor]:
    """The pass over the environments: w of the T steps, each (n, m, 1, A), and V_{i,0} of pi_i (n,)."""
    exponents = [torch.zeros_like(step.next_bonus) for step in problem.steps]  # at next observations, for the step after
    first = torch.zeros_like(problem.starts.bonus)
    all_weights, values = [], []
    n = len(first)
    for i in range(n):  # each policy needs the one before
        one = slice(i, i + 1)
        alone = problem.environment(i)
        weights = alone.evaluate([e[one].softmax(dim=-1)[:, :, None] for e in exponents])
        values.append(alone.initial_values(weights[0], first[one].softmax(dim=-1)[:, :, None])[0, 0])
        all_weights.append(weights)
        later = slice(i + 1, n)
        for t, step in enumerate(problem.steps):
            after = problem.after(t)
            if after is not None:
                exponents[t][later] += alpha * alone.q(step.next_features[later], weights, after)
        first[later] += alpha * alone.q(problem.starts.features[later], weights, 0)
    return [torch.cat(each) for each in zip(*all_weights, strict=True)], torch.stack(values)


register_learnable(LinearPPPOConfig)
