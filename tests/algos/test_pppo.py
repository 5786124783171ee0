"""PPPO as a d3rlpy learner: what it reduces to, whose turn it is, what it puts out, and all that d3rlpy's learners can do."""

import dataclasses
import importlib.util

import d3rlpy
import gymnasium
import numpy as np
import pytest
import torch
from d3rlpy import metrics, preprocessing
from d3rlpy.algos import DiscreteSACConfig, IQLConfig
from d3rlpy.dataset import create_infinite_replay_buffer
from d3rlpy.optimizers import SGDFactory
from gymnasium import spaces

import offctx
from offctx.algos.pppo import DiscretePPPOConfig, PPPOConfig
from offctx.algos.shared.schedule import Turn
from offctx.algos.shared.uncertainty_config import EllipticalUncertaintyFactory, EnsembleUncertaintyFactory
from offctx.envs import LabelTransitions, RandomContexts
from offctx.errors import AlgorithmError
from offctx.linear import EllipticalUncertainty, LinearCMDP, pppo
from offctx.training.fit import train

QUIET = {"show_progress": False, "logger_adapter": d3rlpy.logging.NoopAdapterFactory()}
FOURIER = EllipticalUncertaintyFactory(beta=0.3, size=8)
CRITIC = EllipticalUncertaintyFactory(beta=0.3, features="critic", interval=3)
TURN = {"evaluation_steps": 4, "improvement_steps": 3}

VARIANTS = {
    "as it stands": {},
    "two groups": {"groups": 2},
    "one group": {"groups": 1},
    "deterministic": {"policy": "deterministic"},
    "unbalanced": {"balance": False, "scale_free": False, "reward_bounds": (-200.0, 50.0)},
    "random": {"output": "random", "uncertainty": FOURIER, "n_critics": 1},
    "mixture": {"output": "mixture", "most_policies": 3, "uncertainty": CRITIC},
    "ensemble": {"uncertainty": EnsembleUncertaintyFactory(beta=0.5), "n_critics": 3},
}
KINDS = {"continuous": PPPOConfig, "discrete": DiscretePPPOConfig}

every_variant = pytest.mark.parametrize("variant", VARIANTS)
both_kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def make(small):
    """A learner of a kind, with changes to the settings of small networks and short turns."""
    settings = {name: value for name, value in small.items() if not name.startswith("value")} | TURN

    def build(kind="continuous", **changes):
        return KINDS[kind](**settings | changes).create()

    return build


def fit(learner, buffer, steps=10, seed=0, **options):
    return train(learner, buffer, steps=steps, seed=seed, progress=False, **options)


def table_buffer(observations, actions, rewards, next_observations, terminals, ids, actions_space):
    """A buffer of single transitions (N, ...) with contexts that are their ids (N,)."""
    rows = np.arange(len(ids))
    dataset = offctx.ContextualDataset(
        dataset_id="table",
        context_space=offctx.ContextSpace(["id"], 0.0, 100.0, [0.0]),
        observation_space=spaces.Box(-np.inf, np.inf, observations.shape[1:]),
        action_space=actions_space,
        observations=observations.astype(np.float32),
        actions=actions if isinstance(actions_space, spaces.Discrete) else actions.reshape(len(ids), -1),
        rewards=rewards.ravel(),
        next_observations=next_observations.astype(np.float32),
        terminations=terminals.ravel().astype(bool),
        truncations=~terminals.ravel().astype(bool),
        contexts=ids[:, None].astype(np.float64),
        context_ids=ids.astype(np.int64),
        episode_starts=rows,
        episode_ends=rows + 1,
    )
    return dataset.replay_buffer(context="hidden")


def probabilities(learner, observations):
    """The present policy's probabilities of discrete actions."""
    with torch.no_grad():
        return learner.impl.policy(torch.as_tensor(observations, dtype=torch.float32)).probs.numpy()


# --- what it reduces to -----------------------------------------------------------------------------------------------------


def one_hot_data(n=3, S=3, A=2, H=3, K=80):
    """Trajectories of a tabular CMDP, and the same as a buffer of one-hot (step, state)."""
    rng = np.random.default_rng(0)
    cmdp = LinearCMDP.random_tabular(n, S, A, H, rng, concentration=3.0)
    data = cmdp.sample(np.full((H, S, A), 1 / A), K, rng)
    step = np.broadcast_to(np.arange(H), data.actions.shape)
    eye, last = np.eye(H * S), step.reshape(-1) == H - 1
    rows = step * S + data.states[:, :, :-1]
    following = np.minimum(step + 1, H - 1) * S + data.states[:, :, 1:]
    buffer = table_buffer(
        eye[rows.reshape(-1)],
        data.actions.reshape(-1),
        data.rewards.reshape(-1),
        eye[following.reshape(-1)],
        last,
        np.repeat(np.arange(n), K * H),
        spaces.Discrete(A),
    )
    return cmdp, data, buffer


