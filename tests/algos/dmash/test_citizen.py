"""Every preset as a citizen of d3rlpy: all that a user of d3rlpy calls works, or says in a sentence what to call instead."""

from pathlib import Path
from typing import Any

import d3rlpy
import gymnasium
import numpy as np
import pytest
from d3rlpy.logging import FileAdapterFactory, NoopAdapterFactory

import offctx
from offctx.algos.dmash.learner import DMASH
from offctx.algos.dmash.presets import PRESETS, dmash_preset
from offctx.cli.app import run
from offctx.data.dataset import ContextualDataset
from offctx.errors import AlgorithmError, DatasetError, PolicyError
from offctx.training.names import make_algorithm

ENV = "offctx/DoubleIntegrator-v0"
CONTEXTS = np.array([[0.5, 1], [1.5, 1], [0.5, -1], [1.5, -1]])
SMALL: dict[str, Any] = {"batch_size": 12, "window": 6, "width": 8, "bottleneck": 2, "latent_size": 4}
QUIET: dict[str, Any] = {"show_progress": False, "logger_adapter": NoopAdapterFactory()}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ContextualDataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(tmp_path_factory.mktemp("data")))
        options = {"contexts": CONTEXTS, "policy": "random", "episodes_per_context": 2, "gradients": False, "progress": False}
        return offctx.collect(ENV, "citizen/test/random-v0", seed=0, **options)


def settings(name: str, **changes: Any) -> dict[str, Any]:
    rows = {"rows_per_window": min(PRESETS[name].get("rows_per_window", 3), 3)}
    return {**SMALL, **rows, "backbone": "td3bc", **changes}


def short() -> Any:
    """The environment with episodes that are long enough for a warm-up."""
    return gymnasium.make(ENV, max_episode_steps=12)


def level(name: str) -> Any:
    return "append" if PRESETS[name].get("context") == "given" else "anonymous"


def trained(name: str, dataset: ContextualDataset, **changes: Any) -> DMASH:
    agent = dmash_preset(name, **settings(name, **changes)).create()
    agent.fit(dataset.replay_buffer(context=level(name)), 2, n_steps_per_epoch=2, **QUIET)
    return agent


@pytest.mark.parametrize("name", PRESETS)
def test_what_a_user_of_d3rlpy_calls(name: str, dataset: ContextualDataset, tmp_path: Path) -> None:
    buffer = dataset.replay_buffer(context=level(name))
    agent = make_algorithm(name.upper(), buffer, settings(name))
    mode = buffer.context
    evaluators = {
        "td_error": d3rlpy.metrics.TDErrorEvaluator(),
        "action_difference": d3rlpy.metrics.ContinuousActionDiffEvaluator(),
        "zero_shot": offctx.ZeroShotEvaluator(short(), CONTEXTS[:2], episodes=1, context=mode),
    }
    log = {"logger_adapter": FileAdapterFactory(str(tmp_path)), "experiment_name": "log", "with_timestamp": False}
    epochs = list(agent.fitter(buffer, 4, n_steps_per_epoch=2, show_progress=False, evaluators=evaluators, **log))
    assert len(epochs) == 2 and all(np.isfinite(list(metrics.values())).all() for _, metrics in epochs)
    assert (tmp_path / "log" / "critic_loss.csv").exists() and (tmp_path / "log" / "params.json").exists()
    observations = buffer.table["observations"][:5]
    actions = agent.predict(observations)
    assert actions.shape == agent.sample_action(observations).shape == (5, 2)
    assert agent.predict_value(observations, actions).shape == (5,)
    agent.save(str(tmp_path / "agent.d3"))
    for loaded in (d3rlpy.load_learnable(str(tmp_path / "agent.d3")), offctx.algos.load_agent(tmp_path / "agent.d3")):
        np.testing.assert_array_equal(loaded.predict(observations), actions)
        reports = [
            offctx.evaluate(each, short(), CONTEXTS[:2], episodes=1, seed=0, context=mode, warmup=4, progress=False).after(4)
            for each in (loaded, agent)
        ]
        np.testing.assert_array_equal(reports[0].returns["test"], reports[1].returns["test"])
    other = make_algorithm(name, buffer, settings(name))
    other.build_with_dataset(buffer)
    other.copy_policy_from(agent), other.copy_q_function_from(agent), other.copy_policy_optim_from(agent)
    other.copy_q_function_optim_from(agent), other.reset_optimizer_states()
    np.testing.assert_array_equal(other.predict(observations), actions)
    np.testing.assert_array_equal(other.predict_value(observations, actions), agent.predict_value(observations, actions))
    agent.save_model(str(tmp_path / "model.pt"))
    other.load_model(str(tmp_path / "model.pt"))
    np.testing.assert_array_equal(other.predict(observations), actions)


def test_networks_are_not_copied_between_a_learner_that_infers_and_one_that_does_not(dataset: ContextualDataset) -> None:
    with pytest.raises(ValueError, match="one of the two learners infers its context"):
        trained("dma-star", dataset, use="concat").copy_policy_from(trained("dr", dataset))


def test_actions_are_scaled_by_the_bounds_of_the_first_buffer_and_a_scaler_of_the_user_stays() -> None:
    env = "offctx/PendulumGoalInverted-v0"
    contexts = np.array([[2, 1, 1, 0, 1.0], [2, 1, 1, 0, -1.0]])
    agent = dmash_preset("dma-star-sh", **settings("dma-star-sh", backbone="sac")).create()
    options: dict[str, Any] = {"contexts": contexts, "seed": 0, "context": "hidden", "progress": False}
    offctx.train_online(agent, env, steps=40, random_steps=20, update_start_step=20, epochs=1, **options)
    assert agent.config.action_scaler.reverse_transform_numpy(np.array([[1.0], [-1.0]])).tolist() == [[2], [-2]]
    own = d3rlpy.preprocessing.MinMaxActionScaler([-4.0], [4.0])
    agent = dmash_preset("dma-star-sh", **settings("dma-star-sh", backbone="sac"), action_scaler=own).create()
    offctx.train_online(agent, env, steps=40, random_steps=20, update_start_step=20, epochs=1, **options)
    assert agent.config.action_scaler is own


