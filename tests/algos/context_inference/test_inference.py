"""What encoder, hypernetwork and dynamics model learn from, and what reaches policy and critics."""

import dataclasses

import pytest
import torch
from d3rlpy.optimizers import AdamFactory

from offctx.algos.context_inference.conditioned import Use
from offctx.algos.context_inference.encoder import ContextEncoder
from offctx.algos.context_inference.inference import ContextInference
from offctx.algos.context_inference.objectives.names import ENCODER_LOSSES, EncoderLoss
from offctx.algos.context_inference.rows import NetworkShapes, Rows
from offctx.data.history.windows import HistoryWindows
from tests.algos.context_inference.conftest import make_windows

G, M = 8, 3  # windows, rows of a window
IDS = torch.arange(G) // 2


def sample() -> tuple[HistoryWindows, Rows]:
    torch.manual_seed(0)
    rows = Rows(torch.randn(G * M, 3), torch.randn(G * M, 2), torch.randn(G * M), torch.randn(G * M, 3), *torch.zeros(2, G * M))
    return make_windows((6,) * G), rows


def inference_of(
    loss: EncoderLoss = "dynamics", use: Use = "shared", head: str = "simnorm", trunk: str = "lstm", csro_weight: float = 25.0
) -> ContextInference:
    torch.manual_seed(0)
    encoder, shapes = ContextEncoder(3, 2, head=head, trunk=trunk), NetworkShapes(3, 2, use, 8, 16, 4)
    return ContextInference(encoder, shapes, loss, AdamFactory(), 1e-3, "cpu", csro_weight=csro_weight)


@pytest.mark.parametrize("loss", ENCODER_LOSSES)
@pytest.mark.parametrize("use", ["concat", "adapter", "shared"])
def test_an_update_moves_encoder_and_dynamics(loss: EncoderLoss, use: Use) -> None:
    inference, (windows, rows) = inference_of(loss, use), sample()
    before = {name: weight.detach().clone() for name, weight in inference.named_parameters()}
    for _ in range(2):  # in the first update the gradient of an adapter that is the identity does not reach z
        condition, losses = inference.learn(windows, IDS, rows)
    assert condition.z is not None
    assert not condition.z.requires_grad
    assert all(torch.isfinite(value) for value in losses.values())
    still = {name for name, weight in inference.named_parameters() if torch.equal(weight, before[name])}
    assert still == set()


@pytest.mark.parametrize("loss", ENCODER_LOSSES)
def test_only_the_dynamics_loss_sends_gradients_from_the_dynamics_model_to_the_encoder(loss: EncoderLoss) -> None:
    """Other outcomes of the rows change what the encoder learns only where a dynamics model or a decoder teaches it."""
    windows, rows = sample()
    moved = rows._replace(next_observations=rows.next_observations + 1)

    def encoder_after(rows: Rows) -> torch.Tensor:
        inference = inference_of(loss, "concat")
        torch.manual_seed(1)
        for _ in range(2):
            inference.learn(windows, IDS, rows)
        return inference.encoder.trunk.embed[0].weight.detach().clone()

    taught_by_outcomes = loss in ("dynamics", "unicorn", "gentle")
    assert torch.equal(encoder_after(rows), encoder_after(moved)) != taught_by_outcomes


def test_dynamics_alone_can_tell_contexts_apart() -> None:
    """s' - s = c a with c = 1 or -1, hidden: the loss falls far below that of a model that is not told c."""
    torch.manual_seed(0)
    signs = torch.tensor([1.0, -1.0] * 16)
    windows = make_windows((6,) * 32)
    outcome = windows.observations.clone()
    outcome[..., :2] += signs[:, None, None] * windows.actions
    windows = dataclasses.replace(windows, next_observations=outcome)
    inference = inference_of()
    losses = []
    for _ in range(300):
        observations, actions = torch.randn(32 * M, 3), torch.randn(32 * M, 2)
        nexts = observations.clone()
        nexts[:, :2] += signs.repeat_interleave(M)[:, None] * actions
        rows = Rows(observations, actions, torch.zeros(32 * M), nexts, torch.zeros(32 * M), torch.zeros(32 * M))
        losses.append(float(inference.learn(windows, IDS.repeat(4), rows)[1]["dynamics_loss"]))
    blind = 2 / 3  # the variance of s' - s = +-a, which is all of it where c is not known
    assert sum(losses[-20:]) / 20 < 0.2 * blind


def test_a_gaussian_latent_is_held_near_the_standard_normal() -> None:
    inference, (windows, rows) = inference_of(head="gaussian"), sample()
    _, losses = inference.learn(windows, IDS, rows)
    assert losses["encoder_loss"] > losses["dynamics_loss"]


def test_csro_keeps_the_context_where_behaviour_betrays_it() -> None:
    """s' - s = c a with c = 1 or -1, and a has the sign of c: (s, a) tells c, and z of single transitions tells it too."""
    inference = inference_of("csro", "concat", "bounded", "set")
    signs = torch.tensor([1.0, -1.0]).repeat(16)[:, None, None]
    for step in range(100):
        windows = make_windows((6,) * 32, seed=step)
        actions = signs * windows.actions.abs()
        nexts = windows.observations.clone()
        nexts[..., :2] += signs * actions
        windows = dataclasses.replace(windows, actions=actions, next_observations=nexts)
        rows = Rows(windows.observations[:, 0], actions[:, 0], torch.zeros(32), nexts[:, 0], torch.zeros(32), torch.zeros(32))
        inference.learn(windows, torch.arange(32) % 2, rows)
    single = windows.mask.new_ones(192, 1)
    features = torch.cat([windows.observations, actions, nexts - windows.observations], dim=-1).reshape(192, 1, -1)
    z = inference.encoder.eval().of_features(features, single).z.detach().reshape(16, 2, 6, 8).transpose(0, 1).reshape(2, 96, 8)
    between = (z[0].mean(dim=0) - z[1].mean(dim=0)).square().sum() / 4
    within = z.var(dim=1).sum(dim=1).mean()
    assert between > 2 * within


def test_csro_without_its_penalty_is_focal() -> None:
    windows, rows = sample()

    def encoder_after(loss: EncoderLoss, weight: float) -> torch.Tensor:
        inference = inference_of(loss, "concat", csro_weight=weight)
        torch.manual_seed(1)
        for _ in range(3):
            inference.learn(windows, IDS, rows)
        return inference.encoder.trunk.embed[0].weight.detach()

    focal = encoder_after("focal", 25)
    torch.testing.assert_close(encoder_after("csro", 0), focal, rtol=0, atol=0)
    assert not torch.equal(encoder_after("csro", 25), focal)
