"""Generated adapters: equal to a loop over rows, the identity at the start, and stopped gradients."""

from typing import Literal

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from offctx.algos.backbones.backbone import frozen
from offctx.algos.context_inference.adapter import adapt, adapter_size
from offctx.algos.context_inference.conditioned import Condition, ConditionedNetworks
from offctx.algos.context_inference.hypernetwork import Hypernetwork
from offctx.algos.context_inference.stacked_linear import StackedLinear
from tests.algos.conftest import randomise_adapters


def awake(size: int = 8, width: int = 16, bottleneck: int = 4) -> Hypernetwork:
    """A hypernetwork whose adapters are not the identity."""
    torch.manual_seed(1)
    hypernetwork = Hypernetwork(size, width, bottleneck)
    randomise_adapters(hypernetwork)
    return hypernetwork


def test_the_papers_size() -> None:
    assert adapter_size(256, 32) == 16_672
    weights = sum(weight.numel() for weight in Hypernetwork(8).parameters())
    assert weights == 8 * 64 + 64 + 64 * 64 + 64 + 64 * 16_672 + 16_672  # 1.09 million


def test_an_adapter_is_the_identity_at_the_start() -> None:
    torch.manual_seed(0)
    weights = Hypernetwork(8, 16, 4)(torch.rand(3, 8))
    features = torch.randn(2, 15, 16)
    torch.testing.assert_close(adapt(features, weights), features, rtol=0, atol=0)
    assert weights.down.std(dim=1).mean() > 0.01  # and yet contexts differ, so that the adapter can learn to use them


@pytest.mark.parametrize("rows", [1, 12])
@pytest.mark.parametrize("use", ["adapter", "shared"])
def test_values_and_gradients_equal_a_loop_over_rows(rows: int, use: Literal["adapter", "shared"]) -> None:
    torch.manual_seed(2)
    networks = ConditionedNetworks(3, 2, use, 8, members=2, width=16, bottleneck=4)
    hypernetwork = networks.hypernetwork or awake()
    randomise_adapters(hypernetwork)
    networks, hypernetwork = networks.double(), hypernetwork.double()  # so that only mathematics can differ, not rounding
    z, x = torch.rand(4, 8).double(), torch.randn(4 * rows, 3).double()

    def layer(stacked: StackedLinear, member: int, inputs: Tensor) -> Tensor:
        return inputs @ stacked.weight[member] + stacked.bias[member, 0]

    def one_row(member: int, row: int) -> Tensor:
        own = member if use == "adapter" else 0
        hidden = functional.relu(layer(hypernetwork.trunk[0], own, z[row // rows]))
        hidden = functional.relu(layer(hypernetwork.trunk[2], own, hidden))
        weights, biases = hypernetwork.last.weights, hypernetwork.last.biases
        numbers = [hidden @ weight[own] + bias[own, 0] for weight, bias in zip(weights, biases, strict=True)]
        down, down_bias, up, up_bias = numbers[0].view(16, 4), numbers[1], numbers[2].view(4, 16), numbers[3]
        features = layer(networks.second, member, functional.relu(layer(networks.first, member, x[row])))
        features = features + functional.relu(features @ down + down_bias) @ up + up_bias
        return layer(networks.head, member, functional.relu(features))

    def gradients(outputs: Tensor) -> list[Tensor]:
        weights = {*hypernetwork.parameters(), *networks.parameters()}
        return list(torch.autograd.grad(outputs.square().sum(), list(weights)))

    batched = networks(x, Condition(z, hypernetwork(z) if use == "shared" else None))
    looped = torch.stack([torch.stack([one_row(member, row) for row in range(4 * rows)]) for member in range(2)])
    torch.testing.assert_close(batched, looped, rtol=0, atol=1e-6)
    for ours, expected in zip(gradients(batched), gradients(looped), strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)


def test_a_latent_as_input_equals_a_network_that_reads_it() -> None:
    torch.manual_seed(0)
    told, plain = ConditionedNetworks(3, 2, "concat", 4), ConditionedNetworks(7, 2, "none")
    plain.load_state_dict(told.state_dict())
    x, z = torch.randn(6, 3), torch.randn(2, 4)
    by_hand = plain(torch.cat([x, z[[0, 0, 0, 1, 1, 1]]], dim=1), Condition())
    torch.testing.assert_close(told(x, Condition(z)), by_hand, rtol=0, atol=0)


def test_a_detached_condition_stops_gradients() -> None:
    hypernetwork, networks = awake(), ConditionedNetworks(3, 2, "shared", 8, width=16, bottleneck=4)
    z = torch.rand(4, 8, requires_grad=True)
    networks(torch.randn(20, 3), Condition(z, hypernetwork(z)).detach()).sum().backward()
    assert all(weight.grad is None for weight in hypernetwork.parameters())
    assert z.grad is None
    assert networks.first.weight.grad is not None


def test_the_first_step_moves_the_adapter_away_from_the_identity() -> None:
    torch.manual_seed(0)
    networks = ConditionedNetworks(3, 2, "adapter", 8, width=16, bottleneck=4)
    networks(torch.randn(20, 3), Condition(torch.rand(4, 8))).square().sum().backward()
    assert networks.hypernetwork is not None
    up = networks.hypernetwork.last.weights[2]
    assert up.grad is not None
    assert up.grad.abs().max() > 1e-6


def test_frozen_networks_pass_gradients_on() -> None:
    networks = ConditionedNetworks(3, 2, "none")
    x = torch.randn(5, 3, requires_grad=True)
    with frozen(networks):
        networks(x, Condition()).sum().backward()
    assert x.grad is not None
    assert all(weight.grad is None and weight.requires_grad for weight in networks.parameters())
