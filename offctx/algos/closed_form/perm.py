"""Pessimistic empirical risk minimisation (PERM) on feature maps: one policy for all environments, evaluated in each on its
own data.

Source: arXiv 2503.07988, Algorithm 2:

    pi = argmax over pi in Pi of J(pi) = (1/n) sum_i V_{i,0}^pi,     V_i^pi from PPE on D_i alone.

V_{i,0} is the mean over environment i's own initial observations, and J the unweighted mean over environments, however many
episodes each has. `problem.py` has the evaluation and its departures. The paper leaves Pi and the maximisation open. Here

    Pi = { pi_h(a | x) proportional to exp( theta_{h,a}^T psi(x) ) },

which on one-hot observations are all stochastic policies, and J is climbed by Adam through the evaluation, from several starts
at once. J has local maxima: `fit` reports the share of starts that ended near the best.

Cost of an iteration: H sweeps over the data of all environments (over one step's each; over all, where stationary) and back.

Dimensions: R restarts, n environments, K observations of each, T steps with policies of their own, A actions, m features.
"""

import dataclasses
from typing import final

import numpy as np
import torch
from d3rlpy.base import DeviceArg, register_learnable
from numpy.typing import NDArray
from torch import Tensor

from offctx.algos.closed_form.config import SeparateConfig
from offctx.algos.closed_form.learner import LinearLearner
from offctx.algos.closed_form.model import LinearModel
from offctx.algos.closed_form.problem import Problem
from offctx.algos.closed_form.regression import linear_values
from offctx.checks import at_least, count
from offctx.uncertainty.feature_map import FeatureMap
from offctx.uncertainty.quantifier import UncertaintyQuantifier


@dataclasses.dataclass()
class LinearPERMConfig(SeparateConfig):
    """Hyperparameters of linear PERM, one policy for all contexts.

    Args:
        gamma, horizon, stationary: the discount; H, the steps to go at an episode's start; one policy for all steps.
        reward_bounds: the least and largest reward there can be; those of the data where None.
        beta, ridge, uncertainty: scale of Gamma, lambda of the regressions, or another registered quantifier.
        features, n_features, bandwidth, features_seed: "fourier" or "observation"; m, kernel and seed of Fourier features.
        seed, min_contexts: of the starts; fewer contexts in the data are an error.
        fitted: set by `fit`; leave it out.
        restarts: R; the first starts at the uniform policy.
        iterations: Adam's steps.
        learning_rate: Adam's, falling linearly to a tenth.
        tolerance: how far below the best a start may end and still agree with it, as a share of the range of values.

    Raises:
        LinearError: a setting out of its range.

    Example::

        learner = LinearPERMConfig(horizon=10).create()
        learner.fit(dataset.replay_buffer(context="hidden"))
    """

    restarts: int = 4
    iterations: int = 100
    learning_rate: float = 0.3
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        count(self.restarts, 1, "restarts")
        count(self.iterations, 0, "iterations")
        at_least(self.learning_rate, 0, "learning_rate", strictly=True)
        at_least(self.tolerance, 0, "tolerance")

    def create(self, device: DeviceArg = False, enable_ddp: bool = False) -> "LinearPERM":
        """A learner with these settings.

        Args:
            device: as d3rlpy takes it; False is the CPU.
            enable_ddp: d3rlpy's; without effect.
        """
        return LinearPERM(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """The name in saved files."""
        return "offctx_linear_perm"


@final
class LogLinear(LinearModel):
    """Softmax over actions of theta_{h,a}^T psi(x)."""

    theta: Tensor

    def __init__(self, features: FeatureMap, sizes: tuple[int, int, int], quantifier: UncertaintyQuantifier) -> None:
        super().__init__(features, sizes, quantifier)
        T, _, A = sizes
        self.register_buffer("theta", torch.zeros(T, features.size, A, dtype=torch.float64))

    def probabilities(self, x: Tensor, step: int) -> Tensor:
        logits: Tensor = self.features(x.double()) @ self.theta[self.index(step)]
        return logits.softmax(dim=-1)


@final
class LinearPERM(LinearLearner):
    """The learner of `LinearPERMConfig`. Its metrics: `value`, J, and `agreement`, the share of starts that end near the best.

    Attributes:
        trace: J of each start before each of Adam's steps and after the last (iterations + 1, R), of the last fit.
    """

    trace: NDArray[np.float64] | None = None

    def _make_model(self, features: FeatureMap, sizes: tuple[int, int, int]) -> LogLinear:
        return LogLinear(features, sizes, self._config.quantifier())

    def _solve(self, problem: Problem, model: LogLinear) -> dict[str, float]:
        config, (T, m, A) = self._config, model.theta.shape
        generator = torch.Generator().manual_seed(config.seed)
        theta = 2 * torch.randn(T, m, config.restarts, A, generator=generator, dtype=torch.float64)
        theta[:, :, 0] = 0
        theta, trace = climb(problem, theta.to(model.theta.device), config.iterations, config.learning_rate)
        reached = trace[-1]
        best = int(reached.argmax())
        with torch.no_grad():
            model.theta.copy_(theta[:, :, best])
            model.store(problem, evaluate(problem, theta[:, :, best, None])[0])
        self.trace = trace.cpu().numpy()
        near = reached >= reached[best] - config.tolerance * problem.spread
        return {"value": float(reached[best]), "agreement": float(near.double().mean())}


def evaluate(problem: Problem, theta: Tensor) -> tuple[list[Tensor], Tensor]:
    """PPE of the policies theta (T, m, R, A): w of the T steps, each (n, m, R, A), and V_{i,0} (n, R)."""
    policies = []
    for t, step in enumerate(problem.steps):
        after = problem.after(t)
        policies.append(linear_values(step.next_features, theta[t if after is None else after, None]).softmax(dim=-1))
    weights = problem.evaluate(policies)
    first = linear_values(problem.starts.features, theta[0, None]).softmax(dim=-1)
    return weights, problem.initial_values(weights[0], first)


def climb(problem: Problem, theta: Tensor, iterations: int, rate: float) -> tuple[Tensor, Tensor]:
    """Adam on J: theta (T, m, R, A) and J (iterations + 1, R) before each step and after the last."""
    theta = theta.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([theta], lr=rate)
    trace = []
    for iteration in range(iterations):
        optimiser.param_groups[0]["lr"] = rate * (1 - 0.9 * iteration / iterations)
        objective = evaluate(problem, theta)[1].mean(dim=0)
        trace.append(objective.detach())
        optimiser.zero_grad()
        (-objective.sum()).backward()  # type: ignore[no-untyped-call]  # torch does not type it
        optimiser.step()
    with torch.no_grad():
        trace.append(evaluate(problem, theta)[1].mean(dim=0))
    return theta.detach(), torch.stack(trace)


register_learnable(LinearPERMConfig)
