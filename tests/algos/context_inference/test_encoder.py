"""The context encoder: what it reads, what it does not read, and what its parts compute."""

from dataclasses import replace

import pytest
import torch

from offctx.algos.context_inference.encoder import TRUNKS, ContextEncoder
from offctx.algos.context_inference.features import evenly_spaced, mask_blocks, transition_features
from offctx.algos.context_inference.heads import HEADS
from offctx.algos.context_inference.normalisation import SimNorm, avg_l1_norm
from offctx.algos.context_inference.scale import FeatureScale
from offctx.algos.context_inference.trunks import LSTMTrunk, SetTrunk, running_mean
from offctx.data.history.windows import HistoryWindows
from offctx.errors import AlgorithmError
from tests.algos.context_inference.conftest import LENGTHS, make_windows, with_slots

NAMES = ("observations", "actions", "rewards", "next_observations")


def encoder_of(**options: object) -> ContextEncoder:
    torch.manual_seed(0)
    return ContextEncoder(3, 2, **options).eval()


@pytest.mark.parametrize("trunk", TRUNKS)
@pytest.mark.parametrize("head", HEADS)
def test_empty_slots_have_no_effect(windows: HistoryWindows, trunk: str, head: str) -> None:
    encoder = encoder_of(trunk=trunk, head=head, rewards=True)
    empty = ~windows.mask[..., None]
    noisy = replace(windows, **{name: getattr(windows, name).masked_fill(empty, 1e3) for name in NAMES})
    torch.testing.assert_close(encoder(noisy).z, encoder(windows).z, rtol=0, atol=0)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_a_window_alone_gives_the_same_z_as_in_a_batch(windows: HistoryWindows, trunk: str) -> None:
    encoder = encoder_of(trunk=trunk)
    together = encoder(windows).z
    for row, length in enumerate(LENGTHS):
        filled = torch.arange(6 - max(length, 1), 6)[None].expand(len(LENGTHS), -1)
        alone = encoder(with_slots(windows, filled)).z[row]
        torch.testing.assert_close(alone, together[row], rtol=1e-5, atol=1e-6)


def test_lstm_equals_a_loop_over_transitions(windows: HistoryWindows) -> None:
    torch.manual_seed(0)
    trunk = LSTMTrunk(FeatureScale(8))
    cell = torch.nn.LSTMCell(32, 32)
    for name, weight in cell.named_parameters():
        weight.data.copy_(getattr(trunk.lstm, f"{name}_l0"))
    features = transition_features(windows, 2)
    found = trunk(features, windows.mask)
    for row, length in enumerate(LENGTHS):
        h, c = torch.zeros(1, 32), torch.zeros(1, 32)
        for slot in range(6 - length, 6):
            embedded = features[row, slot] @ trunk.embed[0].weight.T
            h, c = cell((embedded / embedded.abs().mean())[None], (h, c))
        torch.testing.assert_close(found[row], h[0], rtol=1e-4, atol=1e-5)


def test_the_order_matters_to_the_lstm_and_not_to_the_set(windows: HistoryWindows) -> None:
    turned = with_slots(windows, torch.arange(5, -1, -1)[None].expand(len(LENGTHS), -1))
    lstm, by_set = encoder_of(trunk="lstm"), encoder_of(trunk="set")
    torch.testing.assert_close(by_set(turned).z, by_set(windows).z, rtol=1e-5, atol=1e-6)
    assert (lstm(turned).z[2:] - lstm(windows).z[2:]).abs().max() > 1e-4


def test_the_mean_of_a_set_grows_by_one_transition_at_a_time(windows: HistoryWindows) -> None:
    torch.manual_seed(0)
    trunk = SetTrunk(FeatureScale(8))
    features = transition_features(windows, 2)
    mean, count = torch.zeros(len(LENGTHS), trunk.size), torch.zeros(len(LENGTHS))
    for slot in range(6):
        rows = windows.mask[:, slot]
        mean[rows], count[rows] = running_mean(mean[rows], count[rows], trunk.embed(features[rows, slot]))
    assert count.tolist() == list(LENGTHS)
    torch.testing.assert_close(trunk.from_mean(mean), trunk(features, windows.mask), rtol=1e-4, atol=1e-5)


def test_transitions_of_small_weight_do_not_hide_the_others(windows: HistoryWindows) -> None:
    torch.manual_seed(0)
    trunk = SetTrunk(FeatureScale(8), size=4)
    embedded = torch.tensor(
        [[3.0, -1.0, 1.0, 2.0], *[[0.0, 0.0, 0.001, 0.001]] * 50]
    )  # w e and w, of a telling one and 50 others
    alone, among = (trunk.from_mean(rows.mean(dim=0)) for rows in (embedded[:1], embedded))
    by_hand = trunk.second(torch.tensor([3.0 / 1.1, -1.0 / 2.1]))  # sum w e / (c + sum w) of one transition, c = 0.1
    torch.testing.assert_close(alone, by_hand)
    quiet = trunk.from_mean(embedded[1:].mean(dim=0))
    torch.testing.assert_close(quiet, trunk.from_mean(torch.zeros(4)))
    assert (among - quiet).abs().max() > 0.1 * (alone - quiet).abs().max() > 0


