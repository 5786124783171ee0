"""Weights of d3rlpy's networks in ours, and in d3rlpy's own shape: what tests of parity share."""

from typing import Any

import torch

from offctx.algos.backbones.iql import IQL
from offctx.algos.backbones.sac import SAC
from offctx.algos.backbones.td3bc import TD3BC
from offctx.algos.context_inference.conditioned import ConditionedNetworks


def copy_layers(networks: ConditionedNetworks, member: int, encoder: Any, *heads: Any) -> None:
    """Copies the weights of a d3rlpy network with two hidden layers, its heads side by side."""
    first, second = [layer for layer in encoder._layers if isinstance(layer, torch.nn.Linear)]
    outputs = (torch.cat([head.weight for head in heads]), torch.cat([head.bias for head in heads]))
    layers = [(networks.first, (first.weight, first.bias)), (networks.second, (second.weight, second.bias))]
    for stacked, (weight, bias) in [*layers, (networks.head, outputs)]:
        stacked.weight.data[member].copy_(weight.T)
        stacked.bias.data[member, 0].copy_(bias)


def copy_weights(agent: Any, ours: Any, contexts: int = 0) -> None:
    """Gives a backbone the weights of a d3rlpy learner, target networks included.

    Args:
        agent: of d3rlpy.
        ours: a backbone.
        contexts: how many of the last numbers of an observation are the context. Its critics read [s, c, a], ours [s, a, c].
    """
    modules = agent.impl._modules
    policies = [(ours.policy, modules.policy)]
    if isinstance(ours, TD3BC):
        policies.append((ours.target_policy, modules.targ_policy))
    for networks, policy in policies:
        heads = (
            [policy._mu, policy._logstd] if isinstance(ours, SAC) else [policy._mu] if isinstance(ours, IQL) else [policy._fc]
        )
        copy_layers(networks, 0, policy._encoder, *heads)
    for networks, critics in ((ours.critics, modules.q_funcs), (ours.targets, modules.targ_q_funcs)):
        for member, critic in enumerate(critics):
            copy_layers(networks, member, critic._encoder, critic._fc)
        if contexts:
            first, a = networks.first.weight, agent.impl.action_size
            s, c, a_rows = first.data.split([first.shape[1] - contexts - a, contexts, a], dim=1)
            first.data.copy_(torch.cat([s, a_rows, c], dim=1))
    if isinstance(ours, IQL):
        copy_layers(ours.value, 0, modules.value_func._encoder, modules.value_func._fc)
        ours.spread.raw.data.copy_(modules.policy._logstd)
    if isinstance(ours, SAC):
        ours.temperature.log.data.copy_(modules.log_temp._parameter)