def test_one_hot_features_give_the_linear_pppo(linear):
    """Policies of two rounds over the environments, pi_1 to pi_6, and the one that the sixth turn ends with."""
    cmdp, data, buffer = one_hot_data()
    n, H, S, A = cmdp.shape
    alpha, beta, turns = 1.5, 1.0, 2 * n
    sgd = SGDFactory(momentum=0.8)  # convex problems on a full batch, which Adam's memory of earlier turns would disturb
    learner = DiscretePPPOConfig(
        gamma=1.0, horizon=H, reward_bounds=(0.0, 1.0), n_critics=1, tau=1.0, scale_free=False, step_size=alpha,
        uncertainty=EllipticalUncertaintyFactory(beta=beta, features="observation"),
        actor_encoder_factory=linear, critic_encoder_factory=linear, actor_optim_factory=sgd, critic_optim_factory=sgd,
        actor_learning_rate=5.0, critic_learning_rate=2.0, evaluation_steps=100, improvement_steps=70,
    ).create()  # fmt: skip
    learner.build_with_dataset(buffer)
    critics = learner.impl.modules.critics
    for stack in (critics.online, critics.target):  # regression on one-hot features has no bias
        torch.nn.init.zeros_(stack._fc__bias).requires_grad_(False)
    everything, found = buffer.batch(np.arange(buffer.transition_count)), []
    for _ in range(turns):
        found.append(probabilities(learner, np.eye(H * S)).reshape(H, S, A))
        for _ in range(100 + 70):
            learner.update(everything)
    found.append(probabilities(learner, np.eye(H * S)).reshape(H, S, A))
    order = (learner.order * 3)[: turns + 1]
    expected = pppo(
        data.states[order], data.actions[order], data.rewards[order], cmdp.features,
        beta=EllipticalUncertainty(beta, ridge=1.0), ridge=1e-8, step_size=alpha, split=False, seed=0,
    )  # fmt: skip
    np.testing.assert_allclose(found, expected.policies, atol=2e-3)
    assert (np.abs(np.diff(expected.policies, axis=0)).max(axis=(1, 2, 3)) > 0.05).all()  # every turn changes it
    without = pppo(
        data.states[order], data.actions[order], data.rewards[order], cmdp.features,
        beta=0.0, ridge=1e-8, step_size=alpha, split=False, seed=0,
    )  # fmt: skip
    assert np.abs(without.policies - expected.policies).max() > 0.03  # and so does Gamma


# --- turns ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("balance", [True, False])
@pytest.mark.parametrize("groups", [None, 2, 1])
def test_fit_draws_what_each_phase_needs(groups, balance, make, runner):
    """Evaluation draws from the environment whose turn it is, equally from its contexts if so asked; improvement from all."""
    learner, drawn = make(groups=groups, balance=balance, batch_size=18), []
    update = learner.update

    def watch(batch):
        drawn.append((learner.turn, np.bincount(batch.context_ids, minlength=3)))
        return update(batch)

    learner.update = watch
    fit(learner, runner.replay_buffer(context="hidden"), steps=6 * 7)
    known, seen, uneven = learner.config.contexts, set(), 0
    members = {i: [k for k, group in zip(known.ids, known.groups, strict=True) if group == i] for i in set(known.groups)}
    for turn, counts in drawn:
        own = members[turn.group] if turn.phase == "evaluation" else [0, 1, 2]
        assert counts.sum() == 18 and counts[own].sum() == 18
        if balance:
            assert (counts[own] == 18 / len(own)).all()
        uneven += turn.phase == "evaluation" and len(own) > 1 and np.ptp(counts[own]) > 0
        seen.add((turn.group, turn.phase))
    assert (uneven > 0) == (not balance and groups is not None)
    assert len(seen) == 2 * learner.groups and drawn[-1][0] == Turn(5, learner.order[5 % learner.groups], "improvement", 2)


def parts_changed(learner, buffer, rows, weights_of):
    before = weights_of(learner)
    learner.update(buffer.batch(rows))
    after = weights_of(learner)
    moved = {key for key, value in after.items() if not np.array_equal(value, before[key])}
    return {
        part for part in ("policy.", "base.", "critics.online.", "critics.target.") if any(k.startswith(part) for k in moved)
    }


