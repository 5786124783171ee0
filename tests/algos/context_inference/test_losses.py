"""Losses of encoders: values by hand, and plain loops."""

import math

import pytest
import torch
from torch import nn

from offctx.algos.context_inference.losses.club import bounded_log_std, club_bound, csro_loss, log_likelihood
from offctx.algos.context_inference.losses.dynamics import dynamics_loss, kl_to_standard_normal, pearl_dynamics_loss
from offctx.algos.context_inference.losses.infonce import info_nce, noisy_outcomes
from offctx.algos.context_inference.losses.metric import metric_loss
from offctx.algos.context_inference.losses.reconstruction import reconstruction_loss, unicorn_loss
from offctx.data.history.windows import HistoryWindows


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_dynamics_loss_by_hand() -> None:
    observations, next_observations = torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 2.0]])
    assert float(dynamics_loss(torch.tensor([[0.0, 2.0]]), observations, next_observations)) == (1 + 4) / 2


def test_kl_equals_torch_distributions() -> None:
    mean, log_std = drawn(5, 3), drawn(5, 3, seed=1)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, log_std.exp()), torch.distributions.Normal(torch.zeros(5, 3), torch.ones(5, 3))
    ).sum(dim=1)
    torch.testing.assert_close(kl_to_standard_normal(mean, log_std), expected)
    total = pearl_dynamics_loss(torch.tensor(2.0), mean, log_std)
    torch.testing.assert_close(total, 2 * (1 + 0.4 * expected.mean()))


def test_metric_loss_equals_a_loop_over_pairs() -> None:
    z, ids = drawn(6, 4), torch.tensor([0, 0, 1, 1, 2, 2])
    total = 0.0
    for i in range(6):
        for j in range(6):
            if i != j:
                square = float((z[i] - z[j]).square().sum())
                total += square if ids[i] == ids[j] else 2 / (square**1.5 + 0.1)
    torch.testing.assert_close(metric_loss(z, ids, weight=2, power=3), torch.tensor(total / 30))


def test_metric_loss_has_finite_gradients_where_two_are_equal() -> None:
    z = torch.zeros(4, 3, requires_grad=True)
    metric_loss(z, torch.tensor([0, 0, 1, 1]), power=1).backward()
    assert z.grad is not None
    assert torch.isfinite(z.grad).all()
    assert float(metric_loss(torch.zeros(1, 3), torch.tensor([0]))) == 0


def test_club_equals_a_loop_over_pairs_of_a_context() -> None:
    z, mean, log_std, ids = drawn(5, 2), drawn(5, 2, seed=1), drawn(5, 2, seed=2), torch.tensor([3, 1, 3, 3, 1])
    total = 0.0
    for i in range(5):
        q = torch.distributions.Normal(mean[i], log_std[i].exp())
        others = [float(q.log_prob(z[j]).sum()) for j in range(5) if ids[j] == ids[i]]
        total += float(q.log_prob(z[i]).sum()) - sum(others) / len(others)
    torch.testing.assert_close(club_bound(z, mean, log_std, ids), torch.tensor(total / 5), rtol=1e-4, atol=1e-4)
    same = club_bound(z, torch.zeros(5, 2), torch.zeros(5, 2), torch.zeros(5))
    torch.testing.assert_close(same, torch.tensor(0.0), rtol=0, atol=1e-5)


def test_club_does_not_penalise_what_z_says_of_the_context() -> None:
    """z is a code of the context, and x tells it with certainty: within a context there is nothing to tell."""
    ids = torch.tensor([0, 1]).repeat(4)
    z = (2.0 * ids - 1)[:, None].expand(8, 3).clone().requires_grad_()
    bound = club_bound(z, z.detach(), torch.full((8, 3), -1.0), ids)
    bound.backward()
    torch.testing.assert_close(bound.detach(), torch.tensor(0.0), rtol=0, atol=1e-5)
    assert z.grad is not None
    torch.testing.assert_close(z.grad, torch.zeros(8, 3), rtol=0, atol=1e-5)


