"""Online: what a buffer learns of each step, the ring that it keeps them in, and d3rlpy's own loop around it."""

import dataclasses

import d3rlpy
import gymnasium
import minari
import numpy as np
import pytest
import torch
from d3rlpy.algos import DQNConfig, SACConfig
from d3rlpy.models import VectorEncoderFactory

import offctx
from offctx import CSE
from offctx.envs import CycleContexts, LabelTransitions, RandomContexts
from offctx.envs.rollout import episode_seeds
from offctx.errors import ContextError, DatasetError, DerivativeError, EnvError

FIELDS = (
    "observations", "actions", "rewards", "next_observations", "next_actions", "terminals", "intervals", "contexts",
    "dnext_observation_dcontext", "dreward_dcontext", "states", "noise",
)  # fmt: skip


def all_of(buffer):
    return buffer.batch(np.arange(buffer.transition_count))


def assert_batches_equal(one, other, fields=FIELDS):
    for name in fields:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def make(env_id="testing/Runner-v0", context="append", gradients=True, **kwargs):
    return LabelTransitions(gymnasium.make(env_id, **kwargs), context=context, gradients=gradients)


class Needs:
    """Leaves a batch as it is, but wants the buffer to keep these arrays."""

    def __init__(self, *names):
        self.requires = names

    def __call__(self, batch, rng):
        return batch


def replay(dataset, env, buffer, seed=7, episodes=None):
    """Play a dataset's episodes again, one step after the other, as d3rlpy's fit_online does."""
    seeds = episode_seeds(seed, dataset.num_episodes)
    for e in range(dataset.num_episodes) if episodes is None else episodes:
        start, end = dataset.episode_starts[e], dataset.episode_ends[e]
        seen, _ = env.reset(seed=int(seeds[e]), options={"context": dataset.contexts[start]})
        for action in dataset.actions[start:end]:
            following, reward, terminated, truncated, _ = env.step(action)
            buffer.append(seen, action, float(reward))
            seen = following
        assert terminated or truncated
        buffer.clip_episode(terminated)


# --- what it learns of a step ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["runner", "chooser"])
@pytest.mark.parametrize("context", ["append", "hidden"])
def test_online_equals_the_dataset_of_the_same_episodes(name, context, library):
    """Terminated, truncated and both (runner); derivative rows, next actions and the last transition included."""
    dataset, augmentation = library.datasets[name], Needs("states")
    env = make(f"testing/{name.capitalize()}-v0", context)
    buffer = offctx.online_buffer(env, 100, augmentation=augmentation)
    replay(dataset, env, buffer)
    offline = dataset.replay_buffer(context=context, augmentation=augmentation)
    assert buffer.transition_count == len(dataset) and buffer.size() == dataset.num_episodes
    found = all_of(buffer)
    assert_batches_equal(found, all_of(offline))
    assert found.context == context and found.context_space == dataset.context_space
    np.testing.assert_array_equal(found.context_ids, dataset.context_ids)
    for one, other in zip(found.transitions, all_of(offline).transitions, strict=True):
        np.testing.assert_array_equal(one.rewards_to_go, other.rewards_to_go)
    for one, other in zip(buffer.episodes, offline.episodes, strict=True):
        assert one.terminated == other.terminated
        np.testing.assert_array_equal(one.observations, other.observations)


def test_the_noise_of_stochastic_steps_is_kept(datasets_path):
    env_id = "offctx/SimpleDirectionStochastic-v0"
    dataset = offctx.collect(env_id, "test/x-v0", episodes_per_context=3, seed=7, progress=False)
    env, augmentation = make(env_id), Needs("states", "noise")
    buffer = offctx.online_buffer(env, 100, augmentation=augmentation)
    replay(dataset, env, buffer)
    assert_batches_equal(all_of(buffer), all_of(dataset.replay_buffer(augmentation=augmentation)))
    assert np.abs(all_of(buffer).noise).max() > 0


def test_the_same_seed_samples_what_offline_samples(pendulum):
    """CSE included: the same rows, moved to the same contexts."""
    env = make("offctx/PendulumGoal-v0", max_episode_steps=20)
    buffer, offline = offctx.online_buffer(env, 500, augmentation=CSE(0.1), seed=3), None
    replay(pendulum, env, buffer)
    offline = pendulum.replay_buffer(augmentation=CSE(0.1), seed=3)
    for _ in range(3):
        assert_batches_equal(buffer.sample_transition_batch(64), offline.sample_transition_batch(64))