@both_kinds
def test_phases_train_one_thing_each(kind, make, data, weights_of):
    learner, buffer = make(kind), data(kind).replay_buffer(context="hidden")
    learner.build_with_dataset(buffer)
    everything = np.arange(buffer.transition_count)
    for turn in range(3):
        for _ in range(4):
            assert parts_changed(learner, buffer, everything, weights_of) == {"critics.online.", "critics.target."}
        for step in range(3):
            expected = {"policy."} | ({"base."} if step == 0 and turn else set())  # at first they are equal
            assert parts_changed(learner, buffer, everything, weights_of) == expected


@pytest.mark.parametrize("uncertainty", [FOURIER, CRITIC, EnsembleUncertaintyFactory()], ids=["fourier", "critic", "ensemble"])
def test_evaluation_uses_the_rows_of_its_own_environment(uncertainty, make, runner, tmp_path, assert_equal_weights, weights_of):
    # Adam's first step is as long for any gradient
    learner = make(uncertainty=uncertainty, critic_optim_factory=SGDFactory())
    buffer = runner.replay_buffer(context="hidden")
    learner.build_with_dataset(buffer)
    learner.save(str(tmp_path / "learner.d3"))
    own = learner.turn.group
    batch = buffer.batch(np.arange(buffer.transition_count))

    def after(changed):
        again = d3rlpy.load_learnable(str(tmp_path / "learner.d3"))
        d3rlpy.seed(0)
        again.update(dataclasses.replace(batch, rewards=batch.rewards + np.float32(3) * changed[:, None]))
        return again

    reference = after(batch.context_ids < 0)
    assert_equal_weights(after(batch.context_ids != own), reference)
    one, other = weights_of(after(batch.context_ids == own)), weights_of(reference)
    assert any(not np.array_equal(value, one[key]) for key, value in other.items() if key.startswith("critics.online"))
    alone = d3rlpy.load_learnable(str(tmp_path / "learner.d3"))
    d3rlpy.seed(0)
    alone.update(buffer.batch(np.flatnonzero(runner.context_ids == own)))
    assert_equal_weights(alone, reference)


@pytest.mark.parametrize("groups", [None, 2])
def test_a_batch_without_the_environment_whose_turn_it_is(groups, make, runner):
    learner, buffer = make(groups=groups), runner.replay_buffer(context="hidden")
    learner.build_with_dataset(buffer)
    known = learner.config.contexts
    own = [k for k, group in zip(known.ids, known.groups, strict=True) if group == learner.turn.group]
    others = buffer.batch(np.flatnonzero(~np.isin(runner.context_ids, own)))
    name = f"context id {own[0]} " if len(own) == 1 else rf"context ids \[{own[0]}, {own[1]}\] "
    with pytest.raises(AlgorithmError, match=rf"it is the turn of {name}.*a batch without its transitions"):
        learner.update(others)
    assert learner.turn == Turn(0, learner.order[0], "evaluation", 0)
    for _ in range(4):
        learner.update(buffer.batch(np.arange(60)))
    learner.update(others)  # improvement takes any states
    assert learner.turn.step == 1


def test_a_buffer_without_the_environment_whose_turn_it_is(make, runner, episodes_of):
    learner = make()
    fit(learner, runner.replay_buffer(context="hidden"), steps=1)
    own = learner.turn.group
    rest = episodes_of(runner, np.flatnonzero(runner.episode_context_ids != own).tolist()).replay_buffer(context="hidden")
    with pytest.raises(
        AlgorithmError, match=rf"it is the turn of context id {own} \(evaluation 0\); this buffer holds no data"
    ):
        fit(learner, rest)


def test_critics_are_as_many_whatever_the_number_of_environments(make, pendulum):
    sizes = []
    for groups in (1, 4):
        learner = make(groups=groups, uncertainty=CRITIC)
        learner.build_with_dataset(pendulum.replay_buffer(context="hidden"))
        critics = learner.impl.modules.critics
        sizes.append(sum(tensor.numel() for tensor in critics.state_dict().values()))
    assert sizes[1] - sizes[0] == 3  # how many transitions there are of each


