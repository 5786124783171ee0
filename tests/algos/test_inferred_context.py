"""Stock algorithms of d3rlpy with a trained encoder: z in batches, in single transitions, and while a policy plays."""

import os
from pathlib import Path
from typing import Any

import d3rlpy
import numpy as np
import pytest
import torch
from d3rlpy.algos import CalQLConfig, IQLConfig, SACConfig, TD3PlusBCConfig
from d3rlpy.logging import NoopAdapterFactory
from d3rlpy.models import VectorEncoderFactory
from d3rlpy.preprocessing import StandardObservationScaler

import offctx
from offctx import History, InferredContext, InferredContextPolicy
from offctx.algos.dmash.encoder import TrainedEncoder
from offctx.algos.dmash.presets import dmash_preset
from offctx.data.dataset import ContextualDataset
from offctx.envs.policies_with_memory import Transitions
from offctx.errors import AlgorithmError, DatasetError, PolicyError

ENV = "offctx/DoubleIntegrator-v0"
CONTEXTS = np.array([[0.5, 1], [1.5, 1], [0.5, -1], [1.5, -1]])
SMALL: dict[str, Any] = {"batch_size": 24, "rows_per_window": 3, "window": 10, "width": 16, "encoder": "set"}
TINY = VectorEncoderFactory([8])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ContextualDataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(tmp_path_factory.mktemp("data")))
        options = {"contexts": CONTEXTS, "policy": "random", "episodes_per_context": 3, "gradients": False, "progress": False}
        return offctx.collect(ENV, "inferred/test/random-v0", seed=0, **options)


def trained(dataset: ContextualDataset, name: str = "dma-star", steps: int = 3, **settings: Any) -> TrainedEncoder:
    config = dmash_preset(name, **{**SMALL, **settings})
    return offctx.train_encoder(dataset.replay_buffer(context="anonymous"), steps=steps, seed=0, config=config, progress=False)


@pytest.fixture(scope="module")
def encoder(dataset: ContextualDataset) -> TrainedEncoder:
    return trained(dataset)


def agent_of(config: Any, **options: Any) -> Any:
    return config(batch_size=16, actor_encoder_factory=TINY, critic_encoder_factory=TINY, **options).create()


def fit(agent: Any, buffer: Any, **options: Any) -> Any:
    given = {"n_steps_per_epoch": 4, "show_progress": False, "logger_adapter": NoopAdapterFactory(), **options}
    return agent.fit(buffer, 4, **given)


def test_z_of_the_window_is_appended_and_nothing_else_changes(dataset: ContextualDataset, encoder: TrainedEncoder) -> None:
    plain, longer = (
        dataset.replay_buffer(context="anonymous", history=encoder.history, augmentation=augmentation, seed=3)
        for augmentation in (None, InferredContext(encoder))
    )
    for _ in range(2):
        one, other = plain.sample_transition_batch(40), longer.sample_transition_batch(40)
        z = encoder(one.history)
        assert z.shape == (40, 8) and np.ptp(z, axis=0).max() > 1e-4
        for name in ("observations", "next_observations"):
            np.testing.assert_array_equal(getattr(other, name), np.concatenate([getattr(one, name), z], axis=1))
        np.testing.assert_array_equal(one.rewards, other.rewards)
        np.testing.assert_array_equal(one.context_ids, other.context_ids)
        longer.sample_transition(), longer.transition_picker(longer.episodes[0], 3)  # draw nothing from the buffer's generator
        plain.sampler.draw(plain.table, 1, plain._rng)  # but for the row itself
    assert longer.dataset_info.observation_signature.shape == [(12,)] == [longer.sample_transition().observation.shape]
    shared = dataset.replay_buffer(
        context="hidden", history=History(5, rows_per_window=4), augmentation=InferredContext(encoder)
    )
    batch = shared.sample_transition_batch(16)
    np.testing.assert_array_equal(batch.observations[:, 4:], batch.history.per_row(encoder(batch.history)))