def test_exact_cse_needs_no_derivatives(pendulum):
    env = make("offctx/PendulumGoal-v0", gradients=False, max_episode_steps=20)
    augmentation = CSE(0.1, exact="offctx/PendulumGoal-v0")
    buffer = offctx.online_buffer(env, 500, augmentation=augmentation, seed=3)
    replay(pendulum, env, buffer)
    found = buffer.sample_transition_batch(64)
    assert found.dreward_dcontext is None
    expected = pendulum.replay_buffer(augmentation=augmentation, seed=3).sample_transition_batch(64)
    assert_batches_equal(found, expected, FIELDS[:8])


def test_a_step_is_there_at_once_and_its_next_action_follows(runner):
    env = make()
    buffer = offctx.online_buffer(env, 10)
    seen, _ = env.reset(seed=0)
    actions = np.array([[0.5], [-0.25]], np.float32)
    for action, expected in zip(actions, ([0.5], [-0.25, -0.25]), strict=True):
        following, reward, *_ = env.step(action)
        buffer.append(seen, action, reward)
        np.testing.assert_array_equal(all_of(buffer).next_observations[-1], following)
        assert all_of(buffer).next_actions[:, 0].tolist() == expected
        seen = following


def test_an_episode_left_open_is_not_glued_to_the_next_one():
    env = make()
    buffer = offctx.online_buffer(env, 10)
    for _ in range(2):  # nobody clips
        seen, _ = env.reset(seed=0)
        for _ in range(2):
            following, reward, *_ = env.step(env.action_space.sample())
            buffer.append(seen, env.last.action, reward)
            seen = following
    assert buffer.size() == 2
    actions, after = all_of(buffer).actions[:, 0], all_of(buffer).next_actions[:, 0]
    np.testing.assert_array_equal(after, actions[[1, 1, 3, 3]])


def test_what_d3rlpy_says_of_the_end_counts():
    """A wrapper around the labels may end an episode."""
    env = make()
    buffer = offctx.online_buffer(env, 10)
    seen, _ = env.reset(seed=0)
    _, reward, *_ = env.step(np.ones(1, np.float32))
    buffer.append(seen, np.ones(1, np.float32), reward)
    buffer.clip_episode(True)
    assert all_of(buffer).terminals.tolist() == [[1]] and all_of(buffer).next_actions.tolist() == [[0]]


# --- the ring ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [1, 4, 20, 59, 60])
def test_the_oldest_transitions_are_overwritten_in_place(capacity, runner):
    env, augmentation = make(), Needs("states")
    ring = offctx.online_buffer(env, capacity, augmentation=augmentation)
    whole = runner.replay_buffer(augmentation=augmentation)
    memory = ring.table._matrix
    for e in range(runner.num_episodes):
        replay(runner, env, ring, episodes=[e])
        end = runner.episode_ends[e]
        kept = np.arange(max(end - capacity, 0), end)
        assert ring.transition_count == len(kept)
        assert_batches_equal(all_of(ring), whole.batch(kept))
        episodes = np.unique(np.searchsorted(runner.episode_ends, kept, side="right"))
        assert ring.size() == len(ring.episodes) == len(episodes)
        assert sum(len(episode) for episode in ring.episodes) == len(kept)
        for found, number in zip(ring.episodes, episodes, strict=True):
            assert found.terminated == runner.terminations[runner.episode_ends[number] - 1]
            true = whole.episodes[number].observations[-len(found) - 1 :]
            np.testing.assert_array_equal(found.observations, true)
    assert ring.table._matrix is memory and len(memory) == capacity
    np.testing.assert_array_equal(ring.table["rewards"], all_of(ring).rewards)


