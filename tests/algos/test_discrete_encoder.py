"""An encoder of discrete actions, and learners of discrete actions that are told its z."""

import dataclasses
from pathlib import Path
from typing import Any

import d3rlpy
import numpy as np
import pytest
import torch
from d3rlpy.logging import NoopAdapterFactory

import offctx
from offctx import InferredContext, InferredContextPolicy
from offctx.algos.context_inference.features import action_vectors
from offctx.algos.context_inference.objectives.names import ENCODER_LOSSES, EncoderLoss
from offctx.algos.dmash.encoder import TrainedEncoder
from offctx.algos.dmash.presets import dmash_preset
from offctx.data.dataset import ContextualDataset
from offctx.errors import AlgorithmError, DatasetError, PolicyError

ENV = "offctx/CartGoalInverted-v0"
CONTEXTS = np.array([[g, 0.1, 1, 0.5, 0, factor] for g in (8, 10) for factor in (1.0, -1.0)])
SMALL: dict[str, Any] = {"batch_size": 24, "rows_per_window": 3, "window": 10, "width": 16, "encoder": "set"}
QUIET: dict[str, Any] = {"n_steps_per_epoch": 4, "show_progress": False, "logger_adapter": NoopAdapterFactory()}


def collected(tmp_path_factory: pytest.TempPathFactory, env: str, contexts: np.ndarray) -> ContextualDataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(tmp_path_factory.mktemp("data")))
        options: dict[str, Any] = {"policy": "random", "gradients": False, "progress": False}
        return offctx.collect(env, "discrete/test/random-v0", contexts=contexts, episodes_per_context=4, seed=0, **options)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ContextualDataset:
    return collected(tmp_path_factory, ENV, CONTEXTS)


def trained(dataset: ContextualDataset, steps: int = 3, **settings: Any) -> TrainedEncoder:
    config = dmash_preset("dma-star", **{**SMALL, **settings})
    return offctx.train_encoder(dataset.replay_buffer(context="anonymous"), steps=steps, seed=0, config=config, progress=False)


def test_indices_become_unit_vectors_and_boxes_stay() -> None:
    indices = torch.tensor([[2.0], [0.0]])
    assert action_vectors(indices, 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert action_vectors(indices, 1) is indices


@pytest.mark.parametrize("loss", ENCODER_LOSSES)
def test_every_loss_trains_an_encoder_that_reads_which_action_was_played(loss: EncoderLoss, dataset: ContextualDataset) -> None:
    encoder = trained(dataset, encoder_loss=loss)
    assert (encoder.action_size, encoder.action_width) == (2, 1)
    window = dataset.replay_buffer(context="anonymous", history=encoder.history).sample_transition_batch(6).history
    z = encoder(window)
    window.actions[:] = 1 - window.actions
    assert np.abs(encoder(window) - z).max() > 1e-6


def test_dqn_trains_and_plays_with_it_also_from_files(dataset: ContextualDataset, tmp_path: Path) -> None:
    encoder = trained(dataset)
    encoder.save(tmp_path / "encoder.safetensors")
    agent = d3rlpy.algos.DQNConfig(batch_size=16).create()
    agent.fit(dataset.replay_buffer(context="anonymous", augmentation=InferredContext(encoder)), 4, **QUIET)
    reports = [
        offctx.evaluate(
            InferredContextPolicy(agent, of), ENV, CONTEXTS, episodes=1, seed=0, context="hidden", warmup=4, progress=False
        ).after(4)
        for of in (encoder, tmp_path / "encoder.safetensors")
    ]
    np.testing.assert_array_equal(reports[0].returns["test"], reports[1].returns["test"])


def test_the_memory_is_the_latent_of_the_window(dataset: ContextualDataset) -> None:
    encoder = trained(dataset)
    window = dataset.replay_buffer(context="anonymous", history=offctx.History(3)).sample_transition_batch(8).history
    memory = encoder.memory(8)
    for slot in range(3):
        rows = torch.from_numpy(window.mask[:, slot]).nonzero()[:, 0]
        columns = [getattr(window, name)[rows, slot] for name in ("observations", "actions", "rewards", "next_observations")]
        with torch.no_grad():
            memory.add(rows, encoder.features(columns[0], columns[1][:, 0], columns[2][:, 0], columns[3]))
    with torch.no_grad():
        np.testing.assert_allclose(memory.latents(torch.arange(8)).numpy(), encoder(window), rtol=1e-4, atol=1e-5)


def test_its_file_takes_indices(dataset: ContextualDataset, tmp_path: Path) -> None:
    encoder = trained(dataset)
    window = dataset.replay_buffer(context="anonymous", history=encoder.history).sample_transition_batch(6).history
    encoder.export(tmp_path / "encoder.pt")
    columns = [window.observations, window.actions, window.next_observations, window.mask]
    z = torch.jit.load(str(tmp_path / "encoder.pt"))(*map(torch.from_numpy, columns))
    np.testing.assert_allclose(z.numpy(), encoder(window), rtol=1e-4, atol=1e-5)


def test_actions_of_another_kind_are_refused(dataset: ContextualDataset, tmp_path_factory: pytest.TempPathFactory) -> None:
    buffer = dataset.replay_buffer(context="anonymous")
    with pytest.raises(AlgorithmError, match=r"acts in boxes.*train_encoder"):
        dmash_preset("dma-star-sh", backbone="td3bc").create().fit(buffer, 4, **QUIET)
    with pytest.raises(AlgorithmError, match=r"discrete_actions=True.*Discrete\(2\)|acts in boxes"):
        dmash_preset("dma-star").create().build_with_dataset(buffer)
    box = collected(tmp_path_factory, "offctx/PendulumGoal-v0", np.array([[2.0, 1, 1, 0], [3.0, 1, 1, 0]]))
    with pytest.raises(AlgorithmError, match="expected a buffer of discrete actions"):
        dmash_preset("dma-star", discrete_actions=True).create().build_with_dataset(box.replay_buffer(context="anonymous"))
    with pytest.raises(DatasetError, match=r"reads 4 observations and 2 discrete actions; .* has 3 and 1 actions"):
        box.replay_buffer(context="anonymous", augmentation=InferredContext(trained(dataset)))
    window = dataset.replay_buffer(context="anonymous", history=offctx.History(3)).sample_transition_batch(3).history
    with pytest.raises(PolicyError, match="actions of 1 numbers"):
        trained(dataset)(dataclasses.replace(window, actions=window.actions.repeat(2, axis=-1)))
