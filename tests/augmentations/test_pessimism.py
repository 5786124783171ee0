"""Pessimism by reward against `offctx.linear.EllipticalUncertainty`, one context after the other."""

import dataclasses

import d3rlpy
import numpy as np
import pytest
import torch
from torch import nn

import offctx
from offctx.augmentations.pessimism import Pessimism
from offctx.errors import DatasetError, LinearError
from offctx.linear import EllipticalUncertainty
from offctx.uncertainty.fourier import FourierFeatures


def everything(buffer):
    return buffer.batch(np.arange(buffer.transition_count))


def exact(dataset, batch, *, merged=False, beta=0.7, ridge=0.3, size=16) -> np.ndarray:
    """Gamma (N,) of a dataset's own transitions: features in float64, Lambda with all its blocks, context by context."""
    discrete = dataset.actions.ndim == 1
    seen = torch.tensor(np.asarray(batch.observations) if merged else dataset.observations, dtype=torch.float32)
    inputs = (seen,) if discrete else (seen, torch.tensor(dataset.actions, dtype=torch.float32))
    features = FourierFeatures(*(part.shape[1] for part in inputs), size=size, seed=5).fit(*inputs).double()
    phi = features(*inputs).numpy()
    if discrete:
        phi = (np.eye(3)[dataset.actions][:, :, None] * phi[:, None]).reshape(len(phi), -1)
    gamma = np.empty(len(phi))
    ids = np.zeros_like(dataset.context_ids) if merged else dataset.context_ids
    for k in np.unique(ids):
        gamma[ids == k] = EllipticalUncertainty(beta, ridge).fit(phi[ids == k]).bonus(phi[ids == k])
    return gamma