def test_trajectories_and_returns_to_go_of_what_is_kept(runner, monkeypatch):
    env = make()
    ring = offctx.online_buffer(env, 20)
    replay(runner, env, ring)
    whole = runner.replay_buffer()
    monkeypatch.setattr(ring, "_draw", np.arange)
    monkeypatch.setattr(whole, "_draw", lambda n: np.arange(n) + 40)
    found, true = ring.sample_trajectory_batch(20, 4), whole.sample_trajectory_batch(20, 4)
    there = found.masks.astype(bool)
    lost = true.masks.astype(bool) & ~there
    assert lost.sum() and (np.flatnonzero(lost.any(axis=1)) < 3).all()  # the first rows' past is overwritten
    for name in ("observations", "actions", "rewards", "terminals", "timesteps"):
        np.testing.assert_array_equal(getattr(found, name)[there], getattr(true, name)[there], err_msg=name)
        assert not getattr(found, name)[~there].any()
    np.testing.assert_allclose(found.returns_to_go[there], true.returns_to_go[there], rtol=1e-5)
    for i in range(20):
        np.testing.assert_array_equal(ring.transition(i).rewards_to_go, whole.transition(i + 40).rewards_to_go)


def test_an_episode_that_is_overwritten_says_so(runner):
    env = make()
    ring = offctx.online_buffer(env, 12)
    replay(runner, env, ring, episodes=[0, 1])
    first, second = ring.episodes
    replay(runner, env, ring, episodes=[2])
    with pytest.raises(DatasetError, match="overwritten by newer"):
        first.observations  # noqa: B018
    np.testing.assert_array_equal(second.observations, ring.episodes[0].observations)


def test_the_ring_takes_whole_episodes_longer_than_itself(runner):
    ring = offctx.online_buffer(make(), 4)
    whole = runner.replay_buffer()
    for episode in whole.episodes[:2]:
        ring.append_episode(episode)
    assert ring.transition_count == 4 and ring.size() == 1
    assert_batches_equal(all_of(ring), whole.batch(np.arange(8, 12)), ("observations", "actions", "rewards"))


def test_sampling_from_the_ring_is_uniform_over_what_is_kept(runner):
    env = make()
    ring = offctx.online_buffer(env, 20, seed=1)
    replay(runner, env, ring)
    index = {row.tobytes(): i for i, row in enumerate(all_of(ring).observations)}
    drawn = [index[row.tobytes()] for row in ring.sample_transition_batch(10_000).observations]
    expected = 10_000 / 20
    chi2 = ((np.bincount(drawn, minlength=20) - expected) ** 2 / expected).sum()
    assert 5 < chi2 < 47  # 19 degrees of freedom


def test_a_capacity_is_a_whole_number_and_an_empty_buffer_says_that_it_is_empty():
    env = make()
    for capacity in (0, 1.5, True):
        with pytest.raises(DatasetError, match="capacity must be a whole number, at least 1"):
            offctx.online_buffer(env, capacity)
    buffer = offctx.online_buffer(env, 5)
    assert buffer.episodes == [] and buffer.size() == 0
    for ask in (lambda: buffer.sample_transition_batch(2), buffer.sample_transition, buffer.observation_scaler):
        with pytest.raises(DatasetError, match="transitions"):
            ask()


# --- the wrong environment ---------------------------------------------------------------------------------------------


def stepped(env, buffer):
    seen, _ = env.reset(seed=0)
    action = np.full(1, 0.5, np.float32)
    _, reward, *_ = env.step(action)
    return seen, action, float(reward)


def test_steps_of_another_environment_are_refused(runner):
    env, other = make(), make()
    buffer = offctx.online_buffer(env, 10)
    with pytest.raises(DatasetError, match="has made no step since the last one: give fit_online the same environment"):
        buffer.append(*stepped(other, buffer))
    step = stepped(env, buffer)
    buffer.append(*step)
    with pytest.raises(DatasetError, match="has made no step"):
        buffer.append(*step)
    seen, action, reward = stepped(env, buffer)
    changes = {"observation": (seen + 1, action, reward), "action": (seen, -action, reward), "reward": (seen, action, 9.0)}
    for name, wrong in changes.items():
        with pytest.raises(DatasetError, match=rf"with {name} .*not as eval_env too"):
            buffer.append(*wrong)
    assert buffer.transition_count == 1