# --- quantifiers in turn ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("discrete", [False, True])
def test_a_fixed_quantifier_judges_for_the_environment_whose_turn_it_is(discrete):
    rng = torch.Generator().manual_seed(0)
    observations, groups = torch.randn(90, 3, generator=rng), torch.arange(90) % 3
    observations[groups == 1] += 2
    actions = torch.randint(2, (90,), generator=rng) if discrete else torch.rand(90, 1, generator=rng)
    about = {
        "groups": 3,
        "observation_size": 3,
        "action_size": 2 if discrete else 1,
        "discrete": discrete,
        "critic_features": 4,
    }
    every, one = FOURIER.create(**about), FOURIER.create(**about)
    one.turn_to(0)
    for each in (every, one):
        each.prepare(observations, actions, groups)
    asked, given = torch.randn(1, 5, 3, generator=rng), None if discrete else torch.rand(1, 5, 1, generator=rng)
    nothing = torch.zeros(1, 5, 4)
    threefold = [None if x is None else x.expand(3, -1, -1) for x in (asked, given)]
    expected = every(*threefold, nothing, nothing)
    for i in (2, 0, 1):
        one.turn_to(i)
        torch.testing.assert_close(one(asked, given, nothing, nothing), expected[i : i + 1])
    assert (expected[0] - expected[1]).abs().max() > 0.01


def test_a_critics_quantifier_starts_anew_with_each_turn():
    rng = torch.Generator().manual_seed(0)
    about = {"groups": 2, "observation_size": 3, "action_size": 1, "discrete": False, "critic_features": 4}
    features, mask = torch.rand(2, 1, 6, 4, generator=rng), torch.ones(1, 6, dtype=torch.bool)
    sizes = torch.tensor([0] * 30 + [1] * 70)
    asked = (torch.zeros(1, 6, 3), torch.zeros(1, 6, 1))
    found = []
    for turns in ((0, 1), (1,)):  # what environment 0 left does not matter to environment 1
        each = CRITIC.create(**about)
        each.turn_to(0)
        each.prepare(torch.zeros(100, 3), torch.zeros(100, 1), sizes)
        for i in turns:
            each.turn_to(i)
            torch.testing.assert_close(each(*asked, features[1], features[1])[0], torch.full((6,), 0.3))  # ridge I: all is new
            each.observe(*asked, features[i], mask)
        found.append(each(*asked, features[1], features[1]))
    torch.testing.assert_close(*found)
    phi = torch.nn.functional.normalize(features[1, 0], dim=-1)
    grams = 70 * phi.T @ phi / 6 + torch.eye(4)
    torch.testing.assert_close(found[0][0], 0.3 * (phi @ grams.inverse() * phi).sum(dim=-1).sqrt())


# --- what it puts out -------------------------------------------------------------------------------------------------------


def with_history(learner, buffer, turns):
    """Fit for some turns; the weights of every policy that was evaluated."""
    history = []
    learner.build_with_dataset(buffer)
    for _ in range(turns):
        history.append({key: value.clone() for key, value in learner.impl.policy.state_dict().items()})
        learner.fit(buffer, n_steps=7, n_steps_per_epoch=7, **QUIET)
    return history


@both_kinds
def test_random_output_is_one_of_the_policies(kind, make, data):
    chosen, seen = [], data(kind).observations
    for seed in (0, 1, 2, 3, 0):
        d3rlpy.seed(7)
        learner = make(kind, output="random", seed=seed, actor_learning_rate=0.03)
        history = with_history(learner, data(kind).replay_buffer(context="hidden"), 6)
        found, present = learner.predict(seen), learner.impl.policy
        (kept,) = learner.impl.modules.snapshots.kept
        matches = [all(torch.equal(kept.state_dict()[key], value) for key, value in each.items()) for each in history]
        assert sum(matches) == 1
        chosen.append(matches.index(True))
        present.load_state_dict(history[chosen[-1]])
        np.testing.assert_array_equal(found, make_last(learner).predict(seen))
    assert len(set(chosen)) > 1 and chosen[0] == chosen[-1]


def make_last(learner):
    """The same networks, whose present policy acts."""
    learner.impl.modules.snapshots.shown.zero_()
    return learner


def test_mixture_of_discrete_actions_is_the_mean_of_probabilities(make, chooser):
    d3rlpy.seed(0)
    learner = make("discrete", output="mixture", actor_learning_rate=0.03)
    history = with_history(learner, chooser.replay_buffer(context="hidden"), 5)
    seen = chooser.observations.astype(np.float32)
    each = []
    for weights in history:
        learner.impl.policy.load_state_dict(weights)
        each.append(probabilities(learner, seen))
    mean = np.mean(each, axis=0)
    assert np.ptp(each, axis=0).max() > 0.2
    with torch.no_grad():
        np.testing.assert_allclose(learner.impl.output.probabilities(torch.as_tensor(seen)), mean, atol=1e-6)
    np.testing.assert_array_equal(learner.predict(seen), mean.argmax(axis=1))
    row = np.abs(each[-1] - mean).max(axis=1).argmax()
    drawn = learner.sample_action(np.repeat(seen[row : row + 1], 20_000, axis=0))
    np.testing.assert_allclose(np.bincount(drawn, minlength=3) / 20_000, mean[row], atol=0.015)


