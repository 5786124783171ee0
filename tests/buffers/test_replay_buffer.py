"""Batches of the replay buffer: sampling, seeds, augmentation."""

import dataclasses

import numpy as np
import pytest
from d3rlpy.dataset import (
    TransitionMiniBatch,
)

import offctx
from offctx import CSE
from offctx.errors import DerivativeError, PolicyError
from tests.buffers.helpers import FIELDS, all_of, assert_batches_equal


def test_sampling_is_uniform(runner):
    buffer = runner.replay_buffer(seed=1)
    truth = all_of(buffer).observations
    index = {row.tobytes(): i for i, row in enumerate(truth)}
    assert len(index) == 60
    draws = 30_000
    found = np.bincount([index[row.tobytes()] for row in buffer.sample_transition_batch(draws).observations], minlength=60)
    expected = draws / 60
    chi2 = ((found - expected) ** 2 / expected).sum()
    assert 25 < chi2 < 110  # 59 degrees of freedom: beyond this less than once in 20000


@pytest.mark.parametrize("augmentation", [None, CSE(0.1)])
def test_the_same_seed_gives_the_same_batches(augmentation, runner):
    def batches(seed):
        buffer = runner.replay_buffer(seed=seed, augmentation=augmentation)
        return [buffer.sample_transition_batch(16) for _ in range(3)]

    for one, other in zip(batches(5), batches(5), strict=True):
        assert_batches_equal(one, other)
    first, second, _ = batches(5)
    assert not np.array_equal(first.observations, second.observations)
    assert not np.array_equal(first.observations, batches(6)[0].observations)


def test_sampling_leaves_the_global_generator_alone(runner):
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    buffer = runner.replay_buffer()
    buffer.sample_transition_batch(8)
    buffer.sample_trajectory_batch(8, 3)
    assert np.random.random() == expected


@pytest.mark.parametrize("name", ["runner", "chooser"])
def test_batch_fields(name, library):
    dataset = library.datasets[name]
    buffer = dataset.replay_buffer()
    batch = buffer.sample_transition_batch(7)
    assert isinstance(batch, TransitionMiniBatch) and len(batch) == 7
    d = dataset.observations.shape[1] + dataset.context_space.size
    shapes = {"observations": (7, d), "next_observations": (7, d), "actions": (7, 1), "next_actions": (7, 1)}
    for field in FIELDS:
        value = getattr(batch, field)
        assert value.dtype == np.float32 and value.shape == shapes.get(field, (7, 1)), field
    assert batch.contexts.dtype == np.float32 and batch.context_ids.dtype == np.int64
    assert (batch.intervals == 1).all() and len(batch.transitions) == 7


def test_a_batch_may_be_changed_without_changing_the_buffer(runner):
    buffer = runner.replay_buffer()
    before = all_of(buffer).observations.copy()
    batch = all_of(buffer)
    for field in FIELDS:
        getattr(batch, field)[:] = 99
    np.testing.assert_array_equal(all_of(buffer).observations, before)
    np.testing.assert_array_equal(runner.rewards.astype(np.float32), all_of(buffer).rewards[:, 0])


def test_context_mode_is_checked(runner):
    with pytest.raises(PolicyError, match='"append", "hidden", "anonymous" or "withheld"; found \'shown\''):
        runner.replay_buffer(context="shown")


def test_cse_without_derivatives_is_refused_when_the_buffer_is_made(datasets_path):
    dataset = offctx.collect("testing/Underived-v0", "test/x-v0", seed=0, gradients=False, progress=False)
    with pytest.raises(DerivativeError, match=r"CSE needs .*test/x-v0.*gradients=True"):
        dataset.replay_buffer(augmentation=CSE(0.1))


def test_cse_refuses_trajectories_and_online_steps(runner):
    buffer = runner.replay_buffer(augmentation=CSE(0.1))
    with pytest.raises(DerivativeError, match="single transitions, not trajectories"):
        buffer.sample_trajectory_batch(4, 3)
    with pytest.raises(DerivativeError, match="single transitions, not trajectories"):
        buffer.sample_trajectory(3)
    with pytest.raises(DerivativeError, match=r"CSE needs .*steps appended online"):
        buffer.append(np.zeros(5), np.zeros(1), 0.0)
    with pytest.raises(DerivativeError, match=r"CSE needs .*steps appended online"):
        buffer.append_episode(buffer.episodes[0])


def test_cse_changes_sampled_batches_and_only_those(runner):
    buffer = runner.replay_buffer(augmentation=CSE(0.1), seed=2)
    plain = runner.replay_buffer(seed=2)
    moved, base = buffer.sample_transition_batch(64), plain.sample_transition_batch(64)
    dc = moved.contexts - base.contexts
    assert (np.linalg.norm(dc, axis=1) > 0).all() and np.linalg.norm(dc, axis=1).max() <= 0.1 + 1e-6
    np.testing.assert_array_equal(moved.observations[:, :3], base.observations[:, :3])
    np.testing.assert_array_equal(moved.observations[:, 3:], moved.contexts)
    np.testing.assert_array_equal(moved.next_observations[:, 3:], moved.contexts)
    shift = np.einsum("bop,bp->bo", base.dnext_observation_dcontext, dc)
    np.testing.assert_allclose(moved.next_observations[:, :3], base.next_observations[:, :3] + shift, atol=1e-5)
    gain = np.einsum("bp,bp->b", base.dreward_dcontext, dc)
    np.testing.assert_allclose(moved.rewards[:, 0], base.rewards[:, 0] + gain, atol=1e-5)
    np.testing.assert_array_equal(moved.actions, base.actions)
    assert_batches_equal(all_of(buffer), all_of(plain))


def test_any_function_of_a_batch_augments(runner):
    def double(batch, rng):
        return dataclasses.replace(batch, rewards=batch.rewards * 2)

    found = runner.replay_buffer(augmentation=double, seed=1).sample_transition_batch(32)
    np.testing.assert_array_equal(found.rewards, 2 * runner.replay_buffer(seed=1).sample_transition_batch(32).rewards)
