"""d3rlpy's inner side of a contextual learner: its networks and optimisers, and the way of a batch to an update."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from d3rlpy.algos.qlearning.base import QLearningAlgoImplBase
from d3rlpy.optimizers.optimizers import OptimizerWrapper
from d3rlpy.torch_utility import Modules
from torch import nn

from offctx.algos.shared.batch import BatchGrouping
from offctx.algos.shared.config import ContextualConfig
from offctx.algos.shared.context_index import ContextIndex
from offctx.algos.shared.context_weights import ContextWeights
from offctx.algos.shared.critics import PessimisticCritics
from offctx.algos.shared.groups import ContextGroups
from offctx.algos.shared.policies import ActionPolicy


@dataclass(frozen=True)
class ContextualModules(Modules):
    """The modules and optimisers that all contextual learners save, under these names."""

    policy: nn.Module
    critics: PessimisticCritics
    membership: ContextWeights  # the name in saved files; elsewhere: context weights
    actor_optim: OptimizerWrapper
    critic_optim: OptimizerWrapper


TModules = TypeVar("TModules", bound=ContextualModules)
TConfig = TypeVar("TConfig", bound=ContextualConfig)


class ContextualImpl(QLearningAlgoImplBase, Generic[TModules, TConfig]):
    """d3rlpy's inner side of a contextual learner.

    Args:
        observation_shape: (o,).
        action_size: a, or A with discrete actions.
        modules: networks and optimisers.
        policy: the policy that `modules.policy` computes.
        config: the learner's settings.
        groups: n.
        reward_bounds: the least and largest reward as the learner sees them, or None.
        device: where the networks are.
    """

    def __init__(
        self, observation_shape: Any, action_size: int, modules: TModules, policy: ActionPolicy, config: TConfig, groups: int,
        reward_bounds: tuple[float, float] | None, device: str,
    ) -> None:  # fmt: skip
        super().__init__(observation_shape, action_size, modules, device)
        self._networks, self._actor, self._config, self._reward_bounds = modules, policy, config, reward_bounds
        self._set_index(ContextIndex(config.contexts, groups))

    def adopt_contexts(self, contexts: ContextGroups | None) -> None:
        """Tell these contexts apart from here on, and count their transitions from zero."""
        self._set_index(ContextIndex(contexts, self.index.groups))
        counted = self.index.groups if contexts is None else len(contexts.ids)
        self._networks.membership.restart(counted, known=contexts is not None)

    def _set_index(self, index: ContextIndex) -> None:
        self.index = index
        self._grouping = BatchGrouping(index, self._config.gamma, self._device)

    @property
    def policy(self) -> nn.Module:
        """The policy that is trained."""
        return self._networks.policy

    @property
    def policy_optim(self) -> torch.optim.Optimizer:
        """The optimiser of the policy."""
        return self._networks.actor_optim.optim  # type: ignore[no-any-return]  # d3rlpy is untyped

    @property
    def q_function(self) -> nn.ModuleList:
        """All critics, as one module."""
        return nn.ModuleList([self._networks.critics.online])

    @property
    def q_function_optim(self) -> torch.optim.Optimizer:
        """The optimiser of the critics and value networks."""
        return self._networks.critic_optim.optim  # type: ignore[no-any-return]  # d3rlpy is untyped
