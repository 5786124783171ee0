"""The policies, critics and optimisers of a contextual learner, made as d3rlpy makes its own."""

from typing import Any

import torch
from d3rlpy.models.builders import create_categorical_policy, create_deterministic_policy, create_normal_policy
from d3rlpy.optimizers.optimizers import OptimizerFactory, OptimizerWrapper
from torch import Tensor

from offctx.algos.shared.actions import Actions, ContinuousActions, DiscreteActions
from offctx.algos.shared.config import ContextualConfig
from offctx.algos.shared.critics import PessimisticCritics
from offctx.algos.shared.stacked import make_critic
from offctx.algos.shared.uncertainty_config import as_uncertainty_factory


def make_actions(config: ContextualConfig, observation_shape: Any, action_size: int, discrete: bool, device: str) -> Actions:
    """The policy: d3rlpy's own modules, made as its IQL makes them."""
    about = (observation_shape, action_size, config.actor_encoder_factory)
    on = {"device": device, "enable_ddp": False}
    if discrete:
        return DiscreteActions(create_categorical_policy(*about, **on), config.policy)
    if config.policy == "deterministic":
        return ContinuousActions(create_deterministic_policy(*about, **on))
    return ContinuousActions(create_normal_policy(*about, **on, min_logstd=-5.0, max_logstd=2.0, use_std_parameter=True))


def make_critics(
    config: ContextualConfig, observation_shape: Any, action_size: int, discrete: bool, groups: int, device: str,
    bounds: tuple[float, float] | None, *, in_turn: bool = False,
) -> PessimisticCritics:  # fmt: skip
    """Critics of n groups, of observations and actions, or of observations with a value for each discrete action.

    `in_turn`: of one group only, which serve one after the other, starting with the first.
    """
    both = None if discrete else action_size

    def make() -> Any:
        return make_critic(config.critic_encoder_factory, observation_shape, both, action_size if discrete else 1)

    features = make()._fc.in_features
    uncertainty = as_uncertainty_factory(config.uncertainty).create(
        groups=groups,
        observation_size=int(observation_shape[0]),
        action_size=action_size,
        discrete=discrete,
        critic_features=features,
    )
    if in_turn:
        uncertainty.turn_to(0)
    return PessimisticCritics(make, 1 if in_turn else groups, config.n_critics, uncertainty, bounds, discrete).to(device)


def make_optimiser(factory: OptimizerFactory, modules: list[tuple[str, Any]], rate: float) -> OptimizerWrapper:
    """d3rlpy's optimiser; Adam in torch's fused form, which passes once over the weights instead of ten times."""
    made = factory.create(modules, lr=rate, compiled=False)
    if isinstance(made.optim, (torch.optim.Adam, torch.optim.AdamW)):
        for group in made.optim.param_groups:
            group["fused"], group["foreach"] = True, False
    return made


def minimise(optimiser: OptimizerWrapper, loss: Tensor) -> None:
    """One step down a loss."""
    optimiser.optim.zero_grad()  # to none, where d3rlpy fills with zeros and adds: slower with many critics
    loss.backward()  # type: ignore[no-untyped-call]  # torch does not type it
    optimiser.step()
