"""PERM as a d3rlpy learner: what it reduces to, what reaches what, and all that d3rlpy's learners can do."""

import dataclasses
import json

import d3rlpy
import gymnasium
import numpy as np
import pytest
import torch
from d3rlpy import metrics, preprocessing
from d3rlpy.algos import DiscreteSACConfig, IQLConfig, TD3PlusBCConfig
from d3rlpy.dataset import create_infinite_replay_buffer
from d3rlpy.models import VectorEncoderFactory
from d3rlpy.models.torch import build_gaussian_distribution
from d3rlpy.optimizers import SGDFactory
from onnx.reference import ReferenceEvaluator

import offctx
from offctx.algos import (
    DiscretePERMConfig,
    EllipticalUncertaintyFactory,
    EnsembleUncertaintyFactory,
    PERMConfig,
    load_agent,
    train,
)
from offctx.envs import AppendContext, LabelTransitions, RandomContexts
from offctx.errors import AlgorithmError, LinearError, OffctxError

STEPS = 10
QUIET = {"show_progress": False, "logger_adapter": d3rlpy.logging.NoopAdapterFactory()}
FOURIER = EllipticalUncertaintyFactory(beta=0.3, size=8)
CRITIC = EllipticalUncertaintyFactory(beta=0.3, features="critic", interval=3)

VARIANTS = {
    "as it stands": {},
    "one group": {"groups": 1},
    "two groups": {"groups": 2},
    "random groups": {"groups": 2, "grouping": "random"},
    "unbalanced": {"balance": False},
    "deterministic": {"policy": "deterministic"},
    "expectile, gradient": {"extraction": "gradient"},
    "policy, awr": {"evaluation": "policy", "uncertainty": CRITIC},
    "policy, gradient": {"evaluation": "policy", "extraction": "gradient", "uncertainty": FOURIER},
    "policy, gradient, deterministic": {
        "evaluation": "policy",
        "extraction": "gradient",
        "policy": "deterministic",
        "uncertainty": EnsembleUncertaintyFactory(beta=0.5),
        "reward_bounds": (-100.0, 0.0),
    },
    "fourier": {"uncertainty": FOURIER, "n_critics": 1},
    "critic": {"uncertainty": CRITIC, "n_critics": 3},
    "ensemble": {"uncertainty": EnsembleUncertaintyFactory(beta=0.5), "n_critics": 3},
}
KINDS = {"continuous": PERMConfig, "discrete": DiscretePERMConfig}

ALIKE = ("two groups", "random groups", "unbalanced", "expectile, gradient", "critic")  # in what actions are
both_kinds = pytest.mark.parametrize("kind", KINDS)
every_variant = pytest.mark.parametrize(
    ("kind", "variant"), [(kind, name) for kind in KINDS for name in VARIANTS if kind == "continuous" or name not in ALIKE]
)


@pytest.fixture
def make(small):
    """A learner of a kind, with changes to the settings of small networks."""

    def build(kind="continuous", **changes):
        return KINDS[kind](**small | changes).create()

    return build


def fit(learner, buffer, steps=STEPS, seed=0, **options):
    return train(learner, buffer, steps=steps, seed=seed, progress=False, **options)


def same_policy_and_critics(learner, iql):
    """Give a PERM of one group the weights of a d3rlpy IQL."""
    own, theirs = learner.impl.modules, iql.impl.modules
    own.policy.load_state_dict(theirs.policy.state_dict())
    for k, critic in enumerate(theirs.q_funcs):
        for stack in (own.critics.online, own.critics.target):
            copy_weights(stack.network(0, k), critic.state_dict())
    copy_weights(own.values.network(0), theirs.value_func.state_dict())


def copy_weights(into, weights):
    assert into.keys() == weights.keys()
    for name, weight in weights.items():
        into[name].copy_(weight)


def of_group(stack, i):
    """The weights of one group in a stack, copied."""
    networks = [stack.network(i, k) for k in range(stack.members)]
    return {f"{k}.{name}": weight.clone() for k, network in enumerate(networks) for name, weight in network.items()}


