"""The linear learners: against offctx.linear where observations are one-hot, and as d3rlpy's citizens."""

import dataclasses
from typing import Any

import d3rlpy
import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from onnx.reference import ReferenceEvaluator

import offctx
from offctx.algos import LinearPERMConfig, LinearPEVIConfig, LinearPPPOConfig
from offctx.algos.closed_form.data import EpisodeData
from offctx.data.dataset import ContextualDataset
from offctx.errors import LinearError
from offctx.linear import EllipticalUncertainty, LinearCMDP, Trajectories, perm, pevi, ppe, pppo

S, A, H = 3, 2, 3
QUIET = {"logger_adapter": d3rlpy.logging.NoopAdapterFactory(), "show_progress": False}
TABULAR = {"features": "observation", "reward_bounds": (0.0, 1.0), "beta": 0.2, "ridge": 0.7}
CONFIGS = (LinearPEVIConfig, LinearPERMConfig, LinearPPPOConfig)
STATES = np.eye(S, dtype=np.float32)


def as_dataset(data: Trajectories, lengths: np.ndarray | None = None) -> ContextualDataset:
    """One-hot observations of trajectories of equal length; or the first steps of each, (n, K) of them, then terminated."""
    n, K, steps = data.actions.shape
    lengths = np.full((n, K), steps) if lengths is None else lengths
    played = np.arange(steps) < lengths[..., None]
    last = np.arange(steps) == lengths[..., None] - 1
    ends = lengths.ravel().cumsum()
    contexts = np.broadcast_to(np.linspace(-1, 1, n)[:, None, None], played.shape)[played]
    return ContextualDataset(
        dataset_id="test/tabular-v0",
        context_space=offctx.ContextSpace(["c"], [-1.0], [1.0], [0.0]),
        observation_space=spaces.Box(0, 1, (S,), np.float32),
        action_space=spaces.Discrete(A),
        observations=STATES[data.states[:, :, :-1][played]],
        actions=data.actions[played],
        rewards=data.rewards.astype(np.float32)[played],
        next_observations=STATES[data.states[:, :, 1:][played]],
        terminations=(last & (lengths < steps)[..., None])[played],
        truncations=(last & (lengths == steps)[..., None])[played],
        contexts=contexts[:, None].copy(),
        context_ids=np.broadcast_to(np.arange(n)[:, None, None], played.shape)[played].copy(),
        episode_starts=ends - lengths.ravel(),
        episode_ends=ends,
    )


def instance(seed: int, n: int = 4, K: int = 20) -> tuple[LinearCMDP, Trajectories]:
    """A tabular CMDP and data of it, whose rewards float32 can hold."""
    rng = np.random.default_rng(seed)
    cmdp = LinearCMDP.random_tabular(n, S, A, H, rng)
    data = cmdp.sample(rng.dirichlet(np.ones(A), size=(n, H, S)), K, rng)
    return cmdp, data._replace(rewards=data.rewards.astype(np.float32).astype(np.float64))


def hidden(data: Trajectories, **options: Any) -> Any:
    return as_dataset(data, **options).replay_buffer(context="hidden")


def table(learner: Any) -> np.ndarray:
    """The policy (H, S, A)."""
    return np.stack([learner.predict_probabilities(STATES, step=h) for h in range(H)])


def values(learner: Any) -> np.ndarray:
    """Q (H, S, A), the mean over environments."""
    each = [[learner.predict_value(STATES, np.full(S, a), step=h) for a in range(A)] for h in range(H)]
    return np.asarray(each).transpose(0, 2, 1)


def initial(data: Trajectories) -> np.ndarray:
    """How often each environment's episodes start in each state (n, S)."""
    return np.stack([np.bincount(states, minlength=S) / len(states) for states in data.states[:, :, 0]])


