"""The choices of the paper's public code: each by itself does what it says, and nothing else."""

import json
from pathlib import Path
from typing import Any

import d3rlpy
import numpy as np
import pytest
import torch

from offctx.algos.context_inference.hypernetwork import Hypernetwork
from offctx.algos.dmash.learner import DMASH, DMASHConfig
from offctx.algos.dmash.paper import PAPER_CHOICES, PaperChoice, paper_choices
from offctx.data.dataset import ContextualDataset
from offctx.errors import AlgorithmError
from tests.algos.dmash.conftest import buffer_for, fit, fitted, small


def drawn(config: DMASHConfig, dataset: ContextualDataset, rows: int = 240) -> tuple[DMASH, Any]:
    """A learner with networks, and a batch that it would draw."""
    d3rlpy.seed(0)
    agent = config.create()
    buffer = buffer_for(config, dataset)
    agent.build_with_dataset(buffer)
    return agent, agent.with_windows(buffer).sample_transition_batch(rows)


def row_is_in_its_window(batch: Any) -> np.ndarray:
    """Whether the first row of each window (G,) stands in it."""
    history, first = batch.history, batch.history.first_rows()
    same = (history.next_observations == batch.next_observations[first][:, None]).all(axis=-1) & history.mask
    return np.asarray(same.any(axis=1))


def bare(paper: Any, name: str = "dma-star-sh", **settings: Any) -> DMASHConfig:
    return small(name, **{"rows_per_window": 1, "paper": paper, "width": 32, **settings})


def test_the_default_has_none_of_them_and_true_has_all(dataset: ContextualDataset) -> None:
    assert paper_choices(False) == frozenset()
    assert paper_choices(True) == frozenset(PAPER_CHOICES)
    assert not any(DMASHConfig().follows_paper(choice) for choice in PAPER_CHOICES)
    assert all(DMASHConfig(paper=True).follows_paper(choice) for choice in PAPER_CHOICES)
    assert DMASHConfig(paper=["raw-contexts"]).follows_paper("raw-contexts")
    for wrong in ("raw-contexts", ["raw"], 1, None):
        with pytest.raises(AlgorithmError, match="expected paper as True, False or a list"):
            DMASHConfig(paper=wrong)


def test_a_row_stands_in_a_fifth_of_the_windows_that_may_hold_it(dataset: ContextualDataset) -> None:
    _, batch = drawn(bare(False), dataset, 1200)
    assert not row_is_in_its_window(batch).any()
    _, batch = drawn(bare(["row-in-window", "full-windows"]), dataset, 1200)
    assert batch.history.mask.shape == (1200, 2)  # a fifth of the window of 10 is kept
    share = row_is_in_its_window(batch).mean()
    assert 0.15 < share < 0.27, share  # 1 of 5, and more where few transitions came before


def test_full_windows_are_full_wherever_enough_transitions_came_before(dataset: ContextualDataset) -> None:
    for paper, fewest in ((False, 0), (["full-windows"], 2)):
        _, batch = drawn(bare(paper), dataset, 1200)
        lengths = batch.history.lengths
        # Only rows at the very start of a context's data have fewer than the 2 of 10 that are kept.
        assert (np.quantile(lengths, 0.05) == fewest) and lengths.max() == 2
        assert not row_is_in_its_window(batch).any()


@pytest.mark.parametrize("name", ["dr", "concat", "dma-star-sh"])
def test_truncations_stop_bootstrapping(name: str, dataset: ContextualDataset) -> None:
    assert not dataset.terminations.any()
    _, batch = drawn(small(name), dataset, 1200)
    assert not batch.terminals.any()
    agent, batch = drawn(small(name, paper=["truncation-is-terminal"]), dataset, 1200)
    last = np.isin(batch.next_observations[:, :4], dataset.next_observations[dataset.truncations]).all(axis=1)
    assert last.any()
    assert (batch.terminals[:, 0] == last).all()
    assert torch.equal(agent.impl._rows(torch_batch(batch)).terminals, torch.from_numpy(last.astype(np.float32)))


def torch_batch(batch: Any) -> Any:
    from d3rlpy.torch_utility import TorchMiniBatch

    return TorchMiniBatch.from_batch(batch, 0.99, False, "cpu")