@pytest.mark.parametrize("config", [TD3PlusBCConfig, IQLConfig, SACConfig, CalQLConfig])
def test_stock_algorithms_train_and_play(
    config: Any, dataset: ContextualDataset, encoder: TrainedEncoder, tmp_path: Path
) -> None:
    buffer = dataset.replay_buffer(context="hidden", augmentation=InferredContext(encoder))
    agent = agent_of(config)
    score = offctx.ZeroShotEvaluator(
        ENV, CONTEXTS[:2], episodes=1, context="hidden", policy=lambda algo: InferredContextPolicy(algo, encoder), warmup=3
    )
    (epoch,) = fit(agent, buffer, evaluators={"td_error": d3rlpy.metrics.TDErrorEvaluator(), "zero_shot": score})
    assert np.isfinite([epoch[1]["td_error"], epoch[1]["zero_shot"]]).all() and agent.observation_shape == (12,)
    agent.save(str(tmp_path / "agent.d3"))
    encoder.save(tmp_path / "encoder.safetensors")
    policies = [
        InferredContextPolicy(agent, encoder),
        InferredContextPolicy(offctx.algos.load_agent(tmp_path / "agent.d3"), tmp_path / "encoder.safetensors"),
    ]
    reports = [
        offctx.evaluate(policy, ENV, CONTEXTS, episodes=2, seed=0, context="hidden", warmup=5, progress=False)
        for policy in policies
    ]
    np.testing.assert_array_equal(reports[0].returns["test"], reports[1].returns["test"])
    np.testing.assert_array_equal(reports[0].after(5).returns["test"], reports[1].after(5).returns["test"])


