"""Actions resampled and transported by d3rlpy's own policies."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from offctx import CSE
from offctx.errors import PolicyError
from tests.augmentations.helpers import ID


def scaled(kind: str, **options: Any) -> Any:
    """One of d3rlpy's algorithms whose actions are scaled by 4 / 3 and observations standardised by known numbers."""
    import d3rlpy
    from d3rlpy.preprocessing import MinMaxActionScaler, StandardObservationScaler

    return getattr(d3rlpy.algos, f"{kind}Config")(
        action_scaler=MinMaxActionScaler(minimum=[-1.5, -1.5], maximum=[1.5, 1.5]),
        observation_scaler=StandardObservationScaler(mean=np.array([0.3, 0, 0, 0.1]), std=np.array([2.0, 1, 0.5, 0.5])),
        **options,
    ).create()


def distribution(algo: Any, observations: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """mu, tanh(mu) and sigma, worked out with the scaling written out (d3rlpy adds 1e-3 to a deviation)."""
    import torch

    standard = (observations - [0.3, 0, 0, 0.1]) / [2.001, 1.001, 0.501, 0.501]
    with torch.no_grad():
        out = algo.impl.policy(torch.tensor(standard, dtype=torch.float32))
    return out.mu.numpy(), out.squashed_mu.numpy(), None if out.logstd is None else out.logstd.exp().numpy()


@pytest.mark.parametrize("kind", ["SAC", "IQL", "AWAC", "TD3", "BC"])
def test_transported_by_d3rlpys_policies(datasets: Any, kind: str) -> None:
    algo = scaled(kind)
    cse = CSE(0.4, exact=ID, action="transported", policy=algo)
    buffer = datasets[True].replay_buffer(augmentation=cse)
    batch = buffer.batch(np.arange(len(datasets[True])))
    with pytest.raises(PolicyError, match=rf"CSE's policy {kind} has no networks yet: call its build_with_dataset"):
        cse(batch, np.random.default_rng(0))
    algo.build_with_dataset(buffer)
    moved = cse(batch, np.random.default_rng(0))
    mu1, mean1, std1 = distribution(algo, batch.observations)
    mu2, mean2, std2 = distribution(algo, moved.observations)
    ratio = 1.0 if std1 is None or std2 is None else std2 / std1
    inner = batch.actions / 1.5
    squashed = np.tanh(mu2 + (np.arctanh(inner) - mu1) * ratio)
    expected = squashed if kind == "SAC" else mean2 + (inner - mean1) * ratio
    np.testing.assert_allclose(moved.actions, np.clip(1.5 * expected, -1, 1), atol=1e-5)
    assert np.abs(moved.actions - batch.actions).max() > 1e-2, "the policy should differ between the contexts"


def test_sac_trains_on_what_it_transports_and_resamples(datasets: Any) -> None:
    import d3rlpy

    for action in ("resampled", "transported"):
        algo = d3rlpy.algos.SACConfig(batch_size=32).create()
        cse = CSE(0.3, env=ID, action=action, policy=algo)  # type: ignore[arg-type]
        buffer = datasets[True].replay_buffer(augmentation=cse)
        logger = d3rlpy.logging.NoopAdapterFactory()
        algo.fit(buffer, n_steps=3, n_steps_per_epoch=3, logger_adapter=logger, show_progress=False)
        batch = buffer.sample_transition_batch(64)
        assert np.isfinite(batch.rewards).all() and np.abs(batch.actions).max() <= 1
        assert algo.impl.policy.training is not None


def test_transport_moves_no_saturated_action_where_the_policy_is_the_same(datasets: Any) -> None:
    """tanh does not reach 1, and actions of the data may: with equal observations nothing may move."""
    import d3rlpy

    algo = d3rlpy.algos.SACConfig().create()
    cse = CSE(0.3, exact=ID, action="transported", policy=algo)
    buffer = datasets[True].replay_buffer(context="hidden", augmentation=cse)
    algo.build_with_dataset(buffer)
    batch = buffer.batch(np.arange(20))
    batch = dataclasses.replace(batch, actions=np.sign(batch.actions))
    np.testing.assert_allclose(cse(batch, np.random.default_rng(0)).actions, batch.actions, atol=1e-6)


def test_a_policy_of_another_kind_or_size_is_told(datasets: Any) -> None:
    import d3rlpy

    cse = CSE(0.3, exact=ID, action="transported", policy=d3rlpy.algos.BCQConfig().create())
    buffer = datasets[True].replay_buffer(augmentation=cse)
    cse.policy.build_with_dataset(buffer)
    with pytest.raises(PolicyError, match=r"can transport the actions of a diagonal Gaussian.*found BCQ"):
        cse(buffer.batch(np.arange(4)))
    small = CSE(0.3, exact=ID, action="transported", policy=d3rlpy.algos.SACConfig().create())
    small.policy.create_impl((2,), 2)
    with pytest.raises(PolicyError, match=r"CSE's policy takes inputs of shape \(2,\); the batch has \(4,\)"):
        small(buffer.batch(np.arange(4)))
    unfit = d3rlpy.algos.SACConfig(action_scaler=d3rlpy.preprocessing.MinMaxActionScaler()).create()
    unfit.build_with_dataset(buffer)
    with pytest.raises(PolicyError, match="the action_scaler of CSE's policy SAC is not fitted yet"):
        CSE(0.3, exact=ID, action="transported", policy=unfit)(buffer.batch(np.arange(4)))
