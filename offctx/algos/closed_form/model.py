"""A fitted model: pessimistic values at any observation, and a policy."""

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, final

import torch
from d3rlpy.algos.qlearning.base import QLearningAlgoImplBase
from d3rlpy.torch_utility import Modules
from torch import Tensor

from offctx.algos.closed_form.bonus import bonus_of_actions
from offctx.algos.closed_form.problem import Problem
from offctx.algos.closed_form.regression import linear_values
from offctx.algos.shared.fitted import FittedQuantifier, HoldsFittedQuantifier
from offctx.errors import LinearError
from offctx.uncertainty.feature_map import FeatureMap
from offctx.uncertainty.quantifier import UncertaintyQuantifier


class LinearModel(HoldsFittedQuantifier, ABC):
    """Pessimistic values of n environments at any observation, and a policy.

    Everything is float64. Steps count from 0; a stationary model has the same answer at each.

    Args:
        features: psi.
        sizes: T, n, A.
        quantifier: Gamma, not fitted.
    """

    weights: Tensor
    bounds: Tensor

    def __init__(self, features: FeatureMap, sizes: tuple[int, int, int], quantifier: UncertaintyQuantifier) -> None:
        super().__init__()
        T, n, A = sizes
        m = features.size
        self.features, self.steps, self.actions = features, T, A
        self.fitted = FittedQuantifier(quantifier)
        self.register_buffer("weights", torch.zeros(T, n, m, A))
        self.register_buffer("bounds", torch.zeros(T, 2))
        self.double()

    @final
    def store(self, problem: Problem, weights: list[Tensor]) -> None:
        """Stores the fitted quantifier and w of the T steps, each (n, m, 1, A)."""
        T = len(problem.steps)
        self.weights.copy_(torch.stack(weights)[:, :, :, 0])
        self.fitted.put(problem.quantifier)
        self.bounds.copy_(torch.from_numpy(problem.bounds[:T]))

    @final
    def index(self, step: int) -> int:
        """Which of the T steps serves a step of an episode."""
        return min(step, self.steps - 1)

    @final
    def q(self, x: Tensor, step: int, environments: slice = slice(None)) -> Tensor:
        """Pessimistic Q (n, B, A) at observations (B, D)."""
        t = self.index(step)
        psi, weights = self.features(x.double())[None], self.weights[t, environments, :, None]
        quantifier = self.fitted.quantifier.select((t, environments))
        bonus = bonus_of_actions(quantifier, psi.expand(len(weights), -1, -1), self.actions)
        return (linear_values(psi, weights)[:, :, 0] - bonus).clamp(self.bounds[t, 0], self.bounds[t, 1])

    @abstractmethod
    def probabilities(self, x: Tensor, step: int) -> Tensor:
        """The policy (B, A) at observations (B, D)."""


@dataclasses.dataclass(frozen=True)
class LinearModules(Modules):
    """The modules that d3rlpy saves."""

    model: LinearModel


@final
class LinearImpl(QLearningAlgoImplBase):
    """d3rlpy's inner side. It has no argument for the step, and answers for the first."""

    _modules: LinearModules

    @property
    def policy(self) -> LinearModel:
        """The model, which holds both policy and values."""
        return self._modules.model

    def copy_policy_from(self, impl: Any) -> None:
        """All of a learner of the same kind and sizes."""
        if type(impl.policy) is not type(self.policy):
            raise LinearError(f"expected the policy of a {type(self.policy).__name__}; found {type(impl.policy).__name__}")
        self.policy.load_state_dict(impl.policy.state_dict())

    def inner_predict_best_action(self, x: Tensor) -> Tensor:
        return self.policy.probabilities(x, 0).argmax(dim=-1)

    def inner_sample_action(self, x: Tensor) -> Tensor:
        return self.policy.probabilities(x, 0).multinomial(1)[:, 0]

    def inner_predict_value(self, x: Tensor, action: Tensor) -> Tensor:
        return value_of_actions(self.policy.q(x, 0), action)

    def inner_update(self, batch: Any, grad_step: int) -> dict[str, float]:
        raise refuse_gradient_steps("update(batch)")


def value_of_actions(q: Tensor, actions: Tensor) -> Tensor:
    """The mean over environments of q (n, B, A), at actions (B,) or (B, 1): (B,)."""
    return q.mean(dim=0).gather(1, actions.reshape(-1, 1).long())[:, 0]


def refuse_gradient_steps(what: str) -> LinearError:
    return LinearError(
        f"{what} is not possible: a linear learner solves all of its data at once and takes no gradient steps on batches; call "
        f"fit(buffer), also again when the buffer has grown"
    )
