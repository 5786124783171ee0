"""The learner: every preset trains and plays, what is told reaches what it should, and a saved learner goes on as it was."""

import dataclasses
from pathlib import Path
from typing import Any

import d3rlpy
import numpy as np
import pytest
import torch

import offctx
from offctx.algos.context_inference.memory import MeanMemory, WindowMemory
from offctx.algos.dmash.learner import DMASH, DMASHConfig
from offctx.algos.dmash.presets import PRESETS, dmash_preset
from offctx.data.dataset import ContextualDataset
from offctx.envs.policies_with_memory import Transitions
from offctx.errors import AlgorithmError, PolicyError
from tests.algos.conftest import randomise_adapters
from tests.algos.dmash.conftest import CONTEXTS, ENV, buffer_for, fit, fitted, small


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_trains_and_plays(name: str, dataset: ContextualDataset) -> None:
    config = small(name, backbone="td3bc")
    agent = fitted(config, dataset)
    mode = "append" if config.context == "given" else "hidden"
    report = offctx.evaluate(agent, ENV, CONTEXTS[:2], episodes=2, seed=0, context=mode)
    assert np.isfinite(report.returns["test"]).all()
    observations = np.zeros((5, 4 + (2 if mode == "append" else 0)), np.float32)
    assert agent.predict(observations).shape == (5, 2)
    assert agent.predict_value(observations, np.zeros((5, 2), np.float32)).shape == (5,)


@pytest.mark.parametrize("backbone", ["sac", "td3bc", "iql"])
@pytest.mark.parametrize("name", ["dr", "concat", "da", "dma-star-sh"])
def test_a_loaded_learner_goes_on_as_the_saved_one(
    name: str, backbone: str, dataset: ContextualDataset, tmp_path: Path
) -> None:
    config = small(name, backbone=backbone)
    agent = fitted(config, dataset, steps=3)  # an odd number: the delayed policy is between two of its updates
    agent.save(str(tmp_path / "agent.d3"))
    loaded = d3rlpy.load_learnable(str(tmp_path / "agent.d3"))
    buffer = agent.with_windows(buffer_for(config, dataset))
    batches = [buffer.sample_transition_batch(24) for _ in range(25)]
    losses = []
    for learner in (agent, loaded):
        torch.manual_seed(1)
        losses.append([learner.update(batch) for batch in batches])
    assert losses[0] == losses[1]
    assert_same_weights(agent, loaded)


@pytest.mark.parametrize("encoder", ["lstm", "set"])
def test_a_loaded_learner_draws_windows_and_plays_with_its_memory_as_the_saved_one(
    encoder: str, dataset: ContextualDataset, tmp_path: Path
) -> None:
    config = small("dma-star-sh", encoder=encoder)
    agent = fitted(config, dataset, steps=5)
    agent.save(str(tmp_path / "agent.d3"))
    loaded: Any = d3rlpy.load_learnable(str(tmp_path / "agent.d3"))
    plays = []
    for learner in (agent, loaded):
        d3rlpy.seed(1)
        fit(learner, buffer_for(config, dataset), 25)  # draws windows of its own, from a buffer of the same seed
        policy, _ = played(learner, np.arange(3), 30, 3)
        plays.append(policy.act(np.arange(3), np.ones((3, 4), np.float32), np.random.default_rng(0)))
    assert_same_weights(agent, loaded)
    np.testing.assert_array_equal(*plays)


def assert_same_weights(one: Any, other: Any) -> None:
    """Weights and buffers of two learners."""
    for name in ("backbone", "inference"):
        first, second = getattr(one.impl, name), getattr(other.impl, name)
        assert (first is None) == (second is None)
        weights = {} if first is None else first.state_dict()
        for where, weight in weights.items():
            copied = second.state_dict()[where]
            assert torch.equal(weight, copied) if isinstance(weight, torch.Tensor) else weight == copied, where


def test_rewards_teach_policy_and_critics_but_not_the_encoder(dataset: ContextualDataset) -> None:
    """Encoder, hypernetwork and dynamics model learn from dynamics only: other rewards leave them as they are."""
    config = small("dma-star-sh")
    agents = []
    for shift in (0.0, 5.0):
        d3rlpy.seed(0)
        agent = config.create()
        buffer = buffer_for(config, dataset)
        agent.build_with_dataset(buffer)
        drawn = agent.with_windows(buffer)
        for _ in range(6):
            batch = drawn.sample_transition_batch(24)
            agent.update(dataclasses.replace(batch, rewards=batch.rewards + shift))
        agents.append(agent)
    one, other = (agent.impl.modules for agent in agents)
    for name, weight in one.inference.named_parameters():
        assert torch.equal(weight, dict(other.inference.named_parameters())[name]), name
    assert not torch.equal(one.backbone.critics.first.weight, other.backbone.critics.first.weight)