# --- what it reduces to --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_critics", [1, 2])
@pytest.mark.parametrize("labelled", [True, False])
def test_one_context_is_d3rlpys_iql(labelled, n_critics, small, pendulum, episodes_of):
    """Losses to 1e-5 over 30 updates, and the policy that they lead to."""
    buffer = episodes_of(pendulum, [0, 1, 2]).replay_buffer(context="hidden")
    if not labelled:
        buffer = create_infinite_replay_buffer(list(buffer.episodes))
    settings = small | {"action_scaler": preprocessing.MinMaxActionScaler([-2.0], [2.0]), "n_critics": n_critics}
    settings |= {"expectile": 0.8, "weight_temp": 2.0, "max_weight": 20.0, "gamma": 0.95, "actor_learning_rate": 1e-3}
    d3rlpy.seed(0)
    iql, perm = IQLConfig(**settings).create(), PERMConfig(**settings, groups=1).create()
    for learner in (iql, perm):
        learner.build_with_dataset(buffer)
    same_policy_and_critics(perm, iql)
    for step in range(30):
        batch = buffer.sample_transition_batch(64)
        expected, found = iql.update(batch), perm.update(batch)
        assert found.keys() == expected.keys() == {"critic_loss", "q_loss", "v_loss", "actor_loss"}
        for name, loss in expected.items():
            assert found[name] == pytest.approx(loss, rel=1e-5), (step, name)
    seen = pendulum.replay_buffer(context="hidden").table["observations"]
    np.testing.assert_allclose(perm.predict(seen), iql.predict(seen), atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"evaluation": "policy", "policy": "deterministic", "actor_learning_rate": 0.0},
        {"uncertainty": EnsembleUncertaintyFactory(beta=0.5), "reward_bounds": (-20.0, 30.0)},
        {"uncertainty": CRITIC},
    ],
    ids=["expectile", "policy", "ensemble", "critic"],
)
def test_n_contexts_are_n_separate_learners(settings, make, runner, episodes_of):
    """The critics of three contexts, of which one has half the data of the others, and is drawn as it comes."""
    together = make(**settings)
    buffer = runner.replay_buffer(context="hidden", seed=1)
    together.build_with_dataset(buffer)
    apart = []
    for i in range(3):
        learner = make(**settings, groups=1)
        learner.build_with_dataset(episodes_of(runner, np.flatnonzero(runner.episode_context_ids == i)).replay_buffer("hidden"))
        own, all_of_them = learner.impl.modules, together.impl.modules
        own.policy.load_state_dict(all_of_them.policy.state_dict())
        pairs = [(own.critics.online, all_of_them.critics.online), (own.critics.target, all_of_them.critics.target)]
        pairs += [(own.values, all_of_them.values)] if own.values is not None else []
        for one, many in pairs:
            for k in range(many.members):
                copy_weights(one.network(0, k), many.network(i, k))
        apart.append(learner)
    before = of_group(together.impl.modules.critics.online, 0)
    for _ in range(12):
        index = buffer._rng.integers(60, size=24)
        ids = runner.context_ids[index]
        sizes = np.bincount(ids, minlength=3)
        assert sizes.min() > 0
        found = together.update(buffer.batch(index))
        losses = [learner.update(buffer.batch(index[ids == i]))["critic_loss"] for i, learner in enumerate(apart)]
        assert found["critic_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    for i, learner in enumerate(apart):
        own, all_of_them = learner.impl.modules, together.impl.modules
        for part in ("online", "target"):
            expected = of_group(getattr(own.critics, part), 0)
            for name, weight in of_group(getattr(all_of_them.critics, part), i).items():
                torch.testing.assert_close(weight, expected[name], atol=2e-6, rtol=1e-5)
    after = of_group(together.impl.modules.critics.online, 0)
    assert max((after[name] - before[name]).abs().max() for name in after) > 1e-3  # a hundred times the tolerance


@pytest.mark.parametrize("policy", ["stochastic", "deterministic"])
def test_losses_of_policy_evaluation_and_gradient(policy, make, runner):
    """Worked out from the networks' own values, for three contexts of unequal size and a pessimistic ensemble."""
    changes = {"evaluation": "policy", "extraction": "gradient", "uncertainty": EnsembleUncertaintyFactory(beta=0.5)}
    buffer = runner.replay_buffer(context="hidden")
    learner = fit(make(**changes, policy=policy, gamma=0.9, bc_weight=0.3, actor_learning_rate=0.0), buffer)
    modules = learner.impl.modules
    modules.membership.seen.zero_()
    batch, ids = buffer.batch(np.arange(60)), torch.from_numpy(runner.context_ids)
    x, a, r, after, done = (
        torch.from_numpy(getattr(batch, name).copy())
        for name in ("observations", "actions", "rewards", "next_observations", "terminals")
    )

    def act(observations):
        made = modules.policy(observations)
        return build_gaussian_distribution(made).sample() if policy == "stochastic" else made.squashed_mu

    def values(stack, observations, actions):
        """Of each row's own context (k, B)."""
        everywhere = stack(observations.expand(3, -1, -1), actions.expand(3, -1, -1))[0][..., 0]
        return everywhere[:, ids, torch.arange(60)]

    def pessimistic(members):
        return members.mean(dim=0) - 0.5 * members.std(dim=0)

    def mean_over_contexts(rows):
        return torch.stack([rows[ids == i].mean() for i in range(3)]).mean().item()

    with torch.no_grad():
        d3rlpy.seed(7)
        target = r[:, 0] + 0.9 * (1 - done[:, 0]) * pessimistic(values(modules.critics.target, after, act(after)))
        errors = (values(modules.critics.online, x, a) - target).square().sum(dim=0)
        chosen = act(x)
        d3rlpy.seed(7)
        with torch.enable_grad():
            found = learner.update(batch)
        assert found["q_loss"] == pytest.approx(mean_over_contexts(errors), rel=1e-5)
        gains = pessimistic(values(modules.critics.online, x, chosen))
        made = modules.policy(x)
        likely = build_gaussian_distribution(made).log_prob(a)[:, 0] if policy == "stochastic" else None
        imitation = -likely if policy == "stochastic" else (made.squashed_mu - a).square().sum(dim=1) / 2
        expected = mean_over_contexts(0.3 * imitation - gains / gains.abs().mean())
        assert found["actor_loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("policy", ["stochastic", "deterministic"])
def test_losses_of_policy_evaluation_and_awr(policy, make, chooser):
    """Advantages over what the policy itself is worth: exactly, of all three actions."""
    buffer = chooser.replay_buffer(context="hidden")
    learner = fit(make("discrete", evaluation="policy", policy=policy, weight_temp=2.0, actor_learning_rate=0.0), buffer)
    modules = learner.impl.modules
    modules.membership.seen.zero_()
    rows = np.flatnonzero((chooser.context_ids == 0) | (np.arange(len(chooser)) % 3 == 0))  # more of context 0
    batch, ids = buffer.batch(rows), torch.from_numpy(chooser.context_ids[rows])
    x, actions = torch.from_numpy(batch.observations.copy()), torch.from_numpy(batch.actions.copy()).long()
    with torch.no_grad():
        members = modules.critics.target(x.expand(2, -1, -1))[0]
        values = members[:, ids, torch.arange(len(rows))].amin(dim=0)
        logs = modules.policy(x).logits
        best = torch.nn.functional.one_hot(logs.argmax(dim=1), 3)
        worth = (values * (logs.exp() if policy == "stochastic" else best)).sum(dim=1)
        advantages = values.gather(1, actions)[:, 0] - worth
        losses = -(2 * advantages).exp().clamp(max=100) * logs.gather(1, actions)[:, 0]
    expected = torch.stack([losses[ids == i].mean() for i in range(2)]).mean().item()
    assert learner.update(batch)["actor_loss"] == pytest.approx(expected, rel=1e-4)
    assert np.ptp(advantages.numpy()) > 0.05


# --- what reaches what ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["as it stands", "policy, gradient", "critic", "ensemble"])
def test_rows_of_one_context_reach_its_own_critics_only(variant, make, runner, tmp_path):
    buffer = runner.replay_buffer(context="hidden", seed=1)
    first = make(**VARIANTS[variant])
    fit(first, buffer)
    first.save(str(tmp_path / "first.d3"))
    batch = buffer.sample_transition_batch(32)
    assert set(batch.context_ids) == {0, 1, 2}
    moved = np.where(batch.context_ids[:, None] == 1, batch.observations + 1, batch.observations)
    found = []
    for each in (batch, dataclasses.replace(batch, observations=moved)):
        learner = d3rlpy.load_learnable(str(tmp_path / "first.d3"))
        d3rlpy.seed(3)
        learner.update(each)
        modules = learner.impl.modules
        stacks = [modules.critics.online, modules.critics.target, *([] if modules.values is None else [modules.values])]
        by_group = [
            {f"{k}.{name}": weight for k, s in enumerate(stacks) for name, weight in of_group(s, i).items()} for i in range(3)
        ]
        if variant == "critic":
            for own, moments in zip(by_group, modules.critics.uncertainty.moments, strict=True):
                own["moments"] = moments
        found.append(by_group)
    for i in range(3):
        same = {name: torch.equal(weight, found[1][i][name]) for name, weight in found[0][i].items()}
        reached = [not same[name] for name in same if name.endswith("_fc.weight") or name == "moments"]
        assert all(reached) if i == 1 else all(same.values()), same


def test_a_context_without_rows_in_the_first_batch_is_not_moved(make, runner):
    learner = make()
    buffer = runner.replay_buffer(context="hidden")
    learner.build_with_dataset(buffer)
    before = [of_group(learner.impl.modules.critics.online, i) for i in range(3)]
    learner.update(buffer.batch(np.flatnonzero(runner.context_ids == 1)))
    for i in range(3):
        after = of_group(learner.impl.modules.critics.online, i)
        assert all(torch.equal(after[name], before[i][name]) for name in after) == (i != 1)
        assert all(torch.isfinite(weight).all() for weight in after.values())


@pytest.mark.parametrize("policy", ["stochastic", "deterministic"])
@both_kinds
def test_the_policy_climbs_the_unweighted_mean_over_contexts(kind, policy, make, data, tmp_path):
    """The actor's step on an unequal batch is the sum of the steps on each context's rows alone, a share of 1 / C each."""
    dataset = data(kind)
    buffer = dataset.replay_buffer(context="hidden")
    contexts = len(dataset.unique_contexts)
    sgd = {"actor_optim_factory": SGDFactory(), "actor_learning_rate": 1.0, "critic_learning_rate": 0.0}
    learner = make(kind, policy=policy, **sgd)
    learner.build_with_dataset(buffer)
    learner.save(str(tmp_path / "learner.d3"))

    def step(rows):
        learner = d3rlpy.load_learnable(str(tmp_path / "learner.d3"))
        before = [weight.detach().clone() for weight in learner.impl.policy.parameters()]
        learner.update(buffer.batch(rows))
        return [weight.detach() - old for weight, old in zip(learner.impl.policy.parameters(), before, strict=True)]

    rows = [np.flatnonzero(dataset.context_ids == i)[: 2 + 5 * i] for i in range(contexts)]
    together, alone = step(np.concatenate(rows)), [step(each) for each in rows]
    assert max(weight.abs().max() for weight in together) > 1e-3
    for k, weight in enumerate(together):
        torch.testing.assert_close(weight, sum(each[k] for each in alone), atol=1e-6, rtol=1e-4)
    share = step(np.repeat(rows[0], 3))  # as many rows as one likes: only their proportions count
    for one, other in zip(share, alone[0], strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("balance", [True, False])
def test_balance_draws_equally_from_each_context(balance, make, runner):
    learner, counts = make(balance=balance, batch_size=18), []
    update = learner.update

    def watch(batch):
        counts.append(np.bincount(batch.context_ids, minlength=3))
        return update(batch)

    learner.update = watch
    fit(learner, runner.replay_buffer(context="hidden"), steps=30)
    assert len(counts) == 30 and all((count == 6).all() for count in counts) == balance
    if not balance:
        assert abs(np.sum(counts, axis=0)[1] / (30 * 18) - 0.2) < 0.06  # as it comes: 12 of 60 transitions


@both_kinds
def test_pessimism_lowers_values(kind, make, data):
    found = []
    for beta in (0.0, 2.0):
        learner = make(kind, uncertainty=EllipticalUncertaintyFactory(beta=beta, size=8), critic_learning_rate=0.0)
        buffer = data(kind).replay_buffer(context="hidden")
        fit(learner, buffer, steps=1)
        found.append(learner.predict_value(buffer.table["observations"], data(kind).actions))
    assert (found[1] < found[0] - 0.1).all()


def test_values_keep_to_their_bounds(make, pendulum):
    buffer = pendulum.replay_buffer(context="hidden")
    learner = make(reward_bounds=(-30.0, 0.0), gamma=0.9, critic_learning_rate=0.1)
    fit(learner, buffer, steps=60)
    observations = 100 * buffer.table["observations"]
    found = learner.predict_value(observations, pendulum.actions)
    assert found.min() == pytest.approx(-300, rel=1e-5) or found.max() == 0
    assert found.min() > -300.001 and found.max() <= 0
    free = make(gamma=0.9, critic_learning_rate=0.1)
    fit(free, buffer, steps=60)
    outside = free.predict_value(observations, pendulum.actions)
    assert outside.min() < -301 or outside.max() > 1


# --- a d3rlpy learner ----------------------------------------------------------------------------------------------------


def check_outputs(learner, dataset, buffer):
    seen, actions = buffer.table["observations"], dataset.actions
    greedy, drawn = learner.predict(seen), learner.sample_action(seen)
    values = learner.predict_value(seen, actions)
    assert values.shape == (len(seen),) and np.isfinite(values).all() and np.ptp(values) > 0
    assert greedy.shape == drawn.shape == actions.shape
    if isinstance(dataset.action_space, gymnasium.spaces.Discrete):
        assert set(np.unique([greedy, drawn])) <= {0, 1, 2}
    else:
        assert np.isfinite(greedy).all() and np.abs([greedy, drawn]).max() <= 2
    repeated = np.array_equal(drawn, greedy)
    assert repeated == (learner.config.policy == "deterministic")
    one = learner.predict(seen[:1])
    np.testing.assert_allclose(one, greedy[:1], atol=1e-6)


@every_variant
def test_fit_predict_save_and_go_on(kind, variant, make, data, weights_of, assert_equal_weights, tmp_path):
    """A saved learner predicts the same, and holds the same weights after 20 further updates with the same batches."""
    dataset = data(kind)
    scaler = {"action_scaler": preprocessing.MinMaxActionScaler([-2.0], [2.0])} if kind == "continuous" else {}
    changes = dict(VARIANTS[variant])
    if kind == "discrete" and "reward_bounds" in changes:
        changes["reward_bounds"] = (-200.0, 0.0)
    learner = make(kind, **scaler, **changes)
    buffer = dataset.replay_buffer(context="hidden", seed=1)
    learner.build_with_dataset(buffer)
    before = weights_of(learner)
    epochs = []
    for epoch, losses in learner.fitter(buffer, n_steps=12, n_steps_per_epoch=4, **QUIET):
        epochs.append(epoch)
        assert {"critic_loss", "q_loss", "actor_loss"} <= losses.keys() and np.isfinite(list(losses.values())).all()
        assert ("v_loss" in losses) == (learner.config.evaluation == "expectile")
    assert epochs == [1, 2, 3] and learner.grad_step == 12
    after = weights_of(learner)
    for part in ("policy.", "critics.online.", "critics.target."):
        assert any(key.startswith(part) and not np.array_equal(value, before[key]) for key, value in after.items()), part
    check_outputs(learner, dataset, buffer)

    learner.save(str(tmp_path / "agent.d3"))
    loaded = [d3rlpy.load_learnable(str(tmp_path / "agent.d3")), load_agent(tmp_path / "agent.d3")]
    seen = buffer.table["observations"]
    for again in loaded:
        assert type(again) is type(learner) and again.config == learner.config
        np.testing.assert_array_equal(again.predict(seen), learner.predict(seen))
        np.testing.assert_array_equal(again.predict_value(seen, dataset.actions), learner.predict_value(seen, dataset.actions))
        assert_equal_weights(again, learner)
    batches = [buffer.sample_transition_batch(16) for _ in range(20)]
    for each in (learner, loaded[0]):
        d3rlpy.seed(5)
        for batch in batches:
            each.update(batch)
    assert_equal_weights(loaded[0], learner)
    assert any(not np.array_equal(value, after[key]) for key, value in weights_of(learner).items() if "policy" in key)
    fit(loaded[1], dataset.replay_buffer(context="hidden", seed=4), steps=2)  # it knows its contexts


@pytest.mark.parametrize("policy", ["stochastic", "deterministic"])
@both_kinds
def test_save_policy_runs_in_plain_torch(kind, policy, make, data, tmp_path):
    buffer = data(kind).replay_buffer(context="hidden")
    scalers = {"observation_scaler": preprocessing.StandardObservationScaler()}
    if kind == "continuous":
        scalers["action_scaler"] = preprocessing.MinMaxActionScaler([-2.0], [2.0])
    learner = make(kind, policy=policy, uncertainty=CRITIC, **scalers)
    fit(learner, buffer)
    learner.save_policy(str(tmp_path / "policy.pt"))
    seen = buffer.table["observations"].copy()
    found = torch.jit.load(str(tmp_path / "policy.pt"))(torch.as_tensor(seen)).numpy()
    np.testing.assert_allclose(found, learner.predict(seen), atol=1e-5)
    fit(learner, buffer)  # what it was saved from learns on
    assert not np.array_equal(found, learner.predict(seen)) or kind == "discrete"


@pytest.mark.parametrize("policy", ["stochastic", "deterministic"])
@both_kinds
def test_save_policy_as_onnx(kind, policy, make, data, tmp_path):
    buffer = data(kind).replay_buffer(context="hidden")
    learner = fit(make(kind, policy=policy), buffer)
    learner.save_policy(str(tmp_path / "policy.onnx"))
    exported, seen = ReferenceEvaluator(str(tmp_path / "policy.onnx")), buffer.table["observations"][:8]
    (found,) = exported.run(None, {"input_0": seen})
    np.testing.assert_allclose(found, learner.predict(seen), atol=1e-5)


def test_policies_and_optimisers_are_exchanged_with_iql(make, small, pendulum):
    buffer = pendulum.replay_buffer(context="hidden")
    iql, learner = IQLConfig(**small).create(), make()
    fit(iql, buffer)
    learner.build_with_dataset(buffer)
    seen = buffer.table["observations"]
    assert not np.allclose(learner.predict(seen), iql.predict(seen))
    learner.copy_policy_from(iql)
    learner.copy_policy_optim_from(iql)
    np.testing.assert_array_equal(learner.predict(seen), iql.predict(seen))
    fit(learner, buffer)
    assert not np.array_equal(learner.predict(seen), iql.predict(seen))  # a copy, which learns alone
    iql.copy_policy_from(learner)
    np.testing.assert_array_equal(learner.predict(seen), iql.predict(seen))
    other = make()
    other.build_with_dataset(buffer)
    other.copy_q_function_from(learner)
    other.copy_q_function_optim_from(learner)
    values = [each.predict_value(seen, pendulum.actions) for each in (learner, other)]
    np.testing.assert_array_equal(*values)


def test_deterministic_policies_are_exchanged_with_td3_plus_bc(make, small, pendulum):
    buffer = pendulum.replay_buffer(context="hidden")
    settings = {name: value for name, value in small.items() if not name.startswith("value")}
    td3, learner = TD3PlusBCConfig(**settings).create(), make(policy="deterministic")
    fit(td3, buffer)
    learner.build_with_dataset(buffer)
    learner.copy_policy_from(td3)
    seen = buffer.table["observations"]
    np.testing.assert_array_equal(learner.predict(seen), td3.predict(seen))
    with pytest.raises(ValueError, match="Invalid policy type"):
        make_and_build(make, buffer, policy="stochastic").copy_policy_from(td3)


def make_and_build(make, buffer, **changes):
    learner = make(**changes)
    learner.build_with_dataset(buffer)
    return learner


def test_discrete_policies_are_exchanged_with_sac(make, small, chooser):
    buffer = chooser.replay_buffer(context="hidden")
    settings = {name: value for name, value in small.items() if not name.startswith("value")}
    sac, learner = DiscreteSACConfig(**settings).create(), make("discrete")
    fit(sac, buffer)
    learner.build_with_dataset(buffer)
    learner.copy_policy_from(sac)
    seen = buffer.table["observations"]
    np.testing.assert_array_equal(learner.predict(seen), sac.predict(seen))


def test_scalers_are_fitted_and_used(make, pendulum, tmp_path):
    buffer = pendulum.replay_buffer(context="hidden")
    learner = make(
        observation_scaler=preprocessing.StandardObservationScaler(),
        action_scaler=preprocessing.MinMaxActionScaler(),
        reward_scaler=preprocessing.StandardRewardScaler(),
        uncertainty=FOURIER,
    )
    fit(learner, buffer)
    table = buffer.table
    np.testing.assert_allclose(learner.observation_scaler.mean, table["observations"].mean(axis=0), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(learner.action_scaler.maximum, table["actions"].max(axis=0), rtol=1e-3)
    assert learner.reward_scaler.mean == pytest.approx(table["rewards"].mean(), rel=1e-3)
    # the quantifier sees what the networks see: observations of mean 0 and deviation 1
    mean = learner.impl.modules.critics.uncertainty.features.mean
    assert mean.shape == (4,) and abs(mean[:3]).max() < 1e-2
    learner.save(str(tmp_path / "agent.d3"))
    again = d3rlpy.load_learnable(str(tmp_path / "agent.d3"))
    np.testing.assert_array_equal(again.predict(table["observations"]), learner.predict(table["observations"]))


def test_reward_bounds_are_those_before_scaling(make, pendulum):
    """With rewards divided by 10, values of bounds (-30, 0) lie in (-3, 0) / (1 - gamma)."""
    learner = make(reward_scaler=preprocessing.ConstantShiftRewardScaler(-1.0), reward_bounds=(-30.0, 0.0), gamma=0.5)
    learner.build_with_dataset(pendulum.replay_buffer())
    assert learner.impl.modules.critics.bounds == (-62.0, -1.0)
    scaler = preprocessing.MinMaxRewardScaler(minimum=-20.0, maximum=0.0, multiplier=2.0)
    learner = make(reward_scaler=scaler, reward_bounds=(-30.0, 0.0), gamma=0.5)
    learner.build_with_dataset(pendulum.replay_buffer())
    assert learner.impl.modules.critics.bounds == pytest.approx((-2.0, 4.0))


@pytest.mark.parametrize("variant", ["as it stands", "policy, gradient"])
@both_kinds
def test_evaluators_run_during_fit(kind, variant, make, data):
    evaluators = {
        "td": metrics.TDErrorEvaluator(),
        "value": metrics.AverageValueEstimationEvaluator(),
        "initial": metrics.InitialStateValueEstimationEvaluator(),
        "advantage": metrics.DiscountedSumOfAdvantageEvaluator(),
        "soft": metrics.SoftOPCEvaluator(-40.0),
        "difference": metrics.ContinuousActionDiffEvaluator()
        if kind == "continuous"
        else metrics.DiscreteActionMatchEvaluator(),
    }
    dataset = data(kind)
    name = {"continuous": "offctx/PendulumGoal-v0", "discrete": "testing/Chooser-v0"}[kind]
    evaluators["environment"] = metrics.EnvironmentEvaluator(gymnasium.make(name, max_episode_steps=5), n_trials=1)
    evaluators["zero shot"] = offctx.ZeroShotEvaluator(
        gymnasium.make(name, max_episode_steps=5), dataset.unique_contexts, episodes=1, context="hidden"
    )
    learner = make(kind, **VARIANTS[variant])
    buffer = dataset.replay_buffer(context="hidden")
    ((_, found),) = learner.fit(buffer, n_steps=3, n_steps_per_epoch=3, evaluators=evaluators, **QUIET)
    assert evaluators.keys() <= found.keys()
    assert found["td"] > 0 and found["environment"] < 0 and found["zero shot"] < 0
    initial = buffer.table["observations"][dataset.episode_starts]
    expected = learner.predict_value(initial, learner.predict(initial)).mean()
    assert found["initial"] == pytest.approx(expected, rel=1e-4)


def test_the_value_of_an_action_is_the_mean_over_contexts(make, pendulum):
    learner = make()
    buffer = pendulum.replay_buffer(context="hidden")
    fit(learner, buffer)
    seen, actions = torch.from_numpy(buffer.table["observations"].copy()), torch.from_numpy(buffer.table["actions"].copy())
    values, _ = learner.impl.modules.critics.online(seen.expand(4, -1, -1), actions.expand(4, -1, -1))
    expected = values[..., 0].amin(dim=0).mean(dim=0)
    np.testing.assert_allclose(
        learner.predict_value(buffer.table["observations"], pendulum.actions), expected.detach(), rtol=1e-4, atol=1e-6
    )


def test_the_file_logger_keeps_all_that_is_needed(make, pendulum, tmp_path):
    logger = d3rlpy.logging.FileAdapterFactory(root_dir=str(tmp_path))
    learner = make(uncertainty=CRITIC, groups=2)
    options = {"experiment_name": "run", "with_timestamp": False, "logger_adapter": logger}
    buffer = pendulum.replay_buffer(context="hidden")
    learner.fit(buffer, n_steps=4, n_steps_per_epoch=2, show_progress=False, **options)
    assert {"params.json", "model_4.d3", "critic_loss.csv", "actor_loss.csv"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
    params = json.loads((tmp_path / "run" / "params.json").read_text())
    assert params["config"]["params"]["contexts"]["groups"] == learner.config.contexts.groups
    again = type(learner).from_json(str(tmp_path / "run" / "params.json"))
    assert again.config == learner.config and again.impl is not None
    loaded = load_agent(tmp_path / "run" / "model_4.d3")
    np.testing.assert_array_equal(loaded.predict(buffer.table["observations"]), learner.predict(buffer.table["observations"]))


@pytest.mark.parametrize("variant", ["as it stands", "random groups", "policy, gradient"])
@both_kinds
def test_the_same_seed_gives_the_same_weights(kind, variant, make, data, assert_equal_weights, weights_of):
    found = []
    for seed in (3, 3, 4):
        torch.rand(3)  # what went before must not matter
        found.append(fit(make(kind, **VARIANTS[variant]), data(kind).replay_buffer(context="hidden", seed=1), seed=seed))
    assert_equal_weights(found[0], found[1])
    one, other = weights_of(found[0]), weights_of(found[2])
    assert not np.array_equal(one["policy._encoder._layers.0.weight"], other["policy._encoder._layers.0.weight"])


def test_one_config_makes_many_learners(small, pendulum, runner):
    """What a learner finds out about its data stays with it."""
    config = PERMConfig(**small)
    for dataset, contexts in ((pendulum, 4), (runner, 3)):
        learner = config.create()
        fit(learner, dataset.replay_buffer(context="hidden"), steps=2)
        assert learner.groups == contexts
    assert config.contexts is None


@pytest.mark.parametrize("context", ["hidden", "append"])
@both_kinds
def test_zero_shot_evaluation(kind, context, make, data):
    dataset = data(kind)
    learner = fit(make(kind), dataset.replay_buffer(context=context))
    assert learner.observation_shape == (dataset.observations.shape[1] + (context == "append") * dataset.context_space.size,)
    env = gymnasium.make("offctx/PendulumGoal-v0" if kind == "continuous" else "testing/Chooser-v0", max_episode_steps=6)
    report = offctx.evaluate(learner, env, dataset.unique_contexts, episodes=2, seed=0, context=context)
    assert report.returns["test"].shape == (len(dataset.unique_contexts), 2) and np.isfinite(report.returns["test"]).all()


# --- online --------------------------------------------------------------------------------------------------------------

RUNNER = [[0.5, 0.2], [2.0, -0.4], [0.9, 0.7]]


def runner_env(contexts, context="hidden"):
    return LabelTransitions(RandomContexts(gymnasium.make("testing/Runner-v0"), contexts, seed=0), context, gradients=False)


def online(learner, env, buffer, steps=40, **options):
    d3rlpy.seed(0)
    learner.fit_online(env, buffer, n_steps=steps, n_steps_per_epoch=steps, **QUIET, **options)
    return learner


@pytest.mark.parametrize("context", ["hidden", "append"])
@pytest.mark.parametrize("fitted", [True, False])
def test_online_after_offline(fitted, context, make, runner, weights_of):
    """A buffer of the dataset, connected to the environment, gives new steps the ids that their contexts have."""
    learner, buffer = make(uncertainty=CRITIC), runner.replay_buffer(context=context)
    if fitted:
        fit(learner, buffer)
        before = weights_of(learner)
    env = runner_env(RUNNER, context)
    buffer.connect(env)
    online(learner, env, buffer)
    assert buffer.transition_count == 100 and set(buffer.table["context_ids"][60:]) == {0, 1, 2}
    assert learner.groups == 3 and learner.grad_step == 40 + fitted * STEPS
    after = weights_of(learner)
    assert all(np.isfinite(value).all() for value in after.values())
    if fitted:
        assert any(not np.array_equal(value, before[key]) for key, value in after.items())


@pytest.mark.parametrize("groups", [1, 2])
def test_online_from_nothing(groups, make, weights_of):
    env = runner_env(RUNNER)
    learner = online(make(groups=groups, uncertainty=CRITIC), env, offctx.online_buffer(env))
    assert learner.groups == groups and learner.grad_step == 40 - 16
    assert all(np.isfinite(value).all() for value in weights_of(learner).values())


def test_online_from_nothing_in_d3rlpys_own_buffer(make):
    learner = online(make(groups=1), gymnasium.make("testing/Runner-v0"), None)
    assert learner.grad_step > 0


def test_online_from_nothing_needs_groups(make):
    env = runner_env(RUNNER)
    with pytest.raises(AlgorithmError, match=r"PERM learns its contexts from data.*groups=m"):
        online(make(), env, offctx.online_buffer(env))


def test_online_steps_without_ids_are_refused(make, runner):
    learner, buffer = make(), runner.replay_buffer(context="hidden")
    fit(learner, buffer)
    with pytest.raises(AlgorithmError, match=r"every transition knows its context.*buffer\.connect"):
        online(learner, gymnasium.make("testing/Runner-v0"), buffer)


def test_an_online_context_that_was_never_seen_is_refused(make, runner):
    learner, buffer = make(), runner.replay_buffer(context="hidden")
    fit(learner, buffer)
    env = runner_env([[1.5, 0.0]])
    buffer.connect(env)
    with pytest.raises(AlgorithmError, match=r"context id 3 was never seen: this learner has critics for \[0, 1, 2\]"):
        online(learner, env, buffer)


def test_a_new_online_buffer_numbers_contexts_as_the_learner_knows_them(make, runner, tmp_path):
    learner = fit(make(), runner.replay_buffer(context="hidden"))
    learner.save(str(tmp_path / "agent.d3"))
    for each in (learner, d3rlpy.load_learnable(str(tmp_path / "agent.d3"))):
        env = runner_env(RUNNER[1:])
        buffer = offctx.online_buffer(env)
        online(each, env, buffer)
        ids, contexts = buffer.table["context_ids"], buffer.table["contexts"]
        assert set(ids) == {1, 2}
        np.testing.assert_allclose(contexts, np.asarray(RUNNER)[ids], rtol=1e-6)


def test_an_online_buffer_whose_ids_mean_other_contexts_is_refused(make, runner):
    learner = fit(make(), runner.replay_buffer(context="hidden"))
    env = runner_env(RUNNER)
    buffer = dataclasses.replace(runner, context_ids=np.array([1, 0, 2])[runner.context_ids]).replay_buffer(context="hidden")
    buffer.connect(env)
    with pytest.raises(AlgorithmError, match=r"context id 0 was .* in this buffer it is .*one dataset"):
        online(learner, env, buffer)


# --- what is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"groups": 0}, "groups must be a whole number, at least 1; found 0"),
        ({"groups": 1.5}, "groups must be a whole number, at least 1; found 1.5"),
        ({"grouping": "near"}, "grouping must be one of distance, random; found 'near'"),
        ({"evaluation": "q"}, "evaluation must be one of expectile, policy; found 'q'"),
        ({"extraction": "bc"}, "extraction must be one of awr, gradient; found 'bc'"),
        ({"policy": "normal"}, "policy must be one of stochastic, deterministic; found 'normal'"),
        ({"n_critics": 0}, "n_critics must be a whole number, at least 1; found 0"),
        ({"expectile": 1.5}, "expectile must be a number from 0 to 1; found 1.5"),
        ({"expectile": float("nan")}, "expectile must be a number from 0 to 1; found nan"),
        ({"gamma": -0.1}, "gamma must be a number from 0 to 1; found -0.1"),
        ({"tau": 2}, "tau must be a number from 0 to 1; found 2"),
        ({"weight_temp": -1}, "weight_temp must be a number >= 0; found -1"),
        ({"bc_weight": float("inf")}, "bc_weight must be a number >= 0; found inf"),
        ({"max_weight": "large"}, "max_weight must be a number >= 0; found 'large'"),
        ({"horizon": 0}, "horizon must be a whole number, at least 1; found 0"),
        ({"seed": -1}, "seed must be a whole number, at least 0; found -1"),
        ({"reward_bounds": (1, 0)}, r"reward_bounds must be finite, the least before the largest; found \(1, 0\)"),
        ({"reward_bounds": (0, float("inf"))}, "reward_bounds must be finite"),
        ({"reward_bounds": (0, 1, 2)}, "reward_bounds must be two numbers"),
        ({"reward_bounds": 1.0}, r"reward_bounds must be two numbers, the least and largest reward; found 1\.0"),
        ({"reward_bounds": (0, 1), "gamma": 1.0}, "gamma = 1 .*reward_bounds then need a horizon"),
        ({"compile_graph": True}, "compile_graph is not for contextual learners"),
    ],
    ids=str,
)
@pytest.mark.parametrize("config", [PERMConfig, DiscretePERMConfig])
def test_settings_out_of_range_are_refused(config, settings, message):
    with pytest.raises(AlgorithmError, match=message):
        config(**settings)


def test_bounds_without_discount_are_fine_with_a_horizon():
    assert PERMConfig(gamma=1.0, reward_bounds=[0, 1], horizon=5).reward_bounds == (0.0, 1.0)
    assert PERMConfig(gamma=1.0).gamma == 1


def test_settings_of_quantifiers_are_refused():
    with pytest.raises(LinearError, match="beta"):
        PERMConfig(uncertainty=EllipticalUncertaintyFactory(beta=-1))


def test_distributed_training_is_refused():
    with pytest.raises(AlgorithmError, match="PERM trains in one process: leave enable_ddp out"):
        PERMConfig().create(enable_ddp=True)


def test_a_learner_that_has_met_no_contexts_says_so(make):
    with pytest.raises(AlgorithmError, match=r"PERM learns its contexts from data: call fit\(buffer\)"):
        make().create_impl((3,), 1)


def test_data_without_contexts_are_refused(make, runner):
    plain = create_infinite_replay_buffer(list(runner.replay_buffer().episodes))
    with pytest.raises(AlgorithmError, match=r"labelled contexts.*found ReplayBuffer.*groups=1"):
        fit(make(), plain)
    with pytest.raises(AlgorithmError, match=r"labelled contexts.*found ReplayBuffer"):
        make().build_with_dataset(plain)


def test_batches_without_or_with_unknown_contexts_are_refused(make, runner):
    buffer = runner.replay_buffer(context="hidden")
    learner = fit(make(), buffer)
    batch = buffer.sample_transition_batch(8)
    plain = create_infinite_replay_buffer(list(buffer.episodes)).sample_transition_batch(8)
    with pytest.raises(AlgorithmError, match=r"batch with context_ids.*found TransitionMiniBatch"):
        learner.update(plain)
    with pytest.raises(AlgorithmError, match=r"context id 7 was never seen: this learner has critics for \[0, 1, 2\]"):
        learner.update(dataclasses.replace(batch, context_ids=np.where(np.arange(8) == 5, 7, batch.context_ids)))


def test_a_single_context_is_refused(make, runner, episodes_of):
    alone = episodes_of(runner, [0, 1]).replay_buffer()
    with pytest.raises(AlgorithmError, match=r"single context.*groups=1"):
        fit(make(), alone)
    fit(make(groups=1), alone, steps=2)


def test_more_groups_than_contexts_are_refused(make, runner):
    with pytest.raises(AlgorithmError, match="at most as many groups as contexts: the data hold 3; found groups=4"):
        fit(make(groups=4), runner.replay_buffer())


def test_rewards_out_of_their_bounds_are_refused(make, runner):
    least, most = float(runner.rewards.min()), float(runner.rewards.max())
    buffer = runner.replay_buffer()
    for bounds in ((least + 0.1, most), (least, most - 0.1)):
        with pytest.raises(AlgorithmError, match=r"rewards within reward_bounds.*found"):
            fit(make(reward_bounds=bounds), buffer)
    learner = fit(make(reward_bounds=(least, most)), buffer)
    batch = buffer.sample_transition_batch(8)
    with pytest.raises(AlgorithmError, match=r"rewards within reward_bounds.*found"):
        learner.update(dataclasses.replace(batch, rewards=batch.rewards + 10))


def test_a_second_buffer_whose_ids_mean_other_contexts_is_refused(make, runner, episodes_of):
    learner = fit(make(), runner.replay_buffer())
    swapped = dataclasses.replace(runner, context_ids=np.array([1, 0, 2])[runner.context_ids]).replay_buffer()
    with pytest.raises(AlgorithmError, match=r"context id 0 was .* in this buffer it is .*one dataset"):
        fit(learner, swapped)
    fit(learner, episodes_of(runner, [4, 5]).replay_buffer(), steps=2)  # one of the contexts, under its own id


@pytest.mark.parametrize(("kind", "other"), [("continuous", "discrete"), ("discrete", "continuous")])
def test_the_other_kind_of_actions_is_refused_by_d3rlpy(kind, other, make, data):
    with pytest.raises(AssertionError, match=r"continuous|discrete|action-space"):
        fit(make(kind), data(other).replay_buffer())


def test_a_quantifier_of_the_data_that_has_seen_none_says_so(make):
    env = runner_env(RUNNER)
    with pytest.raises(OffctxError, match="has seen no data"):
        online(make(groups=2, uncertainty=FOURIER), env, offctx.online_buffer(env))


def test_an_ensemble_of_one_is_refused(make, runner):
    with pytest.raises(AlgorithmError, match=r"at least two members.*n_critics=2"):
        fit(make(n_critics=1, uncertainty=EnsembleUncertaintyFactory()), runner.replay_buffer())


def test_encoders_with_batch_norm_are_refused(make, runner):
    with pytest.raises(AlgorithmError, match="without running statistics"):
        fit(make(critic_encoder_factory=VectorEncoderFactory([8], use_batch_norm=True)), runner.replay_buffer())


@pytest.mark.parametrize("augmentation", [None, offctx.CSE(0.1)])
def test_appended_contexts_and_cse(augmentation, make, runner):
    """Context-enhanced transitions count for the context that they come from."""
    learner = fit(make(uncertainty=CRITIC), runner.replay_buffer(context="append", augmentation=augmentation))
    env = AppendContext(gymnasium.make("testing/Runner-v0"))
    observation, _ = env.reset(seed=0)
    assert learner.predict(observation[None]).shape == (1, 1) and learner.groups == 3