def test_features_are_scaled_by_the_mean_and_spread_of_filled_slots(windows: HistoryWindows) -> None:
    features, scale = transition_features(windows, 2), FeatureScale(8)
    torch.testing.assert_close(scale(features), features)
    scale.update(features, windows.mask)
    filled = features[windows.mask]
    torch.testing.assert_close(scale.mean, filled.mean(dim=0))
    torch.testing.assert_close(scale.spread, filled.std(dim=0, correction=0))
    before = scale.mean.clone()
    scale.update(features + 100, torch.zeros_like(windows.mask))  # windows without a transition say nothing
    torch.testing.assert_close(scale.mean, before)


def test_the_running_scale_reaches_that_of_all_batches() -> None:
    torch.manual_seed(0)
    scale, data = FeatureScale(2), 3 + torch.tensor([0.01, 5.0]) * torch.randn(50, 20, 6, 2)
    for batch in data:
        scale.update(batch, torch.ones(20, 6, dtype=torch.bool))
    torch.testing.assert_close(scale.spread, data.reshape(-1, 2).std(dim=0), rtol=0.05, atol=0)
    assert scale(torch.tensor([1e6, -1e6])).tolist() == [10, -10]  # a rare reward, a collision
    off = FeatureScale(2, active=False)
    off.update(data[0], torch.ones(20, 6, dtype=torch.bool))
    assert off(data).equal(data)


def test_a_hidden_block_holds_its_mean() -> None:
    encoder = encoder_of(masking=1.0)
    windows = make_windows((6, 6))
    encoder.update_scale(windows)
    assert encoder.train()(windows).z.std(dim=0).max() < 1e-6
    torch.testing.assert_close(encoder.trunk.scale(encoder.trunk.scale.mean), torch.zeros(len(encoder.trunk.scale.mean)))


def test_rewards_are_read_only_where_asked(windows: HistoryWindows) -> None:
    other = replace(windows, rewards=windows.rewards + 1)
    blind, sees = encoder_of(), encoder_of(rewards=True)
    torch.testing.assert_close(blind(other).z, blind(windows).z, rtol=0, atol=0)
    assert (sees(other).z - sees(windows).z).abs().max() > 1e-4


def test_norms_by_hand() -> None:
    torch.testing.assert_close(avg_l1_norm(torch.tensor([[1.0, -3.0]])), torch.tensor([[0.5, -1.5]]))
    groups = SimNorm(2)(torch.tensor([[0.0, 0.0, 0.0, torch.log(torch.tensor(3.0))]]))
    torch.testing.assert_close(groups, torch.tensor([[0.5, 0.5, 0.25, 0.75]]))
    with pytest.raises(AlgorithmError, match="4 divides"):
        SimNorm(4)(torch.zeros(1, 6))


def test_evenly_spaced_slots_by_hand() -> None:
    mask = torch.arange(6)[None] >= 6 - torch.tensor([6, 5, 2, 0])[:, None]
    assert evenly_spaced(mask, 3).tolist() == [[0, 3, 5], [1, 3, 5], [3, 4, 5], [3, 4, 5]]


def test_blocks_are_masked_whole_and_as_often_as_asked() -> None:
    torch.manual_seed(0)
    masked = mask_blocks(torch.ones(1000, 4, 5), (2, 1, 2), 0.4)
    first, second, third = masked.split((2, 1, 2), dim=-1)
    assert (first[..., 0] == first[..., 1]).all()
    assert (third[..., 0] == third[..., 1]).all()
    for block in (first, second, third):
        assert abs(float((block == 0).float().mean()) - 0.4) < 0.03


def test_masking_is_of_training_alone() -> None:
    windows = make_windows((6, 6))
    encoder = encoder_of(masking=0.4)
    torch.testing.assert_close(encoder(windows).z, encoder_of()(windows).z, rtol=0, atol=0)
    encoder.train()
    assert (encoder(windows).z - encoder(windows).z).abs().max() > 1e-5


def test_a_gaussian_draws_in_training_only(windows: HistoryWindows) -> None:
    encoder = encoder_of(head="gaussian")
    latent = encoder(windows)
    torch.testing.assert_close(latent.z, latent.mean, rtol=0, atol=0)
    encoder.train()
    latent = encoder(windows)
    assert (latent.z - latent.mean).abs().max() > 1e-3


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(AlgorithmError, match="trunk"):
        ContextEncoder(3, 2, trunk="gru")
    with pytest.raises(AlgorithmError, match="masking"):
        ContextEncoder(3, 2, masking=1.5)


def test_filled_slots_come_first_in_their_order() -> None:
    from offctx.algos.context_inference.trunks import _filled_first

    mask = torch.rand(50, 9, generator=torch.Generator().manual_seed(0)) < 0.5
    assert torch.equal(_filled_first(mask), (~mask).long().argsort(dim=1, stable=True))