def test_wrappers_that_change_a_step_around_the_labels_are_found_out():
    env = gymnasium.wrappers.TransformReward(make(), lambda reward: 2 * reward)
    buffer = offctx.online_buffer(env, 10)
    with pytest.raises(DatasetError, match=r"with reward .*without wrappers around"):
        buffer.append(*stepped(env, buffer))
    with pytest.raises(EnvError, match=r"the environment has \(1,\)"):
        offctx.online_buffer(
            gymnasium.wrappers.TransformObservation(make(), lambda x: x[:1], gymnasium.spaces.Box(-1, 1, (1,)))
        )


def test_an_environment_that_does_not_fit_is_refused(runner, chooser):
    buffer = runner.replay_buffer(augmentation=CSE(0.1))
    with pytest.raises(EnvError, match=r"expected an environment in offctx\.envs\.LabelTransitions"):
        buffer.connect(gymnasium.make("testing/Runner-v0"))
    with pytest.raises(EnvError, match='the buffer has the context "append", the environment "hidden"'):
        buffer.connect(make(context="hidden"))
    with pytest.raises(EnvError, match=r"context is \['speed', 'wind'\]; the environment's \['wind'\]"):
        buffer.connect(make("testing/Chooser-v0"))
    with pytest.raises(DerivativeError, match=r"CSE needs dnext_observation_dcontext.*gradients=True"):
        buffer.connect(make(gradients=False))
    with pytest.raises(DerivativeError, match=r"CSE needs dnext_observation_dcontext.*gradients=True"):
        offctx.online_buffer(make(gradients=False), augmentation=CSE(0.1))
    with pytest.raises(DerivativeError, match="Needs needs noise; Runner is deterministic"):
        offctx.online_buffer(make(), augmentation=Needs("noise"))
    with pytest.raises(DatasetError, match="from 0"):
        offctx.online_buffer(make("testing/ChooserFromOne-v0"))
    with pytest.raises(DerivativeError, match=r"steps appended online do not bring.*connect\(env\)"):
        buffer.append(*stepped(make(), buffer))


def test_an_automatic_radius_needs_data():
    with pytest.raises(ContextError, match="prepare"):
        offctx.online_buffer(make(), augmentation=CSE("auto"))


# --- from offline to online --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", ["append", "hidden"])
def test_online_steps_join_a_dataset(context, runner):
    buffer = runner.replay_buffer(context=context, augmentation=CSE(0.1))
    before = all_of(buffer)
    env = make(context=context)
    buffer.connect(env)
    replay(runner, env, buffer)
    assert buffer.transition_count == 120 and buffer.size() == 24
    assert_batches_equal(buffer.batch(np.arange(60)), before)
    joined = buffer.batch(np.arange(60, 120))
    assert_batches_equal(joined, before)
    np.testing.assert_array_equal(joined.context_ids, runner.context_ids)
    buffer.sample_transition_batch(200)


def test_what_a_buffer_prepares_it_prepares_first(runner):
    class Learns(Needs):
        def prepare(self, dataset):
            self.requires, self.seen = ("states",), dataset

        def check(self, space):
            assert self.seen is runner

    assert runner.replay_buffer(augmentation=Learns()).sample_transition_batch(4).states.shape == (4, 2)


# --- d3rlpy's own loop -------------------------------------------------------------------------------------------------

SMALL = VectorEncoderFactory([16, 16])
QUIET = {"show_progress": False, "logger_adapter": d3rlpy.logging.NoopAdapterFactory(), "with_timestamp": False}


def fit(env, buffer, n_steps, config=None, seed=0, **kwargs):
    d3rlpy.seed(seed)
    d3rlpy.envs.seed_env(env, seed)
    env.action_space.seed(seed)
    config = config or SACConfig(batch_size=32, actor_encoder_factory=SMALL, critic_encoder_factory=SMALL)
    agent = config.create()
    agent.fit_online(env, buffer, n_steps=n_steps, n_steps_per_epoch=n_steps, **QUIET, **kwargs)
    return agent


def weights(agent):
    return torch.cat([p.detach().ravel() for p in agent.impl.policy.parameters()])