def test_mixture_of_continuous_actions(make, pendulum):
    d3rlpy.seed(0)
    learner = make(output="mixture", most_policies=3, policy="deterministic", actor_learning_rate=0.03)
    with_history(learner, pendulum.replay_buffer(context="hidden"), 6)
    seen = torch.as_tensor(pendulum.observations[:8].astype(np.float32))
    with torch.no_grad():
        modes = torch.stack([policy(seen).squashed_mu for policy in learner.impl.modules.snapshots.kept]).numpy()
    assert len(modes) == 3 and np.ptp(modes, axis=0).max() > 0.05
    np.testing.assert_allclose(learner.predict(seen.numpy()), modes.mean(axis=0), atol=1e-6)
    drawn = np.stack([learner.sample_action(seen.numpy()) for _ in range(300)])
    for k in range(3):
        np.testing.assert_allclose((drawn == modes[k]).mean(axis=0), 1 / 3, atol=0.12)
    assert (drawn[..., None] == np.moveaxis(modes, 0, -1)).any(axis=-1).all()


@both_kinds
def test_the_first_policy_is_uniform(kind, make, data):
    learner = make(kind)
    learner.build_with_dataset(data(kind).replay_buffer(context="hidden"))
    seen = data(kind).observations.astype(np.float32)
    if kind == "discrete":
        np.testing.assert_allclose(probabilities(learner, seen), 1 / 3, atol=1e-6)
        return
    found = learner.impl.policy(torch.as_tensor(seen))
    assert (found.squashed_mu == 0).all()
    np.testing.assert_allclose(found.logstd.exp().detach(), 3**-0.5, rtol=1e-5)


# --- does it learn ----------------------------------------------------------------------------------------------------------


def bandit(discrete=False):
    """Four contexts with 40, 80, 160 and 320 rounds of one step, whose mean reward is best at 0.15, or at action 1."""
    rng = np.random.default_rng(0)
    ids = np.repeat(np.arange(4), [40, 80, 160, 320])
    seen = rng.uniform(-1, 1, (len(ids), 2))
    if discrete:
        actions = rng.integers(3, size=len(ids))
        rewards = np.array([[0.2, 0.6, 0.0], [0.0, 0.6, 0.2], [0.1, 0.6, 0.5], [0.9, 0.6, 0.0]])[ids, actions]
    else:
        actions = rng.uniform(-1, 1, (len(ids), 1))
        rewards = -((actions[:, 0] - np.array([0.6, 0.4, 0.2, -0.6])[ids]) ** 2)
    space = spaces.Discrete(3) if discrete else spaces.Box(-1.0, 1.0, (1,), np.float32)
    return seen, table_buffer(seen, actions, rewards, seen, np.ones(len(ids)), ids, space)


FAST = {"actor_learning_rate": 1e-2, "critic_learning_rate": 1e-2, "evaluation_steps": 60, "improvement_steps": 10}


@pytest.mark.parametrize("policy", ["stochastic", pytest.param("deterministic", marks=pytest.mark.slow)])
def test_a_continuous_bandit_is_learnt(policy, make):
    """The best for the mean over contexts, though the largest, where another action is best, has half of all data."""
    seen, buffer = bandit()
    learner = make(policy=policy, batch_size=64, step_size=0.1, **FAST)
    fit(learner, buffer, steps=70 * 4 * 3)
    found = learner.predict(seen[:50].astype(np.float32))
    assert np.abs(found.mean() - 0.15) < 0.2 and np.std(found) < 0.1  # merged data would have -0.17


def test_a_discrete_bandit_is_learnt(make):
    seen, buffer = bandit(discrete=True)
    learner = make("discrete", batch_size=64, **FAST)
    fit(learner, buffer, steps=70 * 4 * 2)
    assert (probabilities(learner, seen[:50])[:, 1] > 0.7).all()


