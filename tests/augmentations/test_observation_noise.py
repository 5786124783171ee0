"""Noise on observations: exact values from the generator, contexts untouched, and its place in lists and online buffers."""

from typing import Any

import gymnasium
import numpy as np
import pytest

import offctx
from offctx import CSE, ObservationNoise
from offctx.envs import LabelTransitions
from offctx.errors import DatasetError

KEPT = (
    "actions", "rewards", "next_actions", "terminals", "intervals", "contexts", "context_ids", "dnext_observation_dcontext",
    "dreward_dcontext",
)  # fmt: skip


def all_of(buffer: Any) -> Any:
    return buffer.batch(np.arange(buffer.transition_count))


@pytest.mark.parametrize("context", ["append", "hidden"])
@pytest.mark.parametrize("std", [0.1, [0.1, 0.0, 2.0]])
def test_exact_values_from_the_generator(std: Any, context: Any, runner: Any) -> None:
    batch = all_of(runner.replay_buffer(context=context))
    noisy = ObservationNoise(std)(batch, np.random.default_rng(3))
    noise = (np.random.default_rng(3).standard_normal((2, 60, 3)) * std).astype(np.float32)
    np.testing.assert_array_equal(noisy.observations[:, :3], batch.observations[:, :3] + noise[0])
    np.testing.assert_array_equal(noisy.next_observations[:, :3], batch.next_observations[:, :3] + noise[1])
    np.testing.assert_array_equal(noisy.observations[:, 3:], batch.observations[:, 3:])
    np.testing.assert_array_equal(noisy.next_observations[:, 3:], batch.next_observations[:, 3:])
    assert noisy.observations.shape[1] == (5 if context == "append" else 3) and noisy.observations.dtype == np.float32
    for name in KEPT:
        assert getattr(noisy, name) is getattr(batch, name), name
    np.testing.assert_array_equal(all_of(runner.replay_buffer(context=context)).observations, batch.observations)


@pytest.mark.parametrize("std", [0, [0.0, 0.0, 0.0]])
def test_zero_noise_is_the_very_same_batch_and_draws_nothing(std: Any, runner: Any) -> None:
    batch, rng = all_of(runner.replay_buffer()), np.random.default_rng(0)
    assert ObservationNoise(std)(batch, rng) is batch
    assert rng.random() == np.random.default_rng(0).random()


def test_the_noise_has_the_standard_deviation_that_is_given(runner: Any) -> None:
    batch = runner.replay_buffer().batch(np.zeros(40_000, dtype=int))
    noisy = ObservationNoise([0.5, 0.0, 3.0])(batch, np.random.default_rng(0))
    parts = [noisy.observations - batch.observations, noisy.next_observations - batch.next_observations]
    for part in parts:
        np.testing.assert_allclose(part[:, :3].std(axis=0), [0.5, 0, 3], rtol=0.02)
        assert (np.abs(part.mean(axis=0)) < [0.02, 1e-9, 0.1, 1e-9, 1e-9]).all()
    assert abs(np.corrcoef(parts[0][:, 0], parts[1][:, 0])[0, 1]) < 0.03, "the two are independent"


def test_after_cse_in_a_list_and_in_an_online_buffer(runner: Any) -> None:
    moved = runner.replay_buffer(seed=1, augmentation=CSE(0.1)).sample_transition_batch(16)
    both = runner.replay_buffer(seed=1, augmentation=[CSE(0.1), ObservationNoise(0.2)]).sample_transition_batch(16)
    np.testing.assert_array_equal(both.contexts, moved.contexts)
    np.testing.assert_array_equal(both.observations[:, 3:], moved.contexts)
    assert (both.observations[:, :3] != moved.observations[:, :3]).all()
    env = LabelTransitions(gymnasium.make("testing/Runner-v0"))
    buffer = offctx.online_buffer(env, 10, augmentation=ObservationNoise(0.2))
    observation, _ = env.reset(seed=0)
    _, reward, *_ = env.step(np.zeros(1, np.float32))
    buffer.append(observation, np.zeros(1, np.float32), float(reward))
    found = buffer.sample_transition_batch(4).observations - observation
    assert (found[:, :3] != 0).all() and not found[:, 3:].any()


@pytest.mark.parametrize("std", [-0.1, np.nan, [0.1, -1], [[0.1]], "much"])
def test_a_standard_deviation_that_means_nothing_is_refused(std: Any) -> None:
    with pytest.raises(DatasetError, match="ObservationNoise std must be"):
        ObservationNoise(std)


def test_a_standard_deviation_of_the_wrong_size_is_refused(runner: Any) -> None:
    buffer = runner.replay_buffer(augmentation=ObservationNoise([0.1, 0.2]))
    with pytest.raises(DatasetError, match="ObservationNoise std has 2 numbers; an observation has 3 coordinates"):
        buffer.sample_transition_batch(4)


def test_its_repr_says_the_noise() -> None:
    assert repr(ObservationNoise([0.1, 0])) == "ObservationNoise([0.1, 0.0])"
