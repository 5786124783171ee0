"""The policies, critics and optimisers of a contextual learner, made as d3rlpy makes its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from d3rlpy.models.builders import create_categorical_policy, create_deterministic_policy, create_normal_policy
from d3rlpy.models.torch import NormalPolicy
from d3rlpy.optimizers.optimizers import OptimizerFactory, OptimizerWrapper
from torch import Tensor, nn

from offctx.algos.shared.config import ContextualConfig
from offctx.algos.shared.context_weights import ContextWeights
from offctx.algos.shared.critics import ContinuousCritics, DiscreteCritics, PessimisticCritics
from offctx.algos.shared.policies import ActionPolicy, ContinuousPolicy, DiscretePolicy
from offctx.algos.shared.stacked import Critic, make_critic
from offctx.algos.shared.uncertainty_config import as_uncertainty_factory

_UNIFORM_STD = 3**-0.5  # of the uniform distribution over [-1, 1]


@dataclass(frozen=True)
class Shapes:
    """The shapes of observations and actions, for which networks are made.

    Attributes:
        observation_shape: (o,).
        action_size: a, or A where actions are discrete.
        discrete: whether actions are.
        device: where networks live.
    """

    observation_shape: Any
    action_size: int
    discrete: bool
    device: str


def make_policy(config: ContextualConfig, shapes: Shapes) -> ActionPolicy:
    """The policy: d3rlpy's own modules, made as its IQL makes them."""
    sizes = (shapes.observation_shape, shapes.action_size, config.actor_encoder_factory)
    on = {"device": shapes.device, "enable_ddp": False}
    if shapes.discrete:
        return DiscretePolicy(create_categorical_policy(*sizes, **on), config.policy)
    if config.policy == "deterministic":
        return ContinuousPolicy(create_deterministic_policy(*sizes, **on))
    return ContinuousPolicy(create_normal_policy(*sizes, **on, min_logstd=-5.0, max_logstd=2.0, use_std_parameter=True))


def start_uniform(network: Any) -> None:
    """Give a policy network no preference: its last layer is zero, and a Gaussian is as wide as the uniform distribution."""
    last = network._mu if isinstance(network, NormalPolicy) else network._fc
    for weight in last.parameters():
        nn.init.zeros_(weight)
    if isinstance(network, NormalPolicy):
        share = (np.log(_UNIFORM_STD) - network._min_logstd) / (network._max_logstd - network._min_logstd)
        nn.init.constant_(network._logstd, np.log(share / (1 - share)))  # d3rlpy puts it through a sigmoid


def make_critics(
    config: ContextualConfig, shapes: Shapes, groups: int, bounds: tuple[float, float] | None, *, in_turn: bool = False
) -> PessimisticCritics:
    """Critics of n groups.

    Args:
        config: the learner's settings.
        shapes: of observations and actions.
        groups: n.
        bounds: lowest and highest value, or None.
        in_turn: critics of one group only, which serve one group after the other, starting with group 0.
    """

    def make() -> Critic:
        size_in, size_out = (None, shapes.action_size) if shapes.discrete else (shapes.action_size, 1)
        return make_critic(config.critic_encoder_factory, shapes.observation_shape, size_in, size_out)

    # A network made for the size of its features alone. It must stay: it advances torch's generator, and without it all
    # networks that are made later would have other initial weights.
    critic_features = make().feature_size
    uncertainty = as_uncertainty_factory(config.uncertainty).create(
        groups=groups,
        observation_size=int(shapes.observation_shape[0]),
        action_size=shapes.action_size,
        discrete=shapes.discrete,
        critic_features=critic_features,
    )
    if in_turn:
        uncertainty.turn_to(0)
    kind = DiscreteCritics if shapes.discrete else ContinuousCritics
    return kind(make, 1 if in_turn else groups, config.n_critics, uncertainty, bounds).to(shapes.device)


def make_weights(config: ContextualConfig, groups: int, device: str) -> ContextWeights:
    """The weights of the contexts that the config knows; where it knows none, of n groups."""
    contexts = groups if config.contexts is None else len(config.contexts.ids)
    return ContextWeights(contexts, known=config.contexts is not None).to(device)


def make_optimiser(factory: OptimizerFactory, modules: Sequence[tuple[str, nn.Module]], rate: float) -> OptimizerWrapper:
    """d3rlpy's optimiser; Adam in torch's fused form, which passes once over the weights instead of ten times."""
    optimiser = factory.create(modules, lr=rate, compiled=False)
    if isinstance(optimiser.optim, (torch.optim.Adam, torch.optim.AdamW)):
        for group in optimiser.optim.param_groups:
            group["fused"], group["foreach"] = True, False
    return optimiser


def make_optimisers(
    config: ContextualConfig, policy: ActionPolicy, critics: Sequence[tuple[str, nn.Module]]
) -> dict[str, OptimizerWrapper]:
    """The optimisers of the policy and of the critics, under the names in saved files."""
    return {
        "actor_optim": make_optimiser(config.actor_optim_factory, [("policy", policy.network)], config.actor_learning_rate),
        "critic_optim": make_optimiser(config.critic_optim_factory, critics, config.critic_learning_rate),
    }


def minimise(optimiser: OptimizerWrapper, loss: Tensor) -> None:
    """One step down a loss."""
    optimiser.optim.zero_grad()  # to None; d3rlpy's wrapper fills with zeros and adds, which is slower with many critics
    loss.backward()  # type: ignore[no-untyped-call]  # torch does not type it
    optimiser.step()