@pytest.mark.parametrize("policy", ["stochastic", pytest.param("deterministic", marks=pytest.mark.slow)])
def test_a_step_climbs_and_stays_nearer_the_smaller_it_is(policy, make):
    """Values go up with alpha, and what the policy has moved goes to zero with it."""
    seen, buffer = bandit()
    rows = torch.as_tensor(seen[:100], dtype=torch.float32)
    moved, gained = [], []
    for alpha in (0.0, 0.1, 1.0):
        d3rlpy.seed(0)
        changes = {"evaluation_steps": 60, "improvement_steps": 80}
        learner = make(policy=policy, batch_size=64, step_size=alpha, **FAST | changes)
        fit(learner, buffer, steps=139)
        actions = learner.impl._actor
        base = actions.with_network(learner.impl.modules.base)
        with torch.no_grad():
            one, other = actions.network(rows), base.network(rows)
            moved.append(float((one.squashed_mu - other.squashed_mu).square().mean()))
            many = rows.repeat(100, 1)
            values = [
                learner.impl.modules.critics.of_slots(many[None], each.sample(many)[None]).q_values.mean()
                for each in (actions, base)
            ]
            gained.append(float(values[0] - values[1]))
    assert moved[0] < 1e-4 and moved[0] < moved[1] < moved[2] and moved[1] < 0.5 * moved[2] and moved[2] > 0.003
    assert 0 < gained[1] < gained[2]


def test_scale_free_steps_do_not_depend_on_the_scale_of_rewards(make, weights_of):
    found = []
    for scale in (1.0, 1000.0):
        _, buffer = bandit(discrete=True)
        learner = make("discrete", critic_learning_rate=0.0)
        d3rlpy.seed(0)
        learner.build_with_dataset(buffer)
        with torch.no_grad():
            for name, weight in learner.impl.modules.critics.online.named_parameters():
                if name.startswith("_fc"):
                    weight.mul_(scale)
        fit(learner, buffer, steps=7)
        found.append(weights_of(learner)["policy._fc.weight"])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-7)
    assert np.abs(found[0]).max() > 1e-4


# --- a d3rlpy learner -------------------------------------------------------------------------------------------------------


@every_variant
@both_kinds
def test_fit_predict_save_and_go_on(kind, variant, make, data, weights_of, assert_equal_weights, tmp_path):
    """A saved learner, in the middle of a phase, predicts the same, and holds the same weights after 30 further updates."""
    dataset = data(kind)
    scaler = {"action_scaler": preprocessing.MinMaxActionScaler([-2.0], [2.0])} if kind == "continuous" else {}
    learner = make(kind, **scaler, **VARIANTS[variant])
    buffer = dataset.replay_buffer(context="hidden", seed=1)
    fit(learner, buffer, steps=23)  # the third evaluation of the fourth turn is next
    assert learner.turn.number == 3 and learner.turn.phase == "evaluation" and learner.turn.step == 2
    seen, actions = buffer.table["observations"], dataset.actions
    greedy, drawn, values = learner.predict(seen), learner.sample_action(seen), learner.predict_value(seen, actions)
    assert greedy.shape == drawn.shape == actions.shape and values.shape == (len(seen),)
    assert all(np.isfinite(each).all() for each in (greedy, drawn, values)) and np.ptp(values) > 0
    if kind == "continuous":
        assert np.abs([greedy, drawn]).max() <= 2
    learner.save(str(tmp_path / "agent.d3"))
    again = d3rlpy.load_learnable(str(tmp_path / "agent.d3"))
    assert type(again) is type(learner) and again.config == learner.config and again.turn == learner.turn
    np.testing.assert_array_equal(again.predict(seen), greedy)
    np.testing.assert_array_equal(again.predict_value(seen, actions), values)
    before, batches = weights_of(learner), []
    everything = learner._with_sampler(buffer)
    d3rlpy.seed(5)
    for _ in range(30):
        batches.append(everything.sample_transition_batch(16))
        learner.update(batches[-1])
    d3rlpy.seed(5)
    for batch in batches:
        again.update(batch)
    assert again.turn == learner.turn and learner.turn.number == 7
    assert_equal_weights(again, learner)
    after = weights_of(learner)
    for part in ("policy.", "critics.online."):
        assert any(key.startswith(part) and not np.array_equal(value, before[key]) for key, value in after.items())


@pytest.mark.parametrize("steps", [1, 4, 5, 7])
def test_saving_at_any_point_of_a_turn(steps, make, runner, assert_equal_weights, tmp_path):
    buffer = runner.replay_buffer(context="hidden")
    learner = make(uncertainty=CRITIC, output="random")
    fit(learner, buffer, steps=steps)
    learner.save(str(tmp_path / "agent.d3"))
    again = d3rlpy.load_learnable(str(tmp_path / "agent.d3"))
    for each in (learner, again):
        d3rlpy.seed(5)
        for _ in range(9):
            each.update(buffer.batch(np.arange(60)))
    assert_equal_weights(again, learner)