def test_sac_with_cse_on_simple_direction_is_the_same_again_with_the_same_seed():
    def run(seed):
        env = make("offctx/SimpleDirection-v0")
        buffer = offctx.online_buffer(env, 90, augmentation=CSE(0.5), seed=seed)
        agent = fit(env, buffer, 120, seed=seed, random_steps=20)
        return agent, buffer

    (one, kept), (again, _), (other, _) = run(0), run(0), run(1)
    assert torch.equal(weights(one), weights(again)) and not torch.equal(weights(one), weights(other))
    assert kept.transition_count == 90 and kept.size() == 9
    assert (np.abs(kept.sample_transition_batch(50).rewards).max() > 0) and not all_of(
        kept
    ).rewards.any()  # at c0 = 0 all are 0


def test_sac_with_cse_on_the_pendulum_with_several_contexts_and_an_evaluation():
    bases = offctx.envs.PendulumGoal.context_space.mesh(g=[1.0, 3.0])
    made = gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=20))
    env = LabelTransitions(CycleContexts(made, bases))
    eval_env = make("offctx/PendulumGoal-v0", gradients=False, max_episode_steps=20)
    buffer = offctx.online_buffer(env, 1000, augmentation=CSE(0.1), seed=0)
    fit(env, buffer, 100, eval_env=eval_env, eval_n_trials=1)
    assert buffer.transition_count == 100 and buffer.size() == 5
    assert [len(episode) for episode in buffer.episodes] == [20] * 5  # the truncated last transitions are there
    np.testing.assert_array_equal(buffer.table["context_ids"], np.repeat([0, 1, 0, 1, 0], 20))
    assert not all_of(buffer).terminals.any()


def test_online_ldr_draws_contexts():
    space = offctx.envs.SimpleDirection.context_space
    env = LabelTransitions(
        RandomContexts(gymnasium.make("offctx/SimpleDirection-v0"), lambda rng: space.local(1, 0.5, rng)[0], seed=0),
        gradients=False,
    )
    buffer = offctx.online_buffer(env, 1000)
    fit(env, buffer, 50)
    assert len(np.unique(all_of(buffer).contexts, axis=0)) == buffer.size() == 5
    np.testing.assert_array_equal(all_of(buffer).observations[:, 2:], all_of(buffer).contexts)


def test_dqn_with_cse_on_discrete_actions(chooser):
    env = make("testing/Chooser-v0")
    buffer = offctx.online_buffer(env, 1000, augmentation=CSE(0.1))
    explorer = d3rlpy.algos.ConstantEpsilonGreedy(0.5)
    fit(env, buffer, 60, DQNConfig(batch_size=8, encoder_factory=SMALL), explorer=explorer)
    assert buffer.transition_count == 60 and set(all_of(buffer).actions[:, 0]) == {0, 1, 2}
    assert np.isfinite(buffer.sample_transition_batch(50).next_observations).all()


def test_from_offline_to_online(runner):
    buffer = runner.replay_buffer(augmentation=CSE(0.1))
    agent = SACConfig(batch_size=16, actor_encoder_factory=SMALL, critic_encoder_factory=SMALL).create()
    agent.fit(buffer, n_steps=2, **QUIET)
    env = make()
    with pytest.raises(DerivativeError, match=r"connect\(env\)"):
        agent.fit_online(env, buffer, n_steps=3, **QUIET)
    buffer.connect(env)
    agent.fit_online(env, buffer, n_steps=20, n_steps_per_epoch=20, **QUIET)
    assert buffer.transition_count == 80
    assert np.isfinite(all_of(buffer).dreward_dcontext).all()


def test_minaris_data_collector_records_derivatives(runner, datasets_path):
    """By the wrapper with the context hidden, any recording of ours is one that `collect` could have made."""
    collector = minari.DataCollector(make(context="hidden"), record_infos=True)
    seeds = episode_seeds(7, runner.num_episodes)
    for e, start in enumerate(runner.episode_starts):
        collector.reset(seed=int(seeds[e]), options={"context": runner.contexts[start]})
        for action in runner.actions[start : runner.episode_ends[e]]:
            collector.step(action)
    collector.create_dataset("test/recorded-v0")
    found = offctx.load_dataset("test/recorded-v0", context_space=runner.context_space)
    for field in dataclasses.fields(runner):
        value = getattr(runner, field.name)
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(found, field.name), value, err_msg=field.name)
    again = minari.load_dataset("test/recorded-v0").recover_environment()
    assert "dreward_dcontext" in again.reset()[1] and again.observation_space.shape == (3,)
