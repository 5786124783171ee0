"""Networks side by side: the same numbers and gradients as one after the other."""

import copy

import pytest
import torch
from d3rlpy.models import VectorEncoderFactory
from torch import nn

from offctx.algos.shared.stacked import Stacked, make_critic
from offctx.errors import AlgorithmError

GROUPS, MEMBERS = 3, 2


def critics(groups=GROUPS, members=MEMBERS, **options):
    """A stack, and the networks that it was made of, member by member."""
    factory = VectorEncoderFactory([8], **options)
    made = []

    def make():
        made.append(make_critic(factory, (4,), 2))
        return copy.deepcopy(made[-1])

    torch.manual_seed(0)
    return Stacked(make, groups, members), made


def inputs(groups=GROUPS, rows=5):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(groups, rows, size, generator=generator) for size in (4, 2)]


@pytest.mark.parametrize(("groups", "members"), [(3, 2), (3, 1), (1, 2), (1, 1)])
def test_values_and_gradients_are_those_of_single_networks(groups, members):
    stack, networks = critics(groups, members)
    x, a = inputs(groups)
    values, features = stack(x, a)
    assert values.shape == (members, groups, 5, 1) and features.shape == (members, groups, 5, 8)
    values.square().sum().backward()
    for k in range(members):
        for i in range(groups):
            network = networks[k * groups + i]
            value, feature = network(x[i], a[i])
            torch.testing.assert_close(values[k, i], value)
            torch.testing.assert_close(features[k, i], feature)
            value.square().sum().backward()
            for name, weight in network.named_parameters():
                own = getattr(stack, name.replace(".", "__")).grad[k * groups + i]
                torch.testing.assert_close(own.mT if own.ndim == 2 else own, weight.grad)  # matrices lie transposed


def test_a_groups_inputs_reach_its_own_networks_only():
    stack, _ = critics()
    x, a = inputs()
    stack(x, a)[0][:, 1].sum().backward()
    for weight in stack.parameters():
        by_group = weight.grad.reshape(MEMBERS, GROUPS, -1).abs().sum(dim=(0, 2))
        assert by_group[0] == by_group[2] == 0 < by_group[1]


def test_the_weights_of_one_network_are_views():
    stack, networks = critics()
    for k in range(MEMBERS):
        for i in range(GROUPS):
            own, expected = stack.network(i, k), dict(networks[k * GROUPS + i].named_parameters())
            assert own.keys() == expected.keys()
            for name, weight in expected.items():
                assert torch.equal(own[name], weight)
    before = stack(*inputs())[0]
    stack.network(1, 1)["_fc.bias"].add_(3.0)
    moved = stack(*inputs())[0] - before
    torch.testing.assert_close(moved[1, 1], torch.full((5, 1), 3.0))
    assert moved.count_nonzero() == 5


def test_frozen_networks_let_gradients_through_to_their_inputs_only():
    stack, networks = critics()
    x, a = inputs()
    a.requires_grad_()
    stack(x, a, frozen=True)[0].sum().backward()
    assert all(weight.grad is None for weight in stack.parameters())
    own = a.detach().clone().requires_grad_()
    sum(networks[k * GROUPS + i](x[i], own[i])[0].sum() for k in range(MEMBERS) for i in range(GROUPS)).backward()
    torch.testing.assert_close(a.grad, own.grad)


def test_tracking_goes_a_share_of_the_way():
    one, other = critics()[0], critics()[0]
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(1.0)
    before = {name: weight.detach().clone() for name, weight in one.named_parameters()}
    one.track(other, 0.25)
    for name, weight in one.named_parameters():
        torch.testing.assert_close(weight.detach(), before[name] + 0.25)
    one.track(other, 1.0)
    for weight, aim in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(weight, aim)


def test_dropout_follows_the_mode_of_the_stack_and_differs_by_network():
    stack, networks = critics(dropout_rate=0.5)
    stack.eval()
    x, a = inputs()
    for network in networks:
        network.eval()
    torch.testing.assert_close(stack(x, a)[0][1, 2], networks[1 * GROUPS + 2](x[2], a[2])[0])
    stack.train()
    dropped = stack(x, a)[1] == 0
    assert not torch.equal(dropped[0, 0], dropped[0, 1]) and not torch.equal(dropped[0, 0], dropped[1, 0])


def test_layer_norm_is_batched():
    stack, networks = critics(use_layer_norm=True)
    x, a = inputs()
    torch.testing.assert_close(stack(x, a)[0][0, 1], networks[1](x[1], a[1])[0])


def test_batch_norm_is_refused():
    with pytest.raises(AlgorithmError, match=r"without running statistics.*running_mean.*[Ll]ayer norm"):
        critics(use_batch_norm=True)


def test_its_state_is_all_of_its_weights():
    stack, _ = critics()
    other = Stacked(lambda: make_critic(VectorEncoderFactory([8]), (4,), 2), GROUPS, MEMBERS)
    assert not torch.equal(stack(*inputs())[0], other(*inputs())[0])
    other.load_state_dict(stack.state_dict())
    assert torch.equal(stack(*inputs())[0], other(*inputs())[0])
    assert sum(weight.numel() for weight in stack.parameters()) == GROUPS * MEMBERS * (6 * 8 + 8 + 8 + 1)


def test_any_network_can_be_stacked():
    stack = Stacked(lambda: nn.Linear(4, 3), GROUPS, MEMBERS)
    assert stack(inputs()[0]).shape == (MEMBERS, GROUPS, 5, 3)