@pytest.mark.parametrize("output", ["last", "random", "mixture"])
@both_kinds
def test_save_policy_runs_in_plain_torch(kind, output, make, data, tmp_path):
    buffer = data(kind).replay_buffer(context="hidden")
    scalers = {"observation_scaler": preprocessing.StandardObservationScaler()}
    if kind == "continuous":
        scalers["action_scaler"] = preprocessing.MinMaxActionScaler([-2.0], [2.0])
    learner = make(kind, output=output, actor_learning_rate=0.01, **scalers)
    fit(learner, buffer, steps=21)
    learner.save_policy(str(tmp_path / "policy.pt"))
    seen = buffer.table["observations"].copy()
    found = torch.jit.load(str(tmp_path / "policy.pt"))(torch.as_tensor(seen)).numpy()
    np.testing.assert_allclose(found, learner.predict(seen), atol=1e-5)
    fit(learner, buffer)  # what it was saved from learns on


@pytest.mark.skipif(importlib.util.find_spec("onnx") is None, reason="onnx is not installed")
@pytest.mark.parametrize("output", ["last", "mixture"])
@both_kinds
def test_save_policy_as_onnx(kind, output, make, data, tmp_path):
    learner = make(kind, output=output)
    fit(learner, data(kind).replay_buffer(context="hidden"), steps=14)
    learner.save_policy(str(tmp_path / "policy.onnx"))
    onnx = pytest.importorskip("onnx")
    onnx.checker.check_model(onnx.load(str(tmp_path / "policy.onnx")))


def test_policies_are_exchanged_with_d3rlpys(make, small, pendulum, chooser):
    settings = {name: value for name, value in small.items() if not name.startswith("value")}
    pairs = [("continuous", IQLConfig(**small), pendulum), ("discrete", DiscreteSACConfig(**settings), chooser)]
    for kind, config, dataset in pairs:
        buffer, other = dataset.replay_buffer(context="hidden"), config.create()
        fit(other, buffer)
        learner = make(kind)
        learner.build_with_dataset(buffer)
        learner.copy_policy_from(other)
        learner.copy_policy_optim_from(other)
        seen = buffer.table["observations"]
        np.testing.assert_array_equal(learner.predict(seen), other.predict(seen))
        fit(learner, buffer, steps=4)
        np.testing.assert_array_equal(learner.predict(seen), other.predict(seen))  # it is evaluated first
        other.copy_policy_from(learner)
        third = make(kind)
        third.build_with_dataset(buffer)
        third.copy_q_function_from(learner)
        third.copy_q_function_optim_from(learner)
        np.testing.assert_array_equal(*[each.predict_value(seen, dataset.actions) for each in (learner, third)])


@both_kinds
def test_the_same_seed_gives_the_same_weights(kind, make, data, assert_equal_weights, weights_of):
    found = []
    for seed in (3, 3, 4):
        torch.rand(3)  # what went before must not matter
        found.append(fit(make(kind, output="random"), data(kind).replay_buffer(context="hidden", seed=1), steps=20, seed=seed))
    assert_equal_weights(found[0], found[1])
    one, other = weights_of(found[0]), weights_of(found[2])
    assert not np.array_equal(one["policy._encoder._layers.0.weight"], other["policy._encoder._layers.0.weight"])


@both_kinds
def test_scalers_and_evaluators(kind, make, data):
    dataset = data(kind)
    scalers = {
        "observation_scaler": preprocessing.StandardObservationScaler(),
        "reward_scaler": preprocessing.StandardRewardScaler(),
    }
    if kind == "continuous":
        scalers["action_scaler"] = preprocessing.MinMaxActionScaler()
    name = {"continuous": "offctx/PendulumGoal-v0", "discrete": "testing/Chooser-v0"}[kind]
    evaluators = {
        "td": metrics.TDErrorEvaluator(),
        "advantage": metrics.DiscountedSumOfAdvantageEvaluator(),
        "zero shot": offctx.ZeroShotEvaluator(
            gymnasium.make(name, max_episode_steps=5), dataset.unique_contexts, episodes=1, context="hidden"
        ),
    }
    learner, buffer = make(kind, uncertainty=FOURIER, output="mixture", **scalers), dataset.replay_buffer(context="hidden")
    ((_, found),) = learner.fit(buffer, n_steps=14, n_steps_per_epoch=14, evaluators=evaluators, **QUIET)
    assert evaluators.keys() | {"critic_loss", "actor_loss", "divergence"} <= found.keys()
    assert np.isfinite(list(found.values())).all()
    np.testing.assert_allclose(learner.observation_scaler.mean, buffer.table["observations"].mean(axis=0), rtol=1e-3, atol=1e-3)


