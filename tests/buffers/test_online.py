"""Online buffers in d3rlpy's own loop."""

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
from offctx.errors import ContextError, DatasetError, DerivativeError
from tests.buffers.helpers import LABELLED_FIELDS, Needs, all_of, assert_labelled_equal, make, replay


def test_the_same_seed_samples_what_offline_samples(pendulum):
    """CSE included: the same rows, moved to the same contexts."""
    env = make("offctx/PendulumGoal-v0", max_episode_steps=20)
    buffer, offline = offctx.online_buffer(env, 500, augmentation=CSE(0.1), seed=3), None
    replay(pendulum, env, buffer)
    offline = pendulum.replay_buffer(augmentation=CSE(0.1), seed=3)
    for _ in range(3):
        assert_labelled_equal(buffer.sample_transition_batch(64), offline.sample_transition_batch(64))


def test_exact_cse_needs_no_derivatives(pendulum):
    env = make("offctx/PendulumGoal-v0", gradients=False, max_episode_steps=20)
    augmentation = CSE(0.1, exact="offctx/PendulumGoal-v0")
    buffer = offctx.online_buffer(env, 500, augmentation=augmentation, seed=3)
    replay(pendulum, env, buffer)
    found = buffer.sample_transition_batch(64)
    assert found.dreward_dcontext is None
    expected = pendulum.replay_buffer(augmentation=augmentation, seed=3).sample_transition_batch(64)
    assert_labelled_equal(found, expected, LABELLED_FIELDS[:8])


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


def test_an_automatic_radius_needs_data():
    with pytest.raises(ContextError, match="prepare"):
        offctx.online_buffer(make(), augmentation=CSE("auto"))


def test_what_a_buffer_prepares_it_prepares_first(runner):
    class Learns(Needs):
        def prepare(self, dataset):
            self.requires, self.observation = ("states",), dataset

        def check(self, space):
            assert self.observation is runner

    assert runner.replay_buffer(augmentation=Learns()).sample_transition_batch(4).states.shape == (4, 2)


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
