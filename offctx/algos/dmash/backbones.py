"""The actor-critic of a learner, made of its settings."""

from typing import Any

from offctx.algos.backbones.backbone import Backbone, Rates
from offctx.algos.backbones.iql import IQL, IQLSettings
from offctx.algos.backbones.sac import SAC, SACSettings
from offctx.algos.backbones.squashed_gaussian import D3RLPY_LOG_STD, PAPER_LOG_STD
from offctx.algos.backbones.td3bc import TD3BC, TD3BCSettings
from offctx.algos.context_inference.rows import NetworkShapes
from offctx.algos.dmash.settings import DMASHSettings


def make_backbone(config: DMASHSettings, shapes: NetworkShapes, device: str) -> Backbone:
    """The actor-critic, untrained.

    Args:
        config: which one, and its settings.
        shapes: of the networks.
        device: where they live.
    """
    rates = Rates(
        config.actor_learning_rate, config.critic_learning_rate, config.temp_learning_rate, config.actor_optim_factory,
        config.critic_optim_factory,
    )  # fmt: skip
    shared: dict[str, Any] = {"tau": config.tau, "n_critics": config.n_critics}
    if config.backbone == "sac":
        smooth = config.log_std == "tanh"
        shared |= {"log_std": PAPER_LOG_STD if smooth else D3RLPY_LOG_STD, "smooth_log_std": smooth}
        sac = SACSettings(**shared, policy_delay=config.policy_delay, initial_temperature=config.initial_temperature)
        return SAC(shapes, sac, rates, device)
    if config.backbone == "td3bc":
        td3bc = TD3BCSettings(**shared, policy_delay=config.policy_delay, alpha=config.alpha)
        return TD3BC(shapes, td3bc, rates, device)
    weights: dict[str, Any] = {
        "expectile": config.expectile,
        "weight_temp": config.weight_temp,
        "max_weight": config.max_weight,
    }
    return IQL(shapes, IQLSettings(**shared, **weights), rates, device)