# --- they reduce to offctx.linear -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_pevi_on_one_hot_observations_is_pevi(seed: int) -> None:
    cmdp, data = instance(seed)
    learner = LinearPEVIConfig(**TABULAR).create()
    ((_, metrics),) = learner.fit(hidden(data), **QUIET)
    expected = pevi(*data, cmdp.features, beta=0.2, ridge=0.7)
    np.testing.assert_allclose(values(learner), expected.q, atol=1e-12)
    assert (table(learner) == expected.policy).all()
    assert metrics["value"] == pytest.approx(expected.v[0] @ initial(data).mean(axis=0), abs=1e-12)
    for h in range(H):
        assert (learner.predict(STATES, step=h) == expected.actions[h]).all()
    assert (learner.predict(STATES) == expected.actions[0]).all()


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_pevi_on_given_features_is_pevi_with_a_copy_for_each_action(beta: float) -> None:
    """phi(x, a) = e_a (x) psi(x); with few data and little ridge the estimates leave their bounds, which differ by step."""
    _, data = instance(0, n=2, K=2)
    psi = np.random.default_rng(0).uniform(0.05, 0.7, size=(S, 2)).astype(np.float32)
    dataset = as_dataset(data)
    states, following = (rows.argmax(axis=1) for rows in (dataset.observations, dataset.next_observations))
    seen = dataclasses.replace(dataset, observations=psi[states], next_observations=psi[following])
    learner = LinearPEVIConfig(**TABULAR | {"beta": beta, "ridge": 1e-3}).create()
    learner.fit(seen.replay_buffer(context="hidden"), **QUIET)
    features = np.einsum("ab,sm->sabm", np.eye(A), psi).reshape(S, A, 2 * A)
    expected = pevi(*data, features, beta=beta, ridge=1e-3)
    clipped = [(expected.q[h] == bound).sum() for h in (1, 2) for bound in (0, H - h)]
    assert clipped[0] and clipped[2] if beta else clipped[1] and clipped[3], "the clip must matter at later steps too"
    found = [[learner.predict_value(psi, np.full(S, a), step=h) for a in range(A)] for h in range(H)]
    np.testing.assert_allclose(np.asarray(found).transpose(0, 2, 1), expected.q, atol=1e-8)


@pytest.mark.parametrize("step_size", [None, 3.0])
@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("output", ["random", "last", "mixture"])
def test_pppo_on_one_hot_observations_is_pppo(output: Any, split: bool, step_size: float | None) -> None:
    cmdp, data = instance(3)
    learner = LinearPPPOConfig(**TABULAR, split=split, output=output, step_size=step_size, seed=5).create()
    ((_, metrics),) = learner.fit(hidden(data), **QUIET)
    expected = pppo(*data, cmdp.features, beta=0.2, ridge=0.7, seed=5, split=split, output=output, step_size=step_size)
    assert np.ptp(expected.policies, axis=0).max() > (0.02 if step_size is None else 0.3), "equal ones would hide which it is"
    np.testing.assert_allclose(table(learner), expected.policy, atol=1e-12)
    np.testing.assert_allclose(values(learner), expected.q.mean(axis=0), atol=1e-12)
    assert metrics["step_size"] == pytest.approx(expected.step_size)
    assert metrics["value"] == pytest.approx((expected.values * initial(data)).sum(axis=1).mean(), abs=1e-12)


def test_perm_is_judged_as_ppe_judges_and_reaches_perm() -> None:
    cmdp, data = instance(4)
    learner = LinearPERMConfig(**TABULAR).create()
    ((_, metrics),) = learner.fit(hidden(data), **QUIET)
    judged = ppe(*data, table(learner), cmdp.features, beta=0.2, ridge=0.7)
    assert metrics["value"] == pytest.approx((judged.v[:, 0] * initial(data)).sum(axis=1).mean(), abs=1e-12)
    np.testing.assert_allclose(values(learner), judged.q.mean(axis=0), atol=1e-12)
    best = perm(*data, cmdp.features, initial=initial(data), beta=0.2, ridge=0.7, seed=0)
    assert learner.trace[0, 0] < best.value - 0.05, "there must be something to gain over the uniform policy"
    assert best.value - 5e-3 <= metrics["value"] <= best.value + 1e-9
    assert learner.trace.shape == (101, 4) and learner.trace[-1].max() == metrics["value"]
    assert 0.25 <= metrics["agreement"] <= 1