def test_policy_and_critics_use_the_generated_adapters(dataset: ContextualDataset) -> None:
    agent = fitted(small("dma-star-sh"), dataset)
    impl = agent.impl
    randomise_adapters(impl.inference.hypernetwork)
    observations = torch.randn(4, 4)
    first, second = (impl.inference.of_latent(torch.rand(1, 8)) for _ in range(2))
    for compute in (impl.backbone.mode, lambda x, told: impl.backbone.values(x, torch.zeros(4, 2), told)):
        assert (compute(observations, first) - compute(observations, second)).abs().max() > 1e-4


def test_a_given_context_is_scaled_by_its_bounds(dataset: ContextualDataset) -> None:
    agent = fitted(small("concat"), dataset)
    low, high = dataset.context_space.low, dataset.context_space.high
    rows = np.concatenate([np.zeros((3, 4)), np.stack([low, high, (low + high) / 2])], axis=1)
    observations, contexts = agent.impl.split(torch.tensor(rows, dtype=torch.float32))
    assert observations.shape == (3, 4)
    torch.testing.assert_close(contexts, torch.tensor([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0]]))


def played(agent: DMASH, rows: np.ndarray, count: int, size: int, seed: int = 0) -> tuple[Any, list[Transitions]]:
    rng = np.random.default_rng(seed)
    policy = agent.memory_policy()
    policy.begin(np.arange(size), np.zeros(size, bool), size)
    seen = []
    for _ in range(count):
        values = rng.standard_normal((size, 11)).astype(np.float32)
        ends = np.zeros(len(rows), bool)
        parts = (values[rows, :4], np.tanh(values[rows, 4:6]), values[rows, 6].astype(float), values[rows, 7:])
        policy.act(rows, parts[0], rng)
        transition = Transitions(rows, *parts, ends, ends)
        policy.observe(transition)
        seen.append(transition)
    return policy, seen


@pytest.mark.parametrize(("encoder", "kind"), [("set", MeanMemory), ("lstm", WindowMemory)])
@pytest.mark.parametrize("count", [0, 1, 7, 25])
def test_the_memory_is_the_encoders_latent_of_the_window(
    encoder: str, kind: type, count: int, dataset: ContextualDataset
) -> None:
    agent = fitted(small("dma-star-sh", encoder=encoder, keep=10), dataset)
    policy, seen = played(agent, np.arange(3), count, 3)
    assert isinstance(policy._running._memory, kind)
    window = seen if encoder == "set" else seen[-10:]  # the LSTM reads the last K = 10
    inference = agent.impl.inference.eval()
    features = torch.zeros(3, 1, 10)
    mask = torch.zeros(3, 1, dtype=torch.bool)
    if window:
        steps = [np.concatenate([t.observations, t.actions, t.next_observations - t.observations], axis=1) for t in window]
        features, mask = torch.tensor(np.stack(steps, axis=1)), torch.ones(3, len(window), dtype=torch.bool)
    with torch.no_grad():
        expected = inference.encoder.of_features(features, mask).z
        found = policy._running._memory.latents(torch.arange(3))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["dma-star-sh", "da", "dr"])
def test_many_rows_act_as_a_few_do(name: str, dataset: ContextualDataset) -> None:
    """Rows act in parts of 128: each row as if it were in a small batch."""
    agent, rng, n = fitted(small(name), dataset), np.random.default_rng(0), 300
    size = 6 if name == "da" else 4
    observations = rng.normal(size=(n, size)).astype(np.float32)
    policy, rows = agent.memory_policy(), np.arange(n)
    policy.begin(rows, np.zeros(n, bool), n)
    seen = (rng.normal(size=(n, size)), rng.uniform(-1, 1, (n, 2)), np.zeros(n), rng.normal(size=(n, size)))
    policy.observe(Transitions(rows, *seen, np.zeros(n, bool), np.zeros(n, bool)))
    together = policy.act(rows, observations, rng)
    apart = [policy.act(part, observations[part], rng) for part in np.split(rows, [1, 130, 290])]
    np.testing.assert_allclose(together, np.concatenate(apart), rtol=0, atol=1e-6)