@pytest.mark.parametrize("name", ["concat", "da"])
def test_given_contexts_keep_their_units(name: str, dataset: ContextualDataset) -> None:
    told = torch.tensor([[0.0, 0.0, 0.0, 0.0, 1.5, -1.0]])
    raw, _ = drawn(small(name, paper=["raw-contexts"]), dataset, 24)
    scaled, _ = drawn(small(name), dataset, 24)
    assert torch.equal(raw.impl.split(told)[1], told[:, 4:])
    assert not torch.equal(scaled.impl.split(told)[1], told[:, 4:])


@pytest.mark.parametrize("name", ["da", "dma-star-sh"])
def test_adapters_do_not_start_as_the_identity(name: str, dataset: ContextualDataset) -> None:
    def change(paper: Any) -> tuple[float, float]:
        """How large `up` is at the start, and the share of the spread of generated weights that no context explains."""
        agent, _ = drawn(small(name, paper=paper), dataset, 24)
        backbone = agent.impl.backbone
        hypernetwork: Hypernetwork = backbone.policy.hypernetwork if name == "da" else agent.impl.inference.hypernetwork
        z = torch.rand(200, hypernetwork.trunk[0].weight.shape[1])
        down, _, up, _ = hypernetwork(z)
        return float(up.detach().abs().max()), float(down.detach().mean(dim=1).var() / down.detach().var())

    assert change(False)[0] == 0
    largest, independent = change(["plain-hypernetwork"])
    assert largest > 0.05
    assert independent > 0.6  # far more than half depends on no context, as in the public code


def test_transitions_are_read_as_they_are(dataset: ContextualDataset) -> None:
    for paper, scaled in ((False, True), (["raw-features"], False)):
        agent = fitted(small("dma-star-sh", paper=paper), dataset, 2)
        scale = agent.impl.inference.encoder.trunk.scale
        assert torch.equal(scale(torch.ones(10)), torch.ones(10)) != scaled


def test_a_gaussian_latent_is_normalised_and_others_are_not(dataset: ContextualDataset) -> None:
    agent, _ = drawn(small("dma-pearl", paper=["gaussian-layer-norm"]), dataset, 24)
    encoder = agent.impl.inference.encoder
    both = encoder.head.layer(torch.randn(50, encoder.trunk.size))  # mean and log_std, before the latter is clamped
    torch.testing.assert_close(both.mean(dim=-1), torch.zeros(50), rtol=0, atol=1e-5)
    torch.testing.assert_close(both.std(dim=-1, correction=0), torch.ones(50), rtol=0, atol=1e-2)
    for name, paper in (("dma-pearl", False), ("dma", True), ("dma-star-sh", True)):
        agent, _ = drawn(small(name, paper=paper), dataset, 24)
        assert not any(isinstance(part, torch.nn.LayerNorm) for part in agent.impl.inference.encoder.modules())


@pytest.mark.parametrize("choice", [[choice] for choice in PAPER_CHOICES] + [True])
@pytest.mark.parametrize("name", ["dr", "da", "dma-pearl", "dma-star-sh"])
def test_each_choice_trains_plays_and_is_saved(
    name: str, choice: bool | list[PaperChoice], dataset: ContextualDataset, tmp_path: Path
) -> None:
    config = small(name, paper=choice)
    agent = fitted(config, dataset, 3)
    agent.save(str(tmp_path / "agent.d3"))
    loaded: Any = d3rlpy.load_learnable(str(tmp_path / "agent.d3"))
    assert loaded.config.paper == choice
    observations = np.random.default_rng(0).normal(size=(5, 6 if config.context == "given" else 4)).astype(np.float32)
    np.testing.assert_array_equal(agent.predict(observations), loaded.predict(observations))
    json.dumps(loaded.config.paper)
    fit(loaded, buffer_for(config, dataset), 2)


def test_a_buffer_of_d3rlpy_tells_no_truncations(dataset: ContextualDataset) -> None:
    stock = d3rlpy.dataset.create_infinite_replay_buffer(episodes=list(dataset.replay_buffer(context="hidden").episodes))
    fit(small("dr").create(), stock, 2)
    with pytest.raises(AlgorithmError, match="paper needs truncations"):
        fit(small("dr", paper=True).create(), stock, 2)