RUNNER = [[0.5, 0.2], [2.0, -0.4], [0.9, 0.7]]


def test_online_after_offline(make, runner, weights_of):
    learner, buffer = make(uncertainty=CRITIC, batch_size=32), runner.replay_buffer(context="hidden")
    fit(learner, buffer)
    env = LabelTransitions(RandomContexts(gymnasium.make("testing/Runner-v0"), RUNNER, seed=0), "hidden", gradients=False)
    buffer.connect(env)
    d3rlpy.seed(0)
    learner.fit_online(env, buffer, n_steps=30, n_steps_per_epoch=30, **QUIET)
    assert learner.groups == 3 and learner.turn.number == 40 // 7
    assert all(np.isfinite(value).all() for value in weights_of(learner).values())


def test_online_from_nothing(make):
    d3rlpy.seed(0)
    learner = make(groups=1)
    learner.fit_online(gymnasium.make("testing/Runner-v0"), None, n_steps=30, n_steps_per_epoch=30, **QUIET)
    assert learner.groups == 1 and learner.turn.number > 0


def test_data_without_labels_are_one_environment(make, runner):
    plain = create_infinite_replay_buffer(list(runner.replay_buffer(context="hidden").episodes))
    learner = make(groups=1)
    fit(learner, plain)
    assert learner.turn == Turn(1, 0, "evaluation", 3)


# --- what is refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"evaluation_steps": 0}, "evaluation_steps must be a whole number, at least 1; found 0"),
        ({"improvement_steps": 1.5}, "improvement_steps must be a whole number, at least 1; found 1.5"),
        ({"most_policies": 0}, "most_policies must be a whole number, at least 1; found 0"),
        ({"step_size": -1}, "step_size must be a number >= 0; found -1"),
        ({"step_size": float("nan")}, "step_size must be a number >= 0; found nan"),
        ({"output": "first"}, "output must be one of last, random, mixture; found 'first'"),
        ({"groups": 0}, "groups must be a whole number, at least 1; found 0"),
        ({"reward_bounds": (0, 1), "gamma": 1.0}, "gamma = 1 .*reward_bounds then need a horizon"),
    ],
    ids=str,
)
@pytest.mark.parametrize("config", [PPPOConfig, DiscretePPPOConfig])
def test_settings_out_of_range_are_refused(config, settings, message):
    with pytest.raises(AlgorithmError, match=message):
        config(**settings)


def test_whose_turn_it_is_in_words(make, runner):
    learner = make(step_size=0.1, evaluation_steps=2)
    learner.build_with_dataset(runner.replay_buffer(context="hidden"))
    assert learner.whose_turn() == f"it is the turn of context id {learner.order[0]} (evaluation 0)"


def test_turns_before_any_data_are_refused(make):
    with pytest.raises(AlgorithmError, match="it has seen no data yet"):
        _ = make().turn


def test_batches_without_or_with_unknown_contexts_are_refused(make, runner):
    buffer = runner.replay_buffer(context="hidden")
    learner = fit(make(), buffer)
    batch = buffer.sample_transition_batch(8)
    plain = create_infinite_replay_buffer(list(buffer.episodes)).sample_transition_batch(8)
    with pytest.raises(AlgorithmError, match=r"batch with context_ids.*found TransitionMiniBatch"):
        learner.update(plain)
    with pytest.raises(AlgorithmError, match="context id 7 was never seen"):
        learner.update(dataclasses.replace(batch, context_ids=np.full(8, 7)))


def test_a_single_context_and_too_many_groups_are_refused(make, runner, episodes_of):
    with pytest.raises(AlgorithmError, match=r"single context.*groups=1"):
        fit(make(), episodes_of(runner, [0, 1]).replay_buffer())
    with pytest.raises(AlgorithmError, match="at most as many groups as contexts: the data hold 3; found groups=4"):
        fit(make(groups=4), runner.replay_buffer())


def test_rewards_out_of_their_bounds_are_refused(make, runner):
    least, most = float(runner.rewards.min()), float(runner.rewards.max())
    buffer = runner.replay_buffer()
    with pytest.raises(AlgorithmError, match=r"rewards within reward_bounds.*found"):
        fit(make(reward_bounds=(least, most - 0.1)), buffer)
    learner = fit(make(reward_bounds=(least, most)), buffer, steps=2)
    batch = buffer.batch(np.arange(60))
    with pytest.raises(AlgorithmError, match=r"rewards within reward_bounds.*found"):
        learner.update(dataclasses.replace(batch, rewards=batch.rewards + 10))
