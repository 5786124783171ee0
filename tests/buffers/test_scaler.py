"""Observation scalers that do not divide by the spread of a context."""

import dataclasses

import numpy as np
import torch

import offctx
from tests.buffers.helpers import all_of


def test_observation_scaler_standardises_by_the_data_and_contexts_by_the_bounds(runner):
    buffer = runner.replay_buffer()
    scaler = buffer.observation_scaler()
    assert scaler.built
    observations = all_of(buffer).observations
    scaled = scaler.transform(torch.as_tensor(observations)).numpy()
    np.testing.assert_allclose(scaled[:, :3].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled[:, :3].std(axis=0), 1, atol=1e-2)  # d3rlpy adds 1e-3 to the deviation
    space = runner.context_space
    expected = (runner.contexts - space.default) / ((space.high - space.low) / 2 + 1e-3)
    np.testing.assert_allclose(scaled[:, 3:], expected, atol=1e-5)


def test_observation_scaler_is_finite_and_moderate_on_a_single_context(datasets_path):
    dataset = offctx.collect("testing/Runner-v0", "test/x-v0", contexts=[0.5, 0.0], seed=0, progress=False)
    buffer = dataset.replay_buffer()
    scaler = buffer.observation_scaler()
    elsewhere = all_of(buffer).observations.copy()
    elsewhere[:, 3:] = runner_bounds = dataset.context_space.high.astype(np.float32)
    scaled = scaler.transform(torch.as_tensor(elsewhere)).numpy()
    assert np.isfinite(scaled).all() and np.abs(scaled[:, 3:]).max() < 3, runner_bounds


def test_observation_scaler_of_a_hidden_context(runner):
    scaler = runner.replay_buffer(context="hidden").observation_scaler()
    np.testing.assert_allclose(scaler.mean, runner.observations.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(scaler.std, runner.observations.std(axis=0), rtol=1e-4)


def test_an_unbounded_context_is_scaled_by_one(runner):
    space = offctx.ContextSpace(["speed", "wind"], (-np.inf, -1.0), (np.inf, 1.0), (0.5, 0.0))
    scaler = dataclasses.replace(runner, context_space=space).replay_buffer().observation_scaler()
    assert scaler.std[3:].tolist() == [1, 1] and scaler.mean[3:].tolist() == [0.5, 0]