def test_the_gradient_of_perm_is_that_of_ppe() -> None:
    """One step of Adam with a tiny rate moves theta by the sign of the slope, which finite differences of `ppe` give."""
    cmdp, data = instance(5)
    learner = LinearPERMConfig(**TABULAR, restarts=1, iterations=1, learning_rate=1e-4).create()
    learner.fit(hidden(data), **QUIET)

    def objective(logits: np.ndarray) -> float:
        p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        return float((ppe(*data, p, cmdp.features, beta=0.2, ridge=0.7).v[:, 0] * initial(data)).sum(axis=1).mean())

    slope = np.zeros((H, S, A))
    for at in np.ndindex(slope.shape):
        up, down = np.zeros_like(slope), np.zeros_like(slope)
        up[at], down[at] = 1e-4, -1e-4
        slope[at] = (objective(up) - objective(down)) / 2e-4
    theta = learner.impl.policy.theta.numpy()
    steep = np.abs(slope) > 1e-6
    assert steep.sum() >= H * S
    np.testing.assert_allclose(theta[steep], 1e-4 * np.sign(slope[steep]), rtol=1e-3)


def test_environments_of_unequal_size_weigh_the_same() -> None:
    """One environment has its episodes three times over: PERM's J is still the plain mean of what `ppe` says of each."""
    cmdp, data = instance(6, n=2)
    thrice = [np.concatenate([array[1]] * 3) for array in data]
    dataset = as_dataset(Trajectories(*(array[:1] for array in data)))
    more = as_dataset(Trajectories(*(array[None] for array in thrice)))
    columns = {
        name: np.concatenate([getattr(dataset, name), getattr(more, name)])
        for name in ("observations", "actions", "rewards", "next_observations", "terminations", "truncations", "contexts")
    }
    both = dataclasses.replace(
        dataset,
        **columns,
        context_ids=np.repeat([0, 1], [len(dataset), len(more)]),
        episode_starts=np.concatenate([dataset.episode_starts, more.episode_starts + len(dataset)]),
        episode_ends=np.concatenate([dataset.episode_ends, more.episode_ends + len(dataset)]),
    )
    learner = LinearPERMConfig(**TABULAR, iterations=20).create()
    ((_, metrics),) = learner.fit(both.replay_buffer(context="hidden"), **QUIET)
    options = {"policy": table(learner), "features": cmdp.features, "beta": 0.2, "ridge": 0.7}
    alone = [
        ppe(*(array[:1] for array in data), **options).v[0, 0] @ initial(data)[0],
        ppe(*(array[None] for array in thrice), **options).v[0, 0] @ initial(data)[1],
    ]
    assert abs(alone[0] - alone[1]) > 0.05, "equal values would hide the weights"
    assert metrics["value"] == pytest.approx(np.mean(alone), abs=1e-12)


def plain_pevi(data: Trajectories, lengths: np.ndarray, *, sweeps: int, pooled: bool) -> np.ndarray:
    """Q (H, S, A), or (S, A) of the last sweep where pooled, of merged episodes that terminate; beta 0.2, ridge 0.7."""
    v, qs = np.zeros(S), []
    for h in reversed(range(sweeps)):
        count, target = np.full((S, A), 0.7), np.zeros((S, A))
        for i, k, t in np.ndindex(*data.actions.shape):
            if t < lengths[i, k] and (pooled or t == h):
                x, a = data.states[i, k, t], data.actions[i, k, t]
                ended = t == lengths[i, k] - 1 and lengths[i, k] < H
                count[x, a] += 1
                target[x, a] += data.rewards[i, k, t] + (0 if ended else v[data.states[i, k, t + 1]])
        qs.append(np.clip(target / count - 0.2 / np.sqrt(count), 0, sweeps - h))
        v = qs[-1].max(axis=1)
    return qs[-1] if pooled else np.stack(qs[::-1])