def test_a_row_remembers_alone_and_forgets_in_another_context(dataset: ContextualDataset) -> None:
    agent = fitted(small("dma-star-sh", encoder="set"), dataset)
    together, _ = played(agent, np.arange(4), 6, 4)
    alone, _ = played(agent, np.array([2]), 6, 4)
    with torch.no_grad():
        of_row = [policy._running._memory.latents(torch.tensor([2])) for policy in (together, alone)]
        torch.testing.assert_close(*of_row, rtol=1e-5, atol=1e-6)
        cold = agent.impl.cold(1).z
        together.begin(np.array([1, 2]), np.array([False, True]), 4)
        torch.testing.assert_close(together._running._memory.latents(torch.tensor([1])), cold)
        torch.testing.assert_close(together._running._memory.latents(torch.tensor([2])), of_row[0])


@pytest.mark.parametrize("encoder", ["set", "lstm"])
def test_a_restored_memory_goes_on_as_the_one_that_was_kept(encoder: str, dataset: ContextualDataset) -> None:
    agent = fitted(small("dma-star-sh", encoder=encoder), dataset)
    randomise_adapters(agent.impl.inference.hypernetwork)
    policy, seen = played(agent, np.arange(3), 13, 3)
    restored = agent.memory_policy()
    restored.restore(policy.state())
    forgetful, _ = played(agent, np.arange(3), 0, 3)
    observations = np.ones((3, 4), np.float32)
    for _ in range(2):
        acted = [p.act(np.arange(3), observations, np.random.default_rng(0)) for p in (policy, restored, forgetful)]
        np.testing.assert_array_equal(acted[0], acted[1])
        assert not np.array_equal(acted[0], acted[2])
        for p in (policy, restored, forgetful):
            p.observe(seen[0])


def test_a_memory_of_another_learner_and_an_episode_that_has_not_begun_are_refused(dataset: ContextualDataset) -> None:
    rows = np.arange(2)
    configs = (small("dma"), small("dma", encoder="set"), small("dr"))
    lstm, by_set, blind = (fitted(config, dataset) for config in configs)
    policy = lstm.memory_policy()
    with pytest.raises(PolicyError, match="call begin"):
        policy.act(rows, dataset.observations[:2], np.random.default_rng(0))
    policy.begin(rows, np.zeros(2, bool), 2)
    for other in (by_set, blind):
        with pytest.raises(ValueError, match="memory"):
            other.memory_policy().restore(policy.state())


def test_contexts_are_compared_in_data_of_several_alone(dataset: ContextualDataset) -> None:
    alone = dataset.select(contexts=dataset.contexts[:1])
    for name in ("focal", "csro", "corro", "unicorn"):
        with pytest.raises(AlgorithmError, match="at least two contexts"):
            fitted(small(name, backbone="td3bc"), alone)


def test_observations_of_the_wrong_width_are_refused(dataset: ContextualDataset) -> None:
    with pytest.raises(AlgorithmError, match=r"shape \(N, 4\); found \(3, 5\)"):
        fitted(small("dma"), dataset).predict(np.zeros((3, 5), np.float32))


def test_it_trains_online_with_its_memory_and_the_same_seed_gives_the_same_weights() -> None:
    weights = []
    for _ in range(2):
        agent = small("dma-star-sh", encoder="set").create()
        offctx.train_online(
            agent, ENV, contexts=CONTEXTS, steps=440, random_steps=200, seed=0, context="hidden", progress=False, epochs=1
        )
        weights.append(agent.impl.inference.encoder.head.layers[0].weight.detach().clone())
        assert agent.impl.backbone.updates > 20
    assert torch.equal(*weights)


def test_wrong_buffers_and_settings_are_refused(dataset: ContextualDataset) -> None:
    with pytest.raises(AlgorithmError, match="hides the context"):
        small("dma-star-sh").create().build_with_dataset(dataset.replay_buffer(context="append"))
    with pytest.raises(AlgorithmError, match="appends the context"):
        small("concat").create().build_with_dataset(dataset.replay_buffer(context="hidden"))
    with pytest.raises(AlgorithmError, match="multiple of rows_per_window"):
        DMASHConfig(batch_size=100)
    for wrong in ({"use": "concat"}, {"use": "adapter"}, {"context": "given"}, {"context": "none"}):
        with pytest.raises(AlgorithmError, match="actor_gradient is for"):
            DMASHConfig(actor_gradient=True, **wrong)
    with pytest.raises(AlgorithmError, match="actor_gradient must be True or False"):
        DMASHConfig(actor_gradient="yes")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(AlgorithmError, match="csro_weight"):
        dmash_preset("csro", csro_weight=-1.0)
    with pytest.raises(AlgorithmError, match="dma-star-sh"):
        dmash_preset("dmash")
    with pytest.raises(AlgorithmError, match="no networks yet"):
        small("dma-star-sh").create().memory_policy()
    agent = small("focal", within="episode").create()
    with pytest.raises(AlgorithmError, match="whose context is unknown"):
        fit(agent, dataset.replay_buffer(context="withheld"), 2)


