"""Policies and mixtures of them: what d3rlpy's own modules and distributions give, to the last bit."""

import pytest
import torch
from d3rlpy.models import VectorEncoderFactory
from d3rlpy.models.builders import create_categorical_policy, create_deterministic_policy, create_normal_policy
from d3rlpy.models.torch import build_gaussian_distribution

from offctx.algos.shared.mixture import PolicyMixture
from offctx.algos.shared.policies import ContinuousPolicy, DiscretePolicy

SIZES = {"encoder_factory": VectorEncoderFactory([8]), "device": "cpu", "enable_ddp": False}


def gaussian(seed=0):
    torch.manual_seed(seed)
    bounds = {"min_logstd": -5.0, "max_logstd": 2.0, "use_std_parameter": True}
    return create_normal_policy(observation_shape=(4,), action_size=2, **SIZES, **bounds)


def categorical(seed=0):
    torch.manual_seed(seed)
    return create_categorical_policy(observation_shape=(4,), action_size=3, **SIZES)


def observations(rows=6):
    return torch.randn(rows, 4, generator=torch.Generator().manual_seed(1))


def test_a_gaussian_policy_samples_and_imitates_as_d3rlpys_does():
    network, x = gaussian(), observations()
    policy, distribution = ContinuousPolicy(network), build_gaussian_distribution(network(x))
    torch.manual_seed(2)
    expected = distribution.sample()
    torch.manual_seed(2)
    assert torch.equal(policy.sample(x), expected)
    actions = expected.detach()
    parameters = list(network.parameters())
    found_loss, expected_loss = policy.imitation_loss(x, actions), -distribution.log_prob(actions)[:, 0]
    assert torch.equal(found_loss, expected_loss)
    for found, gradient in zip(
        torch.autograd.grad(found_loss.sum(), parameters), torch.autograd.grad(expected_loss.sum(), parameters), strict=True
    ):
        assert torch.equal(found, gradient)
    assert policy.stochastic and policy.action_size == 2 and torch.equal(policy.mode(x), network(x).squashed_mu)


def test_a_deterministic_policy_imitates_by_squared_distance():
    policy = ContinuousPolicy(create_deterministic_policy(observation_shape=(4,), action_size=2, **SIZES))
    x, actions = observations(), torch.zeros(6, 2)
    modes = policy.mode(x)
    assert not policy.stochastic and policy.action_size == 2 and torch.equal(policy.sample(x), modes)
    torch.testing.assert_close(policy.imitation_loss(x, actions), modes.square().sum(dim=1) / 2)
    torch.testing.assert_close(policy.divergence(x, policy), torch.zeros(6))


def test_the_divergence_between_gaussian_policies_moves_one_of_them_only():
    one, other, x = ContinuousPolicy(gaussian(0)), ContinuousPolicy(gaussian(1)), observations()
    expected = torch.distributions.kl_divergence(*[build_gaussian_distribution(each.network(x))._dist for each in (one, other)])
    found = one.divergence(x, other)
    torch.testing.assert_close(found, expected.sum(dim=-1))
    found.sum().backward()
    assert all(weight.grad is None for weight in other.network.parameters())
    assert any(weight.grad.abs().max() > 0 for weight in one.network.parameters())


@pytest.mark.parametrize("kind", ["stochastic", "deterministic"])
def test_a_discrete_policy_is_d3rlpys_softmax(kind):
    network, x = categorical(), observations()
    policy, logits = DiscretePolicy(network, kind), network(x).logits
    assert torch.equal(policy.log_probabilities(x), logits) and torch.equal(policy.mode(x), logits.argmax(dim=1))
    actions = torch.tensor([[0.0], [1], [2], [0], [1], [2]])
    torch.testing.assert_close(policy.imitation_loss(x, actions), -logits[range(6), [0, 1, 2, 0, 1, 2]])
    acting = policy.acting_probabilities(x)
    expected = logits.exp() if kind == "stochastic" else torch.nn.functional.one_hot(logits.argmax(dim=1), 3).float()
    assert torch.equal(acting, expected)


def test_a_mixture_is_of_its_policies():
    x = observations()
    discrete = [DiscretePolicy(categorical(seed), "stochastic") for seed in range(3)]
    mean = torch.stack([policy.network(x).probs for policy in discrete]).mean(dim=0)
    torch.testing.assert_close(PolicyMixture(discrete).probabilities(x), mean)
    assert torch.equal(PolicyMixture(discrete).mode(x), mean.argmax(dim=1))
    continuous = [ContinuousPolicy(gaussian(seed)) for seed in range(2)]
    torch.testing.assert_close(PolicyMixture(continuous).mode(x), (continuous[0].mode(x) + continuous[1].mode(x)) / 2)
    assert torch.equal(PolicyMixture(continuous[:1]).mode(x), continuous[0].mode(x))
