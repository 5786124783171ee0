"""Losses of encoders: values by hand, and plain loops."""

import math

import torch

from offctx.algos.context_inference.losses.club import club_bound, csro_loss, log_likelihood
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


def test_club_equals_a_loop_and_is_zero_where_x_tells_nothing() -> None:
    z, mean, log_std = drawn(5, 2), drawn(5, 2, seed=1), drawn(5, 2, seed=2)
    total = 0.0
    for i in range(5):
        q = torch.distributions.Normal(mean[i], log_std[i].exp())
        total += float(q.log_prob(z[i]).sum()) - sum(float(q.log_prob(z[j]).sum()) for j in range(5)) / 5
    torch.testing.assert_close(club_bound(z, mean, log_std), torch.tensor(total / 5), rtol=1e-4, atol=1e-4)
    same = club_bound(z, torch.zeros(5, 2), torch.zeros(5, 2))
    torch.testing.assert_close(same, torch.tensor(0.0), rtol=0, atol=1e-5)
    assert float(csro_loss(torch.tensor(1.0), torch.tensor(2.0), weight=3)) == 7


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