def test_settings_out_of_their_range_are_refused() -> None:
    wrong: list[dict[str, Any]] = [
        {"batch_size": 0}, {"batch_size": -240}, {"initial_temperature": 0.0}, {"initial_temperature": -1.0},
        {"actor_learning_rate": -1e-3}, {"inference_learning_rate": float("nan")}, {"latent_size": 6}, {"standardise": 3},
        {"encode_rewards": "yes"},
    ]  # fmt: skip
    for settings in wrong:
        with pytest.raises(AlgorithmError, match=next(iter(settings))):
            DMASHConfig(**settings)
    DMASHConfig(latent_size=6, head="linear")


def test_wrong_bounds_of_contexts_are_refused(dataset: ContextualDataset) -> None:
    for bounds in ([0.5, 1.5], [[1.5], [0.5]], [[1.0], [1.0]], [[0.5], [float("nan")]], [[0.5], [1.0], [2.0]]):
        with pytest.raises(AlgorithmError, match="context"):
            small("concat", context_bounds=bounds)
    with pytest.raises(AlgorithmError, match="bounds are those of contexts that are given"):
        small("dma-star", context_bounds=[[0.5], [1.5]])
    for bounds in ([[0.5], [1.5]], [[0.5, -1, 0], [1.5, 1, 1]]):
        with pytest.raises(AlgorithmError, match=r"of the 2 coordinates \['mass', 'action_factor'\]"):
            small("concat", context_bounds=bounds).create().build_with_dataset(dataset.replay_buffer())
    small("concat", context_bounds=[[0.5, -1], [1.5, 1]]).create().build_with_dataset(dataset.replay_buffer())


def test_windows_that_the_encoder_must_not_learn_from_are_refused(dataset: ContextualDataset) -> None:
    steps = d3rlpy.dataset.MultiStepTransitionPicker(n_steps=3, gamma=0.99)
    leaky = offctx.History(10, "context", rows_per_window=3, include_row=True)
    other = offctx.History(10, "episode", rows_per_window=3)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"transition_picker": steps}, "single transitions"),
        ({"history": leaky}, "leave include_row out"),
        ({"history": other}, 'history windows within="episode"'),
    ]
    for options, words in refused:
        with pytest.raises(AlgorithmError, match=words):
            fit(small("dma-star-sh").create(), dataset.replay_buffer(context="anonymous", **options), 1)
    with pytest.raises(AlgorithmError, match='set within="episode"'):
        fit(small("dma-star-sh").create(), dataset.replay_buffer(context="withheld"), 1)
    fit(small("dma-star-sh", within="episode").create(), dataset.replay_buffer(context="anonymous", history=other), 1)
    fit(small("dma-star-sh", paper=["row-in-window"]).create(), dataset.replay_buffer(context="anonymous", history=leaky), 1)
    fit(small("concat").create(), dataset.replay_buffer(transition_picker=steps), 1)  # learns no dynamics


def test_observations_that_are_no_vectors_are_refused() -> None:
    with pytest.raises(AlgorithmError, match=r"found shape \(3, 12, 12\)"):
        small("dr").create().create_impl((3, 12, 12), 2)


@pytest.mark.parametrize("backbone", ["sac", "iql", "td3bc"])
def test_an_exploring_policy_collects_episodes_that_do_not_depend_on_one_another(
    backbone: str, dataset: ContextualDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    agent = fitted(small("dma-star-sh", backbone=backbone, encoder="set"), dataset)
    whole, alone = (
        offctx.collect(
            ENV, f"dmash/rows{k}/x-v0", contexts=contexts, policy=agent.exploration_policy(), seed=0, context="hidden",
            gradients=False, progress=False,
        )
        for k, contexts in enumerate((CONTEXTS, CONTEXTS[:1]))
    )  # fmt: skip
    np.testing.assert_allclose(whole.actions[:100], alone.actions, rtol=1e-4, atol=1e-5)
    if backbone != "td3bc":
        mean = agent.memory_policy()
        modes = offctx.collect(
            ENV, "dmash/mode/x-v0", contexts=CONTEXTS, policy=mean, seed=0, context="hidden", gradients=False
        )
        assert np.abs(modes.actions - whole.actions).max() > 0.01