def test_a_scaler_is_fitted_to_the_longer_observations(dataset: ContextualDataset, encoder: TrainedEncoder) -> None:
    buffer = dataset.replay_buffer(context="anonymous", augmentation=InferredContext(encoder))
    agent = agent_of(TD3PlusBCConfig, observation_scaler=StandardObservationScaler())
    fit(agent, buffer)
    mean = np.asarray(agent.observation_scaler.mean)
    np.testing.assert_allclose(mean[:4], dataset.observations.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(mean[4:8].sum(), 1, atol=1e-4)  # of a SimNorm: each group of four sums to 1
    given = buffer.observation_scaler()
    assert np.asarray(given.mean).shape == (12,) and (np.asarray(given.std)[4:] == 1).all()
    fit(agent_of(IQLConfig, observation_scaler=given), buffer)


class Echo:
    """An agent that shows what it was given."""

    observation_shape = (12,)

    def predict(self, x: np.ndarray) -> np.ndarray:
        self.given = x
        return x[:, :2]


@pytest.mark.parametrize("kind", ["set", "lstm"])
def test_the_policy_appends_z_of_what_it_has_seen(kind: str, dataset: ContextualDataset) -> None:
    encoder = trained(dataset, encoder=kind, keep=10)
    agent, rng, rows = Echo(), np.random.default_rng(0), np.arange(3)
    policy = InferredContextPolicy(agent, encoder)
    policy.begin(rows, np.zeros(3, bool), 3)
    buffer = dataset.replay_buffer(context="hidden", history=History(6, "context", "random"))
    window = buffer.sample_transition_batch(3).history
    for slot in range(6):
        policy.act(rows, np.zeros((3, 4), np.float32), rng)
        columns = [getattr(window, name)[:, slot] for name in ("observations", "actions", "rewards", "next_observations")]
        policy.observe(
            Transitions(rows, columns[0], columns[1], columns[2][:, 0], columns[3], np.zeros(3, bool), np.zeros(3, bool))
        )
    policy.act(rows, np.ones((3, 4), np.float32), rng)
    np.testing.assert_allclose(agent.given, np.concatenate([np.ones((3, 4)), encoder(window)], axis=1), atol=1e-5)
    other = InferredContextPolicy(agent, encoder)
    other.restore(policy.state())
    known = agent.given
    other.act(rows, np.ones((3, 4), np.float32), rng)
    np.testing.assert_array_equal(agent.given, known)
    policy.begin(rows, np.array([True, False, True]), 3)
    policy.act(rows, np.ones((3, 4), np.float32), rng)
    assert (np.abs(agent.given - known).max(axis=1) > 1e-6).tolist() == [False, True, False]


def test_an_encoder_is_saved_and_loaded(dataset: ContextualDataset, tmp_path: Path) -> None:
    buffer = dataset.replay_buffer(context="anonymous")
    config = dmash_preset("dma-pearl", **SMALL, observation_scaler=StandardObservationScaler())
    encoder = offctx.train_encoder(buffer, steps=2, seed=0, config=config, progress=False)
    encoder.save(tmp_path / "encoder.safetensors")
    loaded = TrainedEncoder.load(tmp_path / "encoder.safetensors")
    window = dataset.replay_buffer(context="hidden", history=encoder.history).sample_transition_batch(20).history
    np.testing.assert_array_equal(loaded(window), encoder(window))
    assert repr(loaded) == repr(encoder) and loaded.history == encoder.history
    agent = dmash_preset("dma-star-sh", **SMALL).create()
    fit(agent, buffer)
    agent.save(str(tmp_path / "agent.d3"))
    np.testing.assert_array_equal(InferredContext(tmp_path / "agent.d3").encoder(window), agent.encoder(window))
    before = agent.encoder
    fit(agent, buffer)
    assert np.abs(before(window) - agent.encoder(window)).max() > 0  # a copy, which stays as it was
    (tmp_path / "other.safetensors").write_bytes(b"no such thing")
    os.mkfifo(tmp_path / "fifo.safetensors")
    for path, message in (
        ("fifo.safetensors", "not a regular file"),
        ("other.safetensors", "is not an encoder"),
        ("none.safetensors", "no encoder at"),
        ("none.d3", "no agent"),
    ):
        with pytest.raises(PolicyError, match=message):
            InferredContext(tmp_path / path)
    with pytest.raises(PolicyError, match=r"saved as \.safetensors"):
        encoder.save(tmp_path / "encoder.pt")


def test_an_encoder_alone_learns_to_tell_the_contexts_apart(dataset: ContextualDataset) -> None:
    """The sign of the actuator, from 10 random transitions."""
    losses: list[float] = []
    offered = dataset.replay_buffer(context="anonymous")
    config = dmash_preset(
        "dma-star", encoder="set", batch_size=48, rows_per_window=3, window=10, keep=10, masking=0.0, width=32,
        inference_learning_rate=3e-3,
    )  # fmt: skip
    encoder = offctx.train_encoder(
        offered, steps=400, seed=0, config=config, progress=False, callback=lambda _, all: losses.append(all["dynamics_loss"])
    )
    assert len(losses) == 400 and np.mean(losses[-50:]) < 0.5 * np.mean(losses[:50])
    batch = dataset.replay_buffer(context="hidden", history=History(10, "context", "random")).sample_transition_batch(400)
    z, sign = encoder(batch.history), batch.contexts[:, 1]
    means = np.stack([z[:200][sign[:200] == s].mean(axis=0) for s in (-1, 1)])
    nearest = np.array([-1, 1])[((z[200:, None] - means) ** 2).sum(axis=2).argmin(axis=1)]
    assert (nearest == sign[200:]).mean() > 0.9


def test_what_does_not_fit_is_refused(dataset: ContextualDataset, encoder: TrainedEncoder) -> None:
    inferred = InferredContext(encoder)
    with pytest.raises(DatasetError, match='this buffer appends the context itself: make it with context="anonymous"'):
        dataset.replay_buffer(augmentation=inferred)
    with pytest.raises(DatasetError, match="must be the last augmentation"):
        dataset.replay_buffer(context="hidden", augmentation=[inferred, offctx.ObservationNoise(0.1)])
    dataset.replay_buffer(context="hidden", augmentation=[offctx.ObservationNoise(0.1), inferred]).sample_transition_batch(8)
    with pytest.raises(DatasetError, match="give it a history"):
        dataset.replay_buffer(context="hidden", augmentation=inferred).with_history(None)
    with pytest.raises(DatasetError, match="withheld"):
        dataset.replay_buffer(context="withheld", augmentation=inferred)
    with pytest.raises(DatasetError, match="leave include_row out"):
        dataset.replay_buffer(context="hidden", augmentation=inferred, history=offctx.History(10, include_row=True))
    assert not trained(dataset, paper=["row-in-window"]).history.include_row
    within = trained(dataset, within="episode")
    dataset.replay_buffer(context="withheld", augmentation=InferredContext(within)).sample_transition_batch(8)
    torch.manual_seed(0)
    other = dmash_preset("dma-star", **SMALL).create()
    other.create_impl((3,), 1)
    with pytest.raises(DatasetError, match=r"reads 3 observations and 1 actions; .* has 4 and 2"):
        dataset.replay_buffer(context="hidden", augmentation=InferredContext(other))
    blind = agent_of(TD3PlusBCConfig)
    blind.create_impl((4,), 2)
    with pytest.raises(PolicyError, match=r"takes inputs of shape \(4,\); expected \(12,\)"):
        InferredContextPolicy(blind, encoder)
    with pytest.raises(PolicyError, match="no networks yet"):
        InferredContextPolicy(agent_of(TD3PlusBCConfig), encoder)
    for wrong, message in ((blind, "found TD3PlusBC"), (dmash_preset("dr").create(), "no networks yet")):
        with pytest.raises(AlgorithmError, match=message):
            InferredContext(wrong)
    buffer = dataset.replay_buffer(context="anonymous")
    for options, message in (
        ({"config": dmash_preset("concat")}, 'context="inferred"'), ({"steps": 0}, "steps"), ({"seed": -1}, "seed"),
    ):  # fmt: skip
        with pytest.raises(AlgorithmError, match=message):
            offctx.train_encoder(buffer, **{"steps": 1, "seed": 0, "progress": False, **options})
    with pytest.raises(AlgorithmError, match="expected a buffer"):
        offctx.train_encoder(dataset, steps=1, seed=0)
    with pytest.raises(AlgorithmError, match="hides the context"):
        offctx.train_encoder(dataset.replay_buffer(), steps=1, seed=0)
