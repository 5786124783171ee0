"""d3rlpy's algorithms, scalers, evaluators and training loops on our buffer, as they are."""

import copy
import itertools
from typing import Any

import d3rlpy
import gymnasium
import numpy as np
import pytest
import torch
from d3rlpy import algos, metrics, preprocessing
from d3rlpy.dataset import TransitionMiniBatch
from d3rlpy.models import VectorEncoderFactory

from offctx import CSE
from offctx.envs import AppendContext
from offctx.errors import DatasetError, DerivativeError

STEPS = 12
TINY = VectorEncoderFactory([16])
CONTINUOUS = {
    "BC": algos.BCConfig(encoder_factory=TINY),
    "TD3PlusBC": algos.TD3PlusBCConfig(actor_encoder_factory=TINY, critic_encoder_factory=TINY),
    "IQL": algos.IQLConfig(actor_encoder_factory=TINY, critic_encoder_factory=TINY, value_encoder_factory=TINY),
    "CQL": algos.CQLConfig(actor_encoder_factory=TINY, critic_encoder_factory=TINY),
    "SAC": algos.SACConfig(actor_encoder_factory=TINY, critic_encoder_factory=TINY),
    "CalQL": algos.CalQLConfig(actor_encoder_factory=TINY, critic_encoder_factory=TINY),
    "AWAC": algos.AWACConfig(actor_encoder_factory=TINY, critic_encoder_factory=TINY),
}
DISCRETE = {"DiscreteCQL": algos.DiscreteCQLConfig(encoder_factory=TINY)}
ALL = CONTINUOUS | DISCRETE


def make(name: str, **changes: Any) -> Any:
    config = copy.deepcopy(ALL[name])
    config.batch_size = 16
    for key, value in changes.items():
        setattr(config, key, value)
    return config.create()


def weights(algorithm: Any) -> dict[str, np.ndarray]:
    found = {}
    for key, module in vars(algorithm.impl.modules).items():
        if isinstance(module, torch.nn.Module):
            found |= {f"{key}.{name}": value.detach().numpy().copy() for name, value in module.state_dict().items()}
    return found


def fit(algorithm: Any, buffer: Any, steps: int = STEPS, **options: Any) -> list[dict[str, float]]:
    """Train and check that every loss is finite and that the parameters have moved; the metrics of each epoch."""
    d3rlpy.seed(0)
    info = buffer.dataset_info
    if algorithm.impl is None:
        algorithm.create_impl(info.observation_signature.shape[0], info.action_size)
    before = weights(algorithm)
    found = algorithm.fit(
        buffer,
        n_steps=steps,
        n_steps_per_epoch=steps,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
        show_progress=False,
        **options,
    )
    after = weights(algorithm)
    moved = {key for key in after if not np.array_equal(after[key], before[key])}
    assert all(np.isfinite(value).all() for value in after.values())
    assert {"policy", "actor", "imitator", "q_funcs"} & {key.split(".")[0] for key in moved}, moved
    if found is None:  # d3rlpy's transformers return nothing
        return []
    losses = {key: value for key, value in found[-1][1].items() if not key.startswith("time_")}
    assert losses and np.isfinite(list(losses.values())).all(), losses
    return [epoch for _, epoch in found]


def data_for(name: str, library: Any) -> Any:
    return library.datasets["chooser" if name in DISCRETE else "pendulum"]


# --- every algorithm ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("context", ["append", "hidden"])
def test_fit(name, context, library):
    dataset = data_for(name, library)
    algorithm = make(name)
    fit(algorithm, dataset.replay_buffer(context=context))
    size = dataset.observations.shape[1] + (dataset.context_space.size if context == "append" else 0)
    assert algorithm.observation_shape == (size,)
    assert np.isfinite(algorithm.predict(np.zeros((3, size), np.float32))).all()


@pytest.mark.parametrize("name", ALL)
def test_fit_with_cse(name, library):
    calls = []

    class Counting(CSE):
        def __call__(self, batch, rng=None):
            calls.append(len(batch))
            return super().__call__(batch, rng)

    fit(make(name), data_for(name, library).replay_buffer(augmentation=Counting(0.1)))
    assert calls == [16] * STEPS


@pytest.mark.parametrize("name", ["TD3PlusBC", "DiscreteCQL"])
def test_cse_changes_what_is_learnt(name, library):
    dataset = data_for(name, library)
    found = []
    for augmentation in (None, CSE(0.2), None):
        algorithm = make(name)
        fit(algorithm, dataset.replay_buffer(augmentation=augmentation))
        found.append(weights(algorithm))
    differs = [any(not np.array_equal(found[0][key], other[key]) for key in other) for other in found[1:]]
    assert differs == [True, False]