def test_episodes_that_terminate_are_worth_nothing_afterwards() -> None:
    _, data = instance(7)
    lengths = np.random.default_rng(0).integers(1, H + 1, data.actions.shape[:2])
    learner = LinearPEVIConfig(**TABULAR).create()
    learner.fit(hidden(data, lengths=lengths), **QUIET)
    np.testing.assert_allclose(values(learner), plain_pevi(data, lengths, sweeps=H, pooled=False), atol=1e-12)


def test_stationary_pools_all_steps_and_sweeps_as_often_as_told() -> None:
    _, data = instance(8)
    lengths = np.random.default_rng(0).integers(1, H + 1, data.actions.shape[:2])
    learner = LinearPEVIConfig(**TABULAR, stationary=True, horizon=5).create()
    learner.fit(hidden(data, lengths=lengths), **QUIET)
    expected = plain_pevi(data, lengths, sweeps=5, pooled=True)
    np.testing.assert_allclose(values(learner), np.stack([expected] * H), atol=1e-12)
    assert (learner.predict(STATES, step=4) == expected.argmax(axis=1)).all()


@pytest.mark.parametrize("kind", [LinearPERMConfig, LinearPPPOConfig])
def test_stationary_policies_are_judged_with_one_policy_for_all_steps(kind: Any) -> None:
    """On data of one step's transitions at every step, the stationary evaluation is `ppe` of the same policy throughout."""
    cmdp, data = instance(9, K=12)
    states, actions, rewards = (array.reshape(4, -1, 1) for array in (data.states[:, :, :-1], data.actions, data.rewards))
    following = data.states[:, :, 1:].reshape(4, -1, 1)
    learner = kind(
        **TABULAR, stationary=True, **({"output": "last"} if kind is LinearPPPOConfig else {"iterations": 30})
    ).create()
    ((_, metrics),) = learner.fit(hidden(data), **QUIET)
    policy = table(learner)
    assert np.ptp(policy, axis=0).max() == 0 and np.ptp(policy) > 0.05
    # Pool: as many environments of one step, evaluated H times by hand.
    phi, v = cmdp.features, np.zeros((4, S))
    for h in range(H):
        q = np.empty((4, S, A))
        for i in range(4):
            seen = phi[states[i, :, 0], actions[i, :, 0]]
            factor = EllipticalUncertainty(0.2, 0.7).fit(seen)
            inverse = np.linalg.inv(seen.T @ seen + 0.7 * np.eye(S * A))
            w = inverse @ seen.T @ (rewards[i, :, 0] + v[i, following[i, :, 0]])
            q[i] = np.clip(phi @ w - factor.bonus(phi), 0, h + 1)
        judged = (q * policy[0]).sum(axis=-1)
        v = judged
    if kind is LinearPERMConfig:
        np.testing.assert_allclose(values(learner)[0], q.mean(axis=0), atol=1e-12)
        assert metrics["value"] == pytest.approx((v * initial(data)).sum(axis=1).mean(), abs=1e-12)
    else:  # its last environment was judged with the output policy; the others with those before
        np.testing.assert_allclose(learner.impl.policy.q(torch.from_numpy(STATES), 0)[-1].numpy(), q[-1], atol=1e-12)


