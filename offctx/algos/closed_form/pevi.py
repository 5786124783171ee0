"""Pessimistic value iteration (PEVI) on merged data: the baseline that does not tell contexts apart.

Source: arXiv 2012.15085, Algorithm 2; on data of many contexts it solves their average MDP (arXiv 2503.07988, Proposition 4.1).
`problem.py` has the recursion and its departures. Where stationary, each sweep is greedy and the last one's policy serves.
"""

import dataclasses
from typing import final

import torch
from d3rlpy.base import DeviceArg, register_learnable
from torch import Tensor

from offctx.algos.closed_form.config import LinearConfig
from offctx.algos.closed_form.learner import LinearLearner
from offctx.algos.closed_form.model import LinearModel
from offctx.algos.closed_form.problem import Problem
from offctx.uncertainty.feature_map import FeatureMap


@dataclasses.dataclass()
class LinearPEVIConfig(LinearConfig):
    """Hyperparameters of linear PEVI: those of `LinearConfig`. It needs no context ids.

    Args:
        gamma, horizon, stationary: the discount; H, the steps to go at an episode's start; one policy for all steps.
        reward_bounds: the least and largest reward there can be; those of the data where None.
        beta, ridge, uncertainty: scale of Gamma, lambda of the regressions, or another registered quantifier.
        features, n_features, bandwidth, features_seed: "fourier" or "observation"; m, kernel and seed of Fourier features.
        fitted: set by `fit`; leave it out.
    """

    def create(self, device: DeviceArg = False, enable_ddp: bool = False) -> "LinearPEVI":
        """A learner with these settings.

        Args:
            device: as d3rlpy takes it; False is the CPU.
            enable_ddp: d3rlpy's; without effect.
        """
        return LinearPEVI(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """The name in saved files."""
        return "offctx_linear_pevi"


@final
class Greedy(LinearModel):
    """The greedy policy of one environment; of equal actions the first."""

    def probabilities(self, x: Tensor, step: int) -> Tensor:
        q = self.q(x, step)[0]
        return torch.nn.functional.one_hot(q.argmax(dim=-1), q.shape[-1]).double()


@final
class LinearPEVI(LinearLearner):
    """The learner of `LinearPEVIConfig`. Its metric is `value`, the mean of V over initial observations."""

    merged = True

    def _make_model(self, features: FeatureMap, sizes: tuple[int, int, int]) -> Greedy:
        return Greedy(features, sizes, self._config.quantifier())

    def _solve(self, problem: Problem, model: Greedy) -> dict[str, float]:
        weights = problem.evaluate(None)
        model.store(problem, weights)
        return {"value": float(problem.initial_values(weights[0], None).mean())}


register_learnable(LinearPEVIConfig)