def transformer() -> Any:
    config = algos.DecisionTransformerConfig(
        encoder_factory=TINY, batch_size=8, context_size=5, num_layers=1, max_timestep=100, learning_rate=3e-3
    )
    return config.create()


def test_decision_transformer(pendulum):
    algorithm = transformer()
    batches, losses = [], []
    update = algorithm.update

    def watch(batch):
        batches.append(batch)
        losses.append(update(batch)["loss"])
        return {"loss": losses[-1]}

    algorithm.update = watch
    fit_transformer(algorithm, pendulum.replay_buffer())
    assert len(losses) == STEPS and np.isfinite(losses).all()
    repeated = [update(batches[0])["loss"] for _ in range(30)]
    assert np.mean(repeated[-5:]) < 0.9 * losses[0]


def test_decision_transformer_with_scalers(pendulum):
    algorithm = transformer()
    algorithm.config.observation_scaler = preprocessing.StandardObservationScaler()
    algorithm.config.action_scaler = preprocessing.MinMaxActionScaler()
    algorithm.config.reward_scaler = preprocessing.StandardRewardScaler()
    fit_transformer(algorithm, pendulum.replay_buffer())
    buffer = pendulum.replay_buffer()
    np.testing.assert_allclose(
        algorithm.observation_scaler.mean, buffer.table["observations"].mean(axis=0), rtol=1e-3, atol=1e-3
    )


def fit_transformer(algorithm: Any, buffer: Any) -> None:
    d3rlpy.seed(0)
    info = buffer.dataset_info
    algorithm.create_impl(info.observation_signature.shape[0], info.action_size)
    before = weights(algorithm)
    algorithm.fit(
        buffer, n_steps=STEPS, n_steps_per_epoch=STEPS, show_progress=False,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
    )  # fmt: skip
    after = weights(algorithm)
    assert any(not np.array_equal(after[key], before[key]) for key in after)
    assert all(np.isfinite(value).all() for value in after.values())


def test_decision_transformer_refuses_cse(pendulum):
    with pytest.raises(DerivativeError, match=r"CSE.*trajector"):
        fit_transformer(transformer(), pendulum.replay_buffer(augmentation=CSE(0.1)))


# --- the same as on d3rlpy's own batches -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_our_batch_and_a_stock_batch_give_equal_losses_and_weights(name, library):
    buffer = data_for(name, library).replay_buffer(seed=2)
    ours = [buffer.sample_transition_batch(16) for _ in range(3)]
    stock = [TransitionMiniBatch.from_transitions(list(batch.transitions)) for batch in ours]
    assert type(ours[0]) is not TransitionMiniBatch and type(stock[0]) is TransitionMiniBatch
    found = []
    for batches in (ours, stock):
        d3rlpy.seed(1)
        algorithm = make(name)
        info = buffer.dataset_info
        algorithm.create_impl(info.observation_signature.shape[0], info.action_size)
        losses = [algorithm.update(batch) for batch in batches]
        found.append((losses, weights(algorithm)))
    assert found[0][0] == found[1][0]
    for key, value in found[0][1].items():
        np.testing.assert_array_equal(value, found[1][1][key], err_msg=key)


def test_calql_gets_returns_to_go_from_the_transitions(pendulum):
    """CalQL alone reads `rewards_to_go`: with zeros in their place its losses differ."""
    buffer = pendulum.replay_buffer(seed=2)
    batch = buffer.sample_transition_batch(16)
    torch_batch = d3rlpy.torch_utility.TorchMiniBatch.from_batch(batch, gamma=0.9, compute_returns_to_go=True, device="cpu:0")
    for i, row in enumerate(batch.transitions):
        rewards = row.rewards_to_go[:, 0]
        assert torch_batch.returns_to_go[i, 0].item() == pytest.approx(
            (rewards * 0.9 ** np.arange(len(rewards))).sum(), rel=1e-4
        )


# --- scalers -----------------------------------------------------------------------------------------------------------


def standard_statistics(scaler: Any) -> Any:
    return scaler.mean, scaler.std


def minmax_statistics(scaler: Any) -> Any:
    return scaler.minimum, scaler.maximum


