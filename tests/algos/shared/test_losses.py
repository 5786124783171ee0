"""Losses and estimators of the deep learners, against values worked out by hand."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, Normal, kl_divergence

from offctx.algos.shared.losses import (
    advantage_weights,
    categorical_divergence,
    cross_entropy,
    expectile_loss,
    exponentiated,
    gaussian_divergence,
    gaussian_log_likelihood,
    scale_free,
    spread,
    sum_of_group_means,
    td_loss,
    td_targets,
    value_bounds,
)


def test_expectile_loss_and_its_gradient():
    values = torch.tensor([1.0, 1.0, 1.0], requires_grad=True)
    targets = torch.tensor([3.0, 0.0, 1.0], requires_grad=True)
    loss = expectile_loss(targets, values, 0.7)
    torch.testing.assert_close(loss, torch.tensor([0.7 * 4, 0.3 * 1, 0.0]))
    loss.sum().backward()
    torch.testing.assert_close(values.grad, torch.tensor([-0.7 * 2 * 2, 0.3 * 2 * 1, 0.0]))
    assert targets.grad is None


def test_the_expectile_loss_is_least_at_the_expectile():
    """Of 0 and 1 in equal parts, the 0.9-expectile v solves 0.9 (1 - v) = 0.1 v."""
    grid = torch.linspace(0, 1, 1001)
    losses = expectile_loss(torch.tensor([[0.0], [1.0]]), grid.expand(2, -1), 0.9).mean(dim=0)
    assert grid[losses.argmin()].item() == pytest.approx(0.9, abs=1e-3)


def test_td_targets_stop_where_episodes_end():
    found = td_targets(torch.tensor([1.0, 2.0]), torch.tensor([10.0, 10.0]), torch.tensor([0.0, 1.0]), torch.tensor([0.9, 0.9]))
    torch.testing.assert_close(found, torch.tensor([10.0, 2.0]))


def test_td_loss_sums_over_members_and_leaves_targets_alone():
    members = torch.tensor([[1.0, 2.0], [3.0, 2.0]], requires_grad=True)
    targets = torch.tensor([2.0, 5.0], requires_grad=True)
    loss = td_loss(members, targets)
    torch.testing.assert_close(loss, torch.tensor([1.0 + 1.0, 9.0 + 9.0]))
    loss.sum().backward()
    torch.testing.assert_close(members.grad, torch.tensor([[-2.0, -6.0], [2.0, -6.0]]))
    assert targets.grad is None


def test_advantage_weights_are_cut_off_and_constant():
    advantages = torch.tensor([0.0, 1.0, -1.0, 1000.0], requires_grad=True)
    found = advantage_weights(advantages, 2.0, 5.0)
    torch.testing.assert_close(found, torch.tensor([1.0, 5.0, math.exp(-2.0), 5.0]))
    assert not found.requires_grad


def test_scale_free_values():
    values = torch.tensor([2.0, -6.0], requires_grad=True)
    found = scale_free(values)
    torch.testing.assert_close(found, torch.tensor([0.5, -1.5]))
    found.sum().backward()
    torch.testing.assert_close(values.grad, torch.tensor([0.25, 0.25]))  # none through the scale
    torch.testing.assert_close(scale_free(torch.zeros(2)), torch.zeros(2))


def test_sum_of_group_means():
    losses, groups = torch.tensor([1.0, 3.0, 10.0]), torch.tensor([2, 2, 1])
    assert sum_of_group_means(losses, groups) == 2 + 10


def test_exponentiated_by_hand():
    logs = torch.tensor([[0.5, 0.5], [0.8, 0.2]]).log()
    found = exponentiated(logs, torch.tensor([[1.0, 0.0], [0.0, 2.0]]), 0.5)
    e = np.e
    np.testing.assert_allclose(found[0], [e**0.5 / (e**0.5 + 1), 1 / (e**0.5 + 1)], rtol=1e-6)
    np.testing.assert_allclose(found[1], [0.8 / (0.8 + 0.2 * e), 0.2 * e / (0.8 + 0.2 * e)], rtol=1e-6)


def test_gaussian_divergence_is_torchs():
    means, stds, base_means, base_stds = torch.rand(4, 7, 3, generator=torch.Generator().manual_seed(0)) + 0.1
    expected = kl_divergence(Normal(means, stds), Normal(base_means, base_stds)).sum(dim=-1)
    torch.testing.assert_close(gaussian_divergence(means, stds, base_means, base_stds), expected)
    assert expected.min() > 0.05


def test_spread_by_hand_and_free_of_scale():
    values = torch.tensor([[1.0, 3.0], [10.0, 10.0]])  # distances from the mean 1, 1, 0, 0
    assert spread(values) == 0.5
    assert spread(7 * values + 100) == pytest.approx(3.5)


def test_gaussian_log_likelihood_is_torchs_to_the_last_bit():
    generator = torch.Generator().manual_seed(0)
    actions, means, stds = (torch.rand(7, 3, generator=generator) + 0.1 for _ in range(3))
    expected = Normal(means, stds).log_prob(actions).sum(dim=-1)
    assert torch.equal(gaussian_log_likelihood(actions, means, stds), expected)


def test_cross_entropy_and_divergence_of_discrete_policies():
    probabilities, base = torch.tensor([[0.2, 0.8], [0.5, 0.5]]), torch.tensor([[0.6, 0.4], [0.5, 0.5]])
    found = categorical_divergence(probabilities.log(), base.log())
    torch.testing.assert_close(found, kl_divergence(Categorical(probabilities), Categorical(base)))
    assert found[1].abs() < 1e-7 and found[0] > 0.1
    expected = [-(0.6 * math.log(0.2) + 0.4 * math.log(0.8)), math.log(2)]
    torch.testing.assert_close(cross_entropy(base, probabilities.log()), torch.tensor(expected))


# --- value bounds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rewards", "gamma", "horizon", "expected"),
    [
        ((0.0, 1.0), 0.9, None, (0.0, 10.0)),
        ((-2.0, 0.0), 0.9, None, (-20.0, 0.0)),
        ((-1.0, 3.0), 0.5, None, (-2.0, 6.0)),
        ((2.0, 3.0), 0.5, None, (2.0, 6.0)),  # the least is a single reward, after which the episode ends
        ((-3.0, -2.0), 0.5, None, (-6.0, -2.0)),
        ((-1.0, 3.0), 0.5, 2, (-1.5, 4.5)),
        ((0.0, 1.0), 1.0, 7, (0.0, 7.0)),
        ((-1.0, 2.0), 1.0, 3, (-3.0, 6.0)),
        ((0.0, 1.0), 1.0, None, (0.0, math.inf)),
        ((-1.0, 1.0), 0.0, None, (-1.0, 1.0)),
        ((-1.0, 1.0), 0.9, 1, (-1.0, 1.0)),
    ],
)
def test_value_bounds(rewards, gamma, horizon, expected):
    assert value_bounds(rewards, gamma, horizon) == pytest.approx(expected)


@pytest.mark.parametrize("bounds", [(-1.0, 2.0), (0.5, 2.0), (-2.0, -0.5)])
def test_value_bounds_are_reached_by_some_episode(bounds):
    """Over all episodes of 1 to 4 steps whose rewards are at the bounds."""
    sums = [
        sum(0.8**t * r for t, r in enumerate(rewards))
        for steps in range(1, 5)
        for rewards in itertools.product(bounds, repeat=steps)
    ]
    np.testing.assert_allclose(value_bounds(bounds, 0.8, 4), (min(sums), max(sums)))