@pytest.mark.parametrize(("name", "ending"), [("dr", ".onnx"), ("concat", ".onnx"), ("da", ".onnx"), ("da", ".pt")])
def test_policies_without_memory_are_exported(name: str, ending: str, dataset: ContextualDataset, tmp_path: Path) -> None:
    from tests.algos.dmash.test_export import run as run_file

    agent = trained(name, dataset)
    agent.save_policy(str(tmp_path / f"policy{ending}"))
    rows = np.random.default_rng(0).standard_normal((7, *agent.observation_shape)).astype(np.float32)
    for size in (7, 1):
        found = run_file(tmp_path / f"policy{ending}", {"input_0": rows[:size]})
        np.testing.assert_allclose(found, agent.predict(rows[:size]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["dr", "concat", "da"])
def test_d3rlpys_own_online_training(name: str) -> None:
    mode: Any = "append" if name != "dr" else "hidden"
    env = offctx.envs.LabelTransitions(gymnasium.make(ENV, max_episode_steps=20), context=mode)
    buffer = offctx.online_buffer(env, 1000)
    agent = dmash_preset(name, **settings(name, backbone="sac")).create()
    agent.fit_online(env, buffer, n_steps=40, n_steps_per_epoch=20, random_steps=10, **QUIET)
    assert buffer.transition_count == 40 and agent.impl.backbone.updates > 20
    assert agent.collect(env, offctx.online_buffer(env, 100), n_steps=5, show_progress=False).transition_count == 5


def test_what_needs_a_memory_says_what_to_call(dataset: ContextualDataset) -> None:
    env = offctx.envs.LabelTransitions(gymnasium.make(ENV), context="hidden")
    agent = dmash_preset("dma-star-sh", **settings("dma-star-sh")).create()
    with pytest.raises(AlgorithmError, match=r"use offctx\.train_online\(agent, env, context="):
        agent.fit_online(env, offctx.online_buffer(env), n_steps=10)
    with pytest.raises(AlgorithmError, match=r"use offctx\.collect\(env, id, policy=agent"):
        agent.collect(env)
    with pytest.raises(AlgorithmError, match="appends the context"):
        dmash_preset("da").create().fit_online(env, offctx.online_buffer(env), n_steps=10)
    given = trained("concat", dataset)
    with pytest.raises(PolicyError, match="was it trained with the other mode"):
        offctx.evaluate(given, ENV, CONTEXTS, episodes=1, seed=0, context="hidden")
    with pytest.raises(PolicyError, match="was it trained with the other mode"):
        offctx.evaluate(trained("dma-star", dataset), ENV, CONTEXTS, episodes=1, seed=0, context="append")


def test_batches_that_do_not_suit_a_learner_are_refused(dataset: ContextualDataset) -> None:
    agent = trained("dma-star-sh", dataset)
    without = dataset.replay_buffer(context="hidden").sample_transition_batch(12)
    with pytest.raises(AlgorithmError, match="expected a batch with history windows"):
        agent.update(without)
    with pytest.raises(DatasetError, match="multiple of 5 rows"):
        windows = offctx.History(6, "context", rows_per_window=5)
        agent.fit(dataset.replay_buffer(context="hidden", history=windows), 1, n_steps_per_epoch=1, **QUIET)
    longer = dataset.replay_buffer(context="hidden", augmentation=offctx.InferredContext(agent))
    with pytest.raises(AlgorithmError, match="InferredContext appends"):
        dmash_preset("dma-star", **settings("dma-star")).create().fit(longer, 1, n_steps_per_epoch=1, **QUIET)
    with pytest.raises(AlgorithmError, match="InferredContext is for data"):
        inferred, options = offctx.InferredContext(agent), {"context": "hidden", "progress": False}
        offctx.train_online("sac", ENV, contexts=CONTEXTS, steps=10, seed=0, augmentation=inferred, **options)
    d3rlpys = d3rlpy.dataset.create_infinite_replay_buffer(env=gymnasium.make("Pendulum-v1"))
    with pytest.raises(AlgorithmError, match="needs history windows"):
        dmash_preset("dma-star", **settings("dma-star")).create().fit(d3rlpys, 1, n_steps_per_epoch=1, **QUIET)


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_the_command_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    offctx.collect(ENV, "c/l/r-v0", contexts=CONTEXTS, policy="random", episodes_per_context=1, seed=0, progress=False)
    mode = "append" if level(name) == "append" else "hidden"
    given = [f"--set={key}={value}" for key, value in settings(name).items()]
    common = ["--algorithm", name, "--context", mode, "-q"]
    warm = ["--no-controls", "--warmup", "4"]
    commands = [
        ["train", "c/l/r-v0", *common, "--steps", "2", "--eval-env", ENV, "--epochs", "1", *given],
        ["train-online", ENV, *common, "--contexts", "3", "--steps", "90", "--eval-episodes", "1", "--epochs", "2", *given],
        ["evaluate", "offline=agent.d3", "online=run/agent.d3", "--env", ENV, "--episodes", "1", "-q", *warm],
    ]  # fmt: skip
    for command in commands:
        monkeypatch.setattr("sys.argv", ["offctx", *command])
        assert run() in (0, None), capsys.readouterr().err