@pytest.mark.parametrize("name", ["runner", "pendulum", "chooser"])
@pytest.mark.parametrize("context", ["append", "hidden"])
@pytest.mark.parametrize("per_context", [True, False])
def test_rewards_lose_the_gamma_of_linear(name, context, per_context, library):
    dataset = library.datasets[name]
    pessimism = Pessimism(0.7, size=16, ridge=0.3, per_context=per_context, seed=5)
    pessimism.prepare(dataset)
    batch = everything(dataset.replay_buffer(context=context))
    lower = pessimism(batch)
    gamma = exact(dataset, batch, merged=not per_context)
    np.testing.assert_allclose(lower.rewards[:, 0], batch.rewards[:, 0] - gamma, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(pessimism.gamma(batch), gamma, rtol=1e-4)
    assert lower.rewards.dtype == np.float32 and gamma.std() > 1e-3
    for field in dataclasses.fields(batch):
        if field.name != "rewards":
            assert getattr(lower, field.name) is getattr(batch, field.name), field.name


def test_the_order_and_the_number_of_rows_do_not_matter(runner):
    pessimism = Pessimism(1.0, size=16)
    pessimism.prepare(runner)
    buffer = runner.replay_buffer()
    whole = pessimism.gamma(everything(buffer))
    chosen = np.random.default_rng(0).integers(len(whole), size=50)
    np.testing.assert_allclose(pessimism.gamma(buffer.batch(chosen)), whole[chosen], rtol=1e-5)
    assert pessimism.gamma(buffer.batch(np.array([3]))).shape == (1,)


def test_a_buffer_prepares_it_and_d3rlpy_trains_on_it(runner):
    plain = runner.replay_buffer(seed=1).sample_transition_batch(32)
    buffer = runner.replay_buffer(augmentation=Pessimism(1.0, size=16), seed=1)
    lower = buffer.sample_transition_batch(32)
    assert (lower.rewards < plain.rewards).all()
    np.testing.assert_array_equal(lower.observations, plain.observations)
    d3rlpy.algos.TD3PlusBCConfig(batch_size=8).create().fit(
        buffer, n_steps=2, n_steps_per_epoch=2, show_progress=False, logger_adapter=d3rlpy.logging.NoopAdapterFactory()
    )


def test_without_beta_the_batch_is_the_very_same(runner):
    batch = everything(runner.replay_buffer())
    assert Pessimism(0.0)(batch) is batch


class Constant(nn.Module):
    """One feature, 1 everywhere: Gamma counts the data."""

    size = 1

    def forward(self, observations, actions=None):
        return torch.ones(*observations.shape[:-1], 1)


def test_a_feature_map_of_ones_counts_the_data(runner, chooser):
    """Gamma = beta / sqrt(N + ridge), N the context's transitions; those of the same action, where discrete."""
    for dataset in (runner, chooser):
        pessimism = Pessimism(2.0, Constant(), ridge=1.0)
        pessimism.prepare(dataset)
        taken = dataset.actions if dataset is chooser else np.zeros(len(dataset))
        same = (dataset.context_ids[:, None] == dataset.context_ids) & (taken[:, None] == taken)
        gamma = pessimism.gamma(everything(dataset.replay_buffer()))
        np.testing.assert_allclose(gamma, 2 / np.sqrt(same.sum(axis=1) + 1), rtol=1e-6)


def test_a_transition_that_cse_has_moved_keeps_its_own_context(runner):
    """CSE changes contexts and next states; Gamma is of the observation, the action and the data that they came from."""
    pessimism = Pessimism(1.0, size=16)
    pessimism.prepare(runner)
    batch = everything(runner.replay_buffer())
    moved = offctx.CSE(0.1)(batch)
    assert not np.array_equal(moved.contexts, batch.contexts)
    np.testing.assert_array_equal(pessimism.gamma(moved), pessimism.gamma(batch))
    np.testing.assert_array_equal(pessimism(moved).next_observations, moved.next_observations)


@pytest.mark.parametrize("ids", [-1, 99])
def test_contexts_without_data_are_told_and_merged_ones_need_no_ids(ids, runner):
    batch = everything(runner.replay_buffer(context="hidden"))
    strange = dataclasses.replace(batch, context_ids=np.full(len(batch), ids))
    pessimism, merged = Pessimism(1.0, size=16), Pessimism(1.0, size=16, per_context=False)
    pessimism.prepare(runner), merged.prepare(runner)
    found = r"unknown context \(id -1\)" if ids < 0 else "context id 99"
    with pytest.raises(DatasetError, match=rf"3 contexts that Pessimism was fitted to; found .*{found}.*per_context=False"):
        pessimism(strange)
    np.testing.assert_array_equal(merged(strange).rewards, merged(batch).rewards)


def test_steps_that_come_online_are_judged_by_the_data_of_their_context(runner):
    pessimism = Pessimism(1.0, size=16)
    buffer = runner.replay_buffer(augmentation=pessimism)
    before = everything(buffer)
    for row in range(3):  # the first steps of an episode again, as fit_online would append them
        buffer.append(before.observations[row], before.actions[row], before.rewards[row])
    buffer.clip_episode(False)
    newest = everything(buffer)
    assert len(newest) == len(before) + 2
    np.testing.assert_allclose(pessimism.gamma(newest)[-2:], pessimism.gamma(before)[:2], rtol=1e-5)


def test_one_is_for_one_dataset(runner, chooser):
    pessimism = Pessimism(1.0, size=16)
    with pytest.raises(DatasetError, match=r"seen no data: make the buffer with it"):
        pessimism(everything(runner.replay_buffer()))
    runner.replay_buffer(augmentation=pessimism), runner.replay_buffer(context="hidden", augmentation=pessimism)
    with pytest.raises(DatasetError, match=r"fitted to test/runner-v0; make another for test/chooser-v0"):
        chooser.replay_buffer(augmentation=pessimism)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta": -1.0}, "beta >= 0"),
        ({"beta": 1.0, "ridge": 0.0}, "ridge > 0"),
        ({"beta": 1.0, "size": 5}, "even size"),
        ({"beta": 1.0, "features": "pixels"}, "found 'pixels'"),
    ],
)
def test_options_out_of_range_are_told_at_once(options, message):
    with pytest.raises(LinearError, match=message):
        Pessimism(**options)


def test_observations_that_are_too_long_for_given_features_are_told_when_the_buffer_is_made(runner):
    with pytest.raises(LinearError, match="norm at most 1"):
        runner.replay_buffer(augmentation=Pessimism(1.0, "observation"))