def test_discount_bounds_and_scaled_rewards() -> None:
    """Rewards scaled by 2 with bounds scaled alike, and beta doubled: values double, the policy stays."""
    _, data = instance(10)
    buffer = hidden(data)
    plain = LinearPEVIConfig(**TABULAR, gamma=0.8).create()
    plain.fit(buffer, **QUIET)
    scaler = d3rlpy.preprocessing.MultiplyRewardScaler(2.0)
    doubled = LinearPEVIConfig(**TABULAR | {"beta": 0.4}, gamma=0.8, reward_scaler=scaler).create()
    doubled.fit(buffer, **QUIET)
    np.testing.assert_allclose(values(doubled), 2 * values(plain), atol=1e-12)
    undiscounted = LinearPEVIConfig(**TABULAR).create()
    undiscounted.fit(buffer, **QUIET)
    assert (values(undiscounted)[0] > values(plain)[0] + 0.01).any()
    eager = LinearPEVIConfig(**TABULAR | {"beta": 0.0, "ridge": 1e-6, "reward_bounds": None}).create()
    eager.fit(buffer, **QUIET)
    np.testing.assert_allclose(eager.impl.policy.bounds[:, 1].numpy(), data.rewards.max() * np.array([3, 2, 1]), rtol=1e-12)
    np.testing.assert_allclose(eager.impl.policy.bounds[:, 0].numpy(), data.rewards.min(), rtol=1e-12)


