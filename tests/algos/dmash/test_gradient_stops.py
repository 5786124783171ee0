"""Where gradients stop: networks are perturbed, and what must not feel it stays as it is to the last bit."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import d3rlpy
import pytest
import torch
from torch import nn

from offctx.algos.dmash.learner import DMASH, DMASHConfig
from offctx.data.dataset import ContextualDataset
from tests.algos.dmash.conftest import buffer_for, small


def trained(
    config: DMASHConfig, dataset: ContextualDataset, perturb: Callable[[Any], None] | None = None, updates: int = 6
) -> DMASH:
    """A learner after some updates, whose networks were perturbed before them."""
    d3rlpy.seed(0)
    agent = config.create()
    buffer = buffer_for(config, dataset)
    agent.build_with_dataset(buffer)
    assert agent.impl is not None
    torch.manual_seed(2)
    for weight in agent.impl.inference.hypernetwork.last.parameters() if config.use == "shared" else ():
        weight.data += 0.1 * torch.randn_like(weight)  # no identity: else policy and critics send no gradient into z
    if perturb is not None:
        perturb(agent.impl)
    drawn = agent.with_windows(buffer)
    batches = [drawn.sample_transition_batch(24) for _ in range(updates)]
    for seed, batch in enumerate(batches):
        torch.manual_seed(seed)  # the same masks, whatever was drawn before
        agent.update(batch)
    return agent


def shaken(module: nn.Module) -> None:
    for weight in module.parameters():
        weight.data += 0.3 * torch.randn_like(weight)


def changed(one: nn.Module, other: nn.Module) -> set[str]:
    """The names of the weights that differ."""
    others = dict(other.named_parameters())
    return {name for name, weight in one.named_parameters() if not torch.equal(weight, others[name])}


@pytest.mark.parametrize("backbone", ["sac", "td3bc", "iql"])
@pytest.mark.parametrize("use", ["concat", "adapter", "shared"])
def test_encoder_hypernetwork_and_dynamics_feel_nothing_of_policy_and_critics(
    use: str, backbone: str, dataset: ContextualDataset
) -> None:
    config = small("dma-star-sh", use=use, backbone=backbone)
    plain, other = trained(config, dataset), trained(config, dataset, lambda impl: shaken(impl.backbone))
    assert changed(plain.impl.inference, other.impl.inference) == set()
    assert changed(plain.impl.backbone, other.impl.backbone)


@pytest.mark.parametrize("use", ["concat", "adapter", "shared"])
@pytest.mark.parametrize("part", ["encoder", "dynamics"])
def test_policy_and_critics_feel_the_encoder_and_not_the_dynamics_model_of_the_first_update(
    use: str, part: str, dataset: ContextualDataset
) -> None:
    """What policy and critics are told depends on the encoder; on the dynamics model only through what the encoder learns."""
    config = small("dma-star-sh", use=use, inference_learning_rate=0.0)
    plain, other = trained(config, dataset), trained(config, dataset, lambda impl: shaken(getattr(impl.inference, part)))
    assert bool(changed(plain.impl.backbone.critics, other.impl.backbone.critics)) == (part == "encoder")


@pytest.mark.parametrize("use", ["concat", "shared"])
def test_an_encoder_with_a_loss_of_its_own_feels_nothing_of_the_dynamics_model(use: str, dataset: ContextualDataset) -> None:
    config = small("focal", use=use)
    plain, other = trained(config, dataset), trained(config, dataset, lambda impl: shaken(impl.inference.dynamics))
    assert changed(plain.impl.inference.encoder, other.impl.inference.encoder) == set()
    assert changed(plain.impl.inference.dynamics, other.impl.inference.dynamics)


@pytest.mark.parametrize("backbone", ["sac", "td3bc", "iql"])
def test_the_policys_loss_reaches_the_shared_hypernetwork_where_asked_and_nothing_else(
    backbone: str, dataset: ContextualDataset
) -> None:
    """In the first update; later ones carry what the hypernetwork has become on to all that learns through it."""
    config = small("dma-star-sh", backbone=backbone)
    stopped, taught = (trained(replace(config, actor_gradient=on), dataset, updates=1) for on in (False, True))
    felt = changed(stopped.impl.inference, taught.impl.inference)
    assert felt == {name for name, _ in stopped.impl.inference.named_parameters() if name.startswith("hypernetwork.")}
    assert changed(stopped.impl.backbone.critics, taught.impl.backbone.critics) == set()
    other = trained(replace(config, actor_gradient=True), dataset, lambda impl: shaken(impl.backbone.policy), updates=1)
    assert changed(taught.impl.inference, other.impl.inference) == felt