@pytest.mark.parametrize("correlation", [0.3, 0.8])
def test_club_of_a_trained_regressor_is_the_bound_of_gaussians(correlation: float) -> None:
    """Of N(0, 1) with this correlation: r^2 / (1 - r^2) with the true q, above the information, - log(1 - r^2) / 2."""
    torch.manual_seed(0)
    regressor = nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 2))
    optimiser = torch.optim.Adam(regressor.parameters(), 1e-2)
    bounds = []
    for step in range(210):
        x = torch.randn(1000, 1)
        z = correlation * x + math.sqrt(1 - correlation**2) * torch.randn_like(x)
        mean, raw = regressor(x).chunk(2, dim=-1)
        optimiser.zero_grad()
        (-log_likelihood(z, mean, bounded_log_std(raw)).mean()).backward()
        optimiser.step()
        if step >= 200:
            bounds.append(float(club_bound(z, mean, bounded_log_std(raw), torch.zeros(1000)).detach()))
    exact, information = correlation**2 / (1 - correlation**2), -math.log(1 - correlation**2) / 2
    assert abs(sum(bounds) / 10 - exact) < 0.15 * exact
    assert sum(bounds) / 10 > information


def test_the_variance_of_the_regressor_has_bounds() -> None:
    variances = (2 * bounded_log_std(torch.tensor([-50.0, 0.0, 50.0]))).exp()
    torch.testing.assert_close(variances, torch.tensor([math.log(1 + math.exp(x)) for x in (-1.0, 0.0, 1.0)]))


def test_csro_in_the_units_of_its_public_code() -> None:
    """10 metric loss + 25 times the mean over coordinates of squares that are not halved, over 10."""
    z, mean, log_std = drawn(6, 4), drawn(6, 4, seed=1), torch.zeros(6, 4)
    closer, farther = (z - mean).square().mean(), (z[None] - mean[:, None]).square().mean()
    expected = (10 * 3.0 + 25 * (farther - closer)) / 10
    bound = club_bound(z, mean, log_std, torch.zeros(6))
    torch.testing.assert_close(csro_loss(torch.tensor(3.0), bound, size=4), expected)


def test_log_likelihood_by_hand() -> None:
    found = log_likelihood(torch.tensor([1.0]), torch.tensor([0.0]), torch.tensor([0.0]))
    torch.testing.assert_close(found, torch.tensor(-0.5 - math.log(2 * math.pi) / 2))


def test_info_nce_by_hand() -> None:
    z, positive = torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 0.0]])
    negatives = torch.tensor([[[0.0, 2.0], [-1.0, 0.0]]])
    expected = -math.log(math.exp(2) / (math.exp(2) + math.exp(0) + math.exp(-2)))
    torch.testing.assert_close(info_nce(z, positive, negatives, temperature=0.5), torch.tensor([expected]))


def test_noise_leaves_states_and_actions(windows: HistoryWindows) -> None:
    noisy = noisy_outcomes(windows, torch.tensor([1.0, 0.0, 2.0]), torch.tensor([0.5]))
    torch.testing.assert_close(noisy.observations, windows.observations, rtol=0, atol=0)
    torch.testing.assert_close(noisy.actions, windows.actions, rtol=0, atol=0)
    moved = noisy.next_observations - windows.next_observations
    assert moved[..., 1].abs().max() == 0
    assert moved[..., 0].abs().min() > 0
    torch.testing.assert_close(moved[:, 0], moved[:, 5], rtol=0, atol=1e-6)


def test_reconstruction_and_unicorn_by_hand() -> None:
    loss = reconstruction_loss(torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]]))
    assert float(loss) == 1 + 4 + 4
    torch.testing.assert_close(unicorn_loss(loss, torch.tensor(2.0), alpha=0.5), torch.tensor(11.0))