# --- as d3rlpy's citizens -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cart(tmp_path_factory: pytest.TempPathFactory) -> ContextualDataset:
    """CartGoal with 30 steps, three contexts, episodes of random actions that end early or not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(tmp_path_factory.mktemp("cart")))
        env = gymnasium.make("offctx/CartGoal-v0", max_episode_steps=30)
        contexts = env.unwrapped.context_space.sweep("goal", [-1.0, 0.0, 1.0])
        return offctx.collect(env, "test/cart-v0", contexts=contexts, episodes_per_context=6, seed=0, progress=False)


SMALL: dict[str, Any] = {"n_features": 8, "horizon": 10}


def small(kind: Any, **options: Any) -> Any:
    more = (
        {"iterations": 3, "restarts": 2} if kind is LinearPERMConfig else {"output": "last"} if kind is LinearPPPOConfig else {}
    )
    return kind(**SMALL | more | options)


@pytest.mark.parametrize("stationary", [False, True])
@pytest.mark.parametrize("kind", CONFIGS)
def test_saved_and_loaded_they_predict_the_same(kind: Any, stationary: bool, cart: Any, tmp_path: Any) -> None:
    config = small(kind, stationary=stationary, reward_bounds=(-5.0, 1.0), observation_scaler=scaler())
    before = dataclasses.replace(config)
    learner = config.create()
    learner.fit(cart.replay_buffer(context="hidden"), **QUIET)
    assert config == before and learner.config.fitted.horizon == 10, "the config that was given stays as it was"
    learner.save(str(tmp_path / "learner.d3"))
    loaded = d3rlpy.load_learnable(str(tmp_path / "learner.d3"))
    x = cart.observations[:50]
    assert dataclasses.replace(loaded.config, observation_scaler=None) == dataclasses.replace(
        learner.config, observation_scaler=None
    )
    for step in (None, 0, 7):
        assert (loaded.predict_probabilities(x, step) == learner.predict_probabilities(x, step)).all()
        assert (loaded.predict_value(x, cart.actions[:50], step) == learner.predict_value(x, cart.actions[:50], step)).all()
    assert np.ptp(learner.predict_value(x, cart.actions[:50])) > 1e-3
    learner.save_policy(str(tmp_path / "policy.pt"))
    script = torch.jit.load(str(tmp_path / "policy.pt"))
    assert (script(torch.tensor(x)).numpy() == learner.predict(x)).all()
    assert (learner.predict(x) == loaded.predict(x)).all(), "save_policy leaves a learner as it was"


@pytest.mark.parametrize("kind", CONFIGS)
def test_save_policy_as_onnx(kind: Any, cart: Any, tmp_path: Any) -> None:
    learner = small(kind, observation_scaler=scaler()).create()
    learner.fit(cart.replay_buffer(context="hidden"), **QUIET)
    path = str(tmp_path / "policy.onnx")
    learner.save_policy(path)
    (found,) = ReferenceEvaluator(path).run(None, {"input_0": cart.observations[:7].copy()})
    assert (found == learner.predict(cart.observations[:7])).all()


def scaler() -> Any:
    return d3rlpy.preprocessing.StandardObservationScaler()


@pytest.mark.parametrize("kind", CONFIGS)
def test_fit_as_d3rlpy_is_called(kind: Any, cart: Any, tmp_path: Any) -> None:
    """With its further arguments; evaluators, callbacks and logger each served once; and its file read back."""
    calls: list[Any] = []
    buffer = cart.replay_buffer(context="hidden")
    learner = small(kind).create(device=False)
    results = learner.fit(
        buffer,
        n_steps=1000,
        n_steps_per_epoch=10,
        experiment_name="linear",
        with_timestamp=False,
        logger_adapter=d3rlpy.logging.FileAdapterFactory(str(tmp_path)),
        show_progress=False,
        evaluators={
            "td": d3rlpy.metrics.TDErrorEvaluator(),
            "start": d3rlpy.metrics.InitialStateValueEstimationEvaluator(),
            "match": d3rlpy.metrics.DiscreteActionMatchEvaluator(),
            "zero_shot": offctx.ZeroShotEvaluator(
                gymnasium.make("offctx/CartGoal-v0", max_episode_steps=10),
                {"in": cart.unique_contexts},
                episodes=2,
                context="hidden",
            ),
            "counted": lambda algo, data: calls.append((algo, data)) or 0.0,
        },
        callback=lambda *found: calls.append(found),
        epoch_callback=lambda *found: calls.append(found),
    )
    assert calls == [(learner, 1, 1), (learner, 1, 1), (learner, buffer)]
    ((epoch, metrics),) = results
    assert epoch == 1 and {"value", "time_step", "td", "start", "match", "zero_shot"} <= set(metrics)
    assert all(np.isfinite(list(metrics.values())))
    assert {"params.json", "model_1.d3", "value.csv"} <= {path.name for path in (tmp_path / "linear").iterdir()}
    again = d3rlpy.load_learnable(str(tmp_path / "linear" / "model_1.d3"))
    assert (again.predict(cart.observations) == learner.predict(cart.observations)).all()
    assert type(learner).from_json(str(tmp_path / "linear" / "params.json")).config == learner.config
    assert [epoch for epoch, _ in learner.fitter(buffer, n_steps=5, **QUIET)] == [1]
    assert learner.get_action_type() == d3rlpy.ActionSpace.DISCRETE
    copy = dataclasses.replace(learner.config).create()
    copy.create_impl(learner.observation_shape, learner.action_size)
    with pytest.raises(LinearError, match="has not been fitted"):
        copy.predict(cart.observations)
    copy.copy_policy_from(learner)
    assert (copy.predict_value(cart.observations, cart.actions) == learner.predict_value(cart.observations, cart.actions)).all()


def test_appended_contexts_are_seen(cart: Any) -> None:
    learner = small(LinearPERMConfig, iterations=20, observation_scaler=cart.replay_buffer().observation_scaler()).create()
    learner.fit(cart.replay_buffer(context="append"), **QUIET)
    p = cart.context_space.size
    assert learner.observation_shape == (4 + p,)
    x = np.concatenate([np.repeat(cart.observations[:1], 3, axis=0), cart.unique_contexts], axis=1).astype(np.float32)
    assert np.ptp(np.log(learner.predict_probabilities(x)), axis=0).max() > 0.1


@pytest.mark.parametrize("stationary", [False, True])
def test_by_step_counts_as_evaluate_plays(stationary: bool, cart: Any) -> None:
    learner = small(LinearPEVIConfig, stationary=stationary, horizon=30).create()
    learner.fit(cart.replay_buffer(context="hidden"), **QUIET)
    env = gymnasium.make("offctx/CartGoal-v0", max_episode_steps=30)
    asked: list[int] = []

    def by_hand(observations: Any, contexts: Any, rng: Any) -> Any:
        asked.append(len(observations))
        return learner.predict(observations, step=len(asked) - 1)

    options: dict[str, Any] = {"contexts": cart.unique_contexts, "episodes": 5, "seed": 0, "context": "hidden"}
    counted = offctx.evaluate(learner.by_step(), env, **options)
    np.testing.assert_array_equal(counted.returns["test"], offctx.evaluate(by_hand, env, **options).returns["test"])
    assert counted.policy == "LinearPEVI"
    plain = offctx.evaluate(learner, env, **options).returns["test"]
    assert (plain == counted.returns["test"]).all() == stationary
    if not stationary:
        late = learner.by_step()
        for _ in range(30):
            late.predict(cart.observations[:3])
        with pytest.raises(LinearError, match=r"step in 0\.\.29"):
            late.predict(cart.observations[:3])
    once = learner.by_step()
    once.predict(cart.observations[:2])
    with pytest.raises(LinearError, match="a by_step\\(\\) for each"):
        once.predict(cart.observations[:3])


def test_actions_are_drawn_as_the_policy_has_them(cart: Any) -> None:
    _, data = instance(3)
    learner = LinearPPPOConfig(**TABULAR, output="last").create()
    learner.fit(hidden(data), **QUIET)
    x = np.repeat(STATES[:1], 4000, axis=0)
    for h in (0, 2):
        p = learner.predict_probabilities(STATES[:1], step=h)[0, 1]
        assert 0.05 < p < 0.95
        d3rlpy.seed(0)
        assert learner.sample_action(x, step=h).mean() == pytest.approx(p, abs=0.03)
    drawn = [learner.by_step(seed=seed).predict(x) for seed in (1, 1, 2)]
    assert (drawn[0] == drawn[1]).all() and (drawn[0] != drawn[2]).any()
    assert drawn[0].mean() == pytest.approx(learner.predict_probabilities(STATES[:1])[0, 1], abs=0.03)


# --- bad input ------------------------------------------------------------------------------------------------------------


def altered(buffer: Any, name: str, value: float) -> Any:
    buffer.table[name][3] = value
    return buffer


def test_what_cannot_be_fitted_is_refused(cart: Any, runner: Any) -> None:
    _, data = instance(0)
    one = Trajectories(*(array[:1] for array in data))
    refused: list[tuple[Any, Any, str]] = [
        (LinearPEVIConfig(), runner.replay_buffer(context="hidden"), "for discrete actions"),
        (LinearPERMConfig(), altered(hidden(data), "context_ids", -1), "1 of 240 have none"),
        (LinearPPPOConfig(), altered(hidden(data), "context_ids", -1), "1 of 240 have none"),
        (LinearPERMConfig(), hidden(one), "at least 2 contexts; found 1"),
        (LinearPPPOConfig(), hidden(one), "at least 2 contexts; found 1"),
        (LinearPEVIConfig(), altered(hidden(data), "observations", np.nan), "finite observations; found nan or inf in 3"),
        (LinearPEVIConfig(), altered(hidden(data), "rewards", np.inf), "finite rewards"),
        (LinearPEVIConfig(horizon=4), hidden(data), "a horizon up to 3"),
        (LinearPEVIConfig(reward_bounds=(0.2, 1.0)), hidden(data), "within reward_bounds, 0.2 to 1"),
        (LinearPPPOConfig(split=True), hidden(instance(0, K=2)[1]), "at least 3 episodes in each environment; found 2"),
        (LinearPEVIConfig(features="observation"), cart.replay_buffer(), "norm at most 1"),
        (LinearPEVIConfig(), as_dataset(data).replay_buffer("hidden", augmentation=lambda batch, rng: batch), "samples none"),
        (LinearPEVIConfig(), d3rlpy.dataset.create_infinite_replay_buffer(hidden(data).episodes), "found ReplayBuffer"),
    ]
    for config, buffer, message in refused:
        with pytest.raises(offctx.OffctxError, match=message):
            config.create().fit(buffer, **QUIET)
    alone = LinearPERMConfig(min_contexts=1, iterations=1).create()
    alone.fit(hidden(one), **QUIET)
    LinearPEVIConfig().create().fit(altered(hidden(data), "context_ids", -1), **QUIET)  # merged data need no labels


@pytest.mark.parametrize(
    "wrong",
    [
        {"beta": -1.0}, {"ridge": 0.0}, {"gamma": 1.5}, {"horizon": 0}, {"reward_bounds": (1.0, 0.0)}, {"n_features": 7},
        {"features": "deep"}, {"bandwidth": 0.0}, {"restarts": 0}, {"learning_rate": 0.0}, {"seed": -1}, {"min_contexts": 0},
    ],
)  # fmt: skip
def test_configs_are_checked_when_made(wrong: Any) -> None:
    with pytest.raises(LinearError):
        LinearPERMConfig(**wrong)


def test_what_a_closed_form_cannot_do_says_why(cart: Any) -> None:
    for wrong in ({"output": "best"}, {"split": True, "stationary": True}, {"step_size": -1.0}):
        with pytest.raises(LinearError):
            LinearPPPOConfig(**wrong)
    learner = small(LinearPEVIConfig).create()
    buffer = cart.replay_buffer(context="hidden")
    for ask in (lambda: learner.predict(cart.observations), lambda: learner.build_with_dataset(buffer)):
        with pytest.raises(LinearError, match=r"fit\(buffer\)"):
            ask()
    learner.fit(buffer, **QUIET)
    with pytest.raises(LinearError, match="no gradient steps"):
        learner.update(buffer.sample_transition_batch(4))
    with pytest.raises(LinearError, match="no gradient steps"):
        learner.fit_online(gymnasium.make("offctx/CartGoal-v0"))
    with pytest.raises(LinearError, match=r"step in 0\.\.9"):
        learner.predict(cart.observations, step=10)
    with pytest.raises(LinearError, match=r"\(B, 4\)"):
        learner.predict(cart.observations[0])
    other = small(LinearPERMConfig).create()
    other.fit(buffer, **QUIET)
    with pytest.raises(LinearError, match="policy of a Greedy"):
        learner.copy_policy_from(other)


def test_steps_and_episodes_are_counted_as_the_buffer_has_them(cart: Any) -> None:
    data = EpisodeData.of(cart.replay_buffer(context="hidden"), merged=False)
    ends = zip(cart.episode_starts, cart.episode_ends, strict=True)
    assert data.steps.tolist() == [t for start, end in ends for t in range(end - start)]
    of_episode = np.repeat(np.arange(18), cart.episode_ends - cart.episode_starts)
    assert data.environments.tolist() == (of_episode // 6).tolist() and data.episodes.tolist() == (of_episode % 6).tolist()
    assert data.alive.tolist() == (1 - cart.terminations).tolist()


def test_files_that_name_the_whitening_as_before_are_read(cart: Any) -> None:
    learner, other = (small(LinearPEVIConfig).create() for _ in range(2))
    for one in (learner, other):
        one.fit(cart.replay_buffer(context="hidden"), **QUIET)
    state = {name.replace("fitted.whitening", "whitening"): tensor for name, tensor in learner.impl.policy.state_dict().items()}
    assert "whitening" in state
    with torch.no_grad():
        other.impl.policy.fitted.whitening.zero_()
    other.impl.policy.load_state_dict(state)
    x, actions = cart.observations[:9], cart.actions[:9]
    assert (other.predict_value(x, actions) == learner.predict_value(x, actions)).all()