@pytest.mark.parametrize("context", ["append", "hidden"])
@pytest.mark.parametrize("kind", ["Standard", "MinMax"])
def test_d3rlpys_scalers_are_fitted_on_every_transition(kind, context, pendulum):
    # "append" needs contexts that differ in every coordinate for MinMax, which divides by their spread
    observation = "Standard" if context == "append" else kind
    algorithm = make(
        "TD3PlusBC",
        observation_scaler=getattr(preprocessing, f"{observation}ObservationScaler")(),
        action_scaler=preprocessing.MinMaxActionScaler(),
        reward_scaler=getattr(preprocessing, f"{kind}RewardScaler")(),
    )
    buffer = pendulum.replay_buffer(context=context)
    fit(algorithm, buffer)
    table = buffer.table
    read = {
        "Standard": (standard_statistics, lambda x: (x.mean(axis=0), x.std(axis=0))),
        "MinMax": (minmax_statistics, lambda x: (x.min(axis=0), x.max(axis=0))),
    }
    for scaler, which, values in (
        (algorithm.observation_scaler, observation, table["observations"]),
        (algorithm.action_scaler, "MinMax", table["actions"]),
        (algorithm.reward_scaler, kind, table["rewards"][:, 0]),
    ):
        get, expect = read[which]
        for one, other in zip(get(scaler), expect(values.astype(np.float64)), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_our_observation_scaler_and_saving_with_it(pendulum, tmp_path):
    buffer = pendulum.replay_buffer()
    algorithm = make("IQL", observation_scaler=buffer.observation_scaler())
    fit(algorithm, buffer)
    algorithm.save(str(tmp_path / "agent.d3"))
    again = d3rlpy.load_learnable(str(tmp_path / "agent.d3"))
    seen = buffer.table["observations"][:20]
    np.testing.assert_array_equal(algorithm.predict(seen), again.predict(seen))
    np.testing.assert_allclose(again.observation_scaler.mean, buffer.observation_scaler().mean)
    unscaled = make("IQL", observation_scaler=None)
    fit(unscaled, pendulum.replay_buffer())
    assert not np.allclose(algorithm.predict(seen), unscaled.predict(seen))


def test_save_policy_runs_in_plain_torch(pendulum, tmp_path):
    buffer = pendulum.replay_buffer()
    algorithm = make("TD3PlusBC", observation_scaler=buffer.observation_scaler())
    fit(algorithm, buffer)
    algorithm.save_policy(str(tmp_path / "policy.pt"))
    policy = torch.jit.load(str(tmp_path / "policy.pt"))
    seen = buffer.table["observations"][:5].copy()
    np.testing.assert_allclose(policy(torch.as_tensor(seen)).numpy(), algorithm.predict(seen), atol=1e-6)


# --- evaluators --------------------------------------------------------------------------------------------------------

EVALUATORS = {
    "td": metrics.TDErrorEvaluator,
    "value": metrics.AverageValueEstimationEvaluator,
    "initial": metrics.InitialStateValueEstimationEvaluator,
    "advantage": metrics.DiscountedSumOfAdvantageEvaluator,
}


@pytest.mark.parametrize("name", ["TD3PlusBC", "DiscreteCQL"])
def test_evaluators_give_finite_numbers_during_fit(name, library):
    evaluators: dict[str, Any] = {key: kind() for key, kind in EVALUATORS.items()}
    env_id = "testing/Chooser-v0" if name in DISCRETE else "offctx/PendulumGoal-v0"
    env = AppendContext(gymnasium.make(env_id, max_episode_steps=8))
    evaluators["environment"] = metrics.EnvironmentEvaluator(env, n_trials=2)
    (epoch,) = fit(make(name), data_for(name, library).replay_buffer(), evaluators=evaluators)
    assert evaluators.keys() <= epoch.keys()
    assert epoch["td"] > 0 and epoch["environment"] < 0


def q(algorithm: Any, observations: Any, actions: Any) -> Any:
    return algorithm.predict_value(observations, actions).astype(np.float64)


@pytest.mark.parametrize(("name", "dataset"), [("TD3PlusBC", "runner"), ("TD3PlusBC", "pendulum"), ("DiscreteCQL", "chooser")])
def test_evaluators_equal_numpy_over_all_transitions(name, dataset, library):
    data = library.datasets[dataset]
    buffer = data.replay_buffer()
    algorithm = make(name)
    fit(algorithm, buffer)
    seen, after, rewards, done = (buffer.table[key] for key in ("observations", "next_observations", "rewards", "terminals"))
    actions = buffer.table["actions"]
    greedy = algorithm.predict(seen)
    target = rewards[:, 0] + algorithm.gamma * q(algorithm, after, algorithm.predict(after)) * (1 - done[:, 0])
    td = ((q(algorithm, seen, actions) - target) ** 2).mean()
    assert metrics.TDErrorEvaluator()(algorithm, buffer) == pytest.approx(td, rel=1e-4)
    value = q(algorithm, seen, greedy).mean()
    assert metrics.AverageValueEstimationEvaluator()(algorithm, buffer) == pytest.approx(value, rel=1e-4)
    first = data.episode_starts
    initial = q(algorithm, seen[first], greedy[first]).mean()
    assert metrics.InitialStateValueEstimationEvaluator()(algorithm, buffer) == pytest.approx(initial, rel=1e-4)
    advantages = q(algorithm, seen, actions) - q(algorithm, seen, greedy)
    sums = advantages.copy()
    for i in range(len(sums) - 2, -1, -1):
        if i + 1 not in first:
            sums[i] += algorithm.gamma * sums[i + 1]
    found = metrics.DiscountedSumOfAdvantageEvaluator()(algorithm, buffer)
    assert found == pytest.approx(sums.mean(), rel=1e-3, abs=1e-4)


def test_environment_evaluator_sees_the_environment_that_the_policy_was_trained_for(runner):
    algorithm = make("TD3PlusBC")
    fit(algorithm, runner.replay_buffer())
    env = AppendContext(gymnasium.make("testing/Runner-v0"))
    env.reset(seed=3)
    found = metrics.EnvironmentEvaluator(env, n_trials=1)(algorithm, runner.replay_buffer())
    env.reset(seed=3)
    observation, _ = env.reset()
    total, over = 0.0, False
    while not over:
        observation, reward, terminated, truncated, _ = env.step(algorithm.predict(observation[None])[0])
        total, over = total + reward, terminated or truncated
    assert found == pytest.approx(total, rel=1e-5)


# --- loops -------------------------------------------------------------------------------------------------------------


def test_fitter_yields_every_epoch(pendulum):
    algorithm = make("TD3PlusBC")
    seen = []
    for epoch, found in algorithm.fitter(
        pendulum.replay_buffer(), n_steps=9, n_steps_per_epoch=3, show_progress=False,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
    ):  # fmt: skip
        assert np.isfinite(found["critic_loss"])
        seen.append((epoch, weights(algorithm)))
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    for (_, before), (_, after) in itertools.pairwise(seen):
        assert any(not np.array_equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("name", ["SAC", "DiscreteCQL"])
def test_fit_online_appends_to_our_buffer_and_learns(name, library):
    env_id, dataset = {"SAC": ("testing/Runner-v0", "runner"), "DiscreteCQL": ("testing/Chooser-v0", "chooser")}[name]
    buffer = library.datasets[dataset].replay_buffer()
    before, episodes = buffer.transition_count, buffer.size()
    algorithm = make(name)
    d3rlpy.seed(0)
    env = AppendContext(gymnasium.make(env_id))
    algorithm.build_with_env(env)
    start = weights(algorithm)
    options = {} if name == "SAC" else {"explorer": algos.ConstantEpsilonGreedy(0.5)}
    algorithm.fit_online(
        env, buffer, n_steps=24, n_steps_per_epoch=12, show_progress=False,
        eval_env=AppendContext(gymnasium.make(env_id)), eval_n_trials=1,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(), **options,
    )  # fmt: skip
    after = weights(algorithm)
    assert any(not np.array_equal(start[key], after[key]) for key in after)
    assert all(np.isfinite(value).all() for value in after.values())
    added = buffer.batch(np.arange(before, buffer.transition_count))
    assert len(added) == 20 and buffer.size() - episodes == 4  # four truncated episodes of six steps
    default = library.datasets[dataset].context_space.default.astype(np.float32)
    np.testing.assert_array_equal(added.contexts, np.tile(default, (20, 1)))
    assert np.isfinite(added.rewards).all()


def test_fit_online_with_a_hidden_context_in_the_wrong_environment_says_so(runner):
    with pytest.raises(DatasetError, match="AppendContext"):
        make("SAC").fit_online(
            gymnasium.make("testing/Runner-v0"), runner.replay_buffer(), n_steps=3, show_progress=False,
            logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
        )  # fmt: skip


def test_collect_of_d3rlpy_fills_our_buffer(runner):
    buffer = runner.replay_buffer(context="hidden")
    algorithm = make("SAC")
    algorithm.collect(gymnasium.make("testing/Runner-v0"), buffer, n_steps=12, show_progress=False)
    assert buffer.transition_count == 60 + 10


def test_an_algorithm_of_the_other_action_kind_is_refused_by_d3rlpy(chooser):
    with pytest.raises(AssertionError, match=r"continuous|discrete|action-space"):
        fit(make("TD3PlusBC"), chooser.replay_buffer())
