"""CSE where transitions are random: the noise of the data is held fixed, to first order and exactly."""

import dataclasses
from typing import Any

import numpy as np
import pytest

import offctx
from offctx.errors import DatasetError, DerivativeError

ENV = "offctx/SimpleDirectionStochastic-v0"
AT = np.array([[0.0, 0.0], [0.25, -0.5]])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(tmp_path_factory.mktemp("datasets")))
        options: dict[str, Any] = {"contexts": AT, "episodes_per_context": 10, "seed": 0, "progress": False}
        offctx.collect(ENV, "offctx/test/stochastic-v0", **options)
        yield offctx.load_dataset("offctx/test/stochastic-v0")


def moved(dataset: Any, **options: Any) -> tuple[Any, Any]:
    """All transitions as they are, with noise, and as CSE moves them."""
    plain = dataset.replay_buffer(augmentation=offctx.CSE(0.5, exact=ENV)).batch(np.arange(len(dataset)))
    return plain, offctx.CSE(0.5, **options)(plain, np.random.default_rng(0))


def test_exact_outcomes_have_the_noise_of_the_data(dataset: Any) -> None:
    """s' = s + a + c + 0.1 z[:2], r = s' . c + 0.1 z[2], by hand."""
    plain, exact = moved(dataset, exact=ENV)
    assert plain.noise.std() == pytest.approx(1, abs=0.15)
    next_states = plain.states + plain.actions + exact.contexts + 0.1 * plain.noise[:, :2]
    np.testing.assert_allclose(exact.next_observations[:, :2], next_states, atol=1e-5)
    rewards = (next_states * exact.contexts).sum(axis=1) + 0.1 * plain.noise[:, 2]
    np.testing.assert_allclose(exact.rewards[:, 0], rewards, atol=1e-5)


def test_first_order_leaves_out_the_square_of_the_move_and_nothing_of_the_noise(dataset: Any) -> None:
    plain, exact = moved(dataset, exact=ENV)
    _, first = moved(dataset)
    dc = exact.contexts - plain.contexts
    np.testing.assert_array_equal(first.contexts, exact.contexts)
    np.testing.assert_allclose(first.next_observations, exact.next_observations, atol=1e-5)
    np.testing.assert_allclose(exact.rewards - first.rewards, (dc**2).sum(axis=1)[:, None], atol=1e-5)


def test_the_radius_is_measured_with_the_noise_of_the_data(dataset: Any) -> None:
    report = offctx.radius_report(dataset, ENV)
    np.testing.assert_allclose(report.observation_error, 0, atol=1e-6)  # linear in c: first order is exact


def test_data_without_noise_cannot_be_simulated_again(dataset: Any) -> None:
    without = dataclasses.replace(dataset, noise=None)
    with pytest.raises(
        DerivativeError, match=r"CSE needs noise, which .* does not have: collect it with offctx.collect, which"
    ):
        without.replay_buffer(augmentation=offctx.CSE(0.5, exact=ENV))
    with pytest.raises(DatasetError, match="the noise that drove its transitions"):
        offctx.radius_report(without, ENV)
    without.replay_buffer(augmentation=offctx.CSE(0.5)).sample_transition_batch(8)  # derivatives need none
