"""What a connected buffer learns of each step, and which environments it refuses."""

import gymnasium
import numpy as np
import pytest

import offctx
from offctx import CSE
from offctx.errors import DatasetError, DerivativeError, EnvError
from tests.buffers.helpers import Needs, all_of, assert_labelled_equal, make, replay


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
    assert_labelled_equal(found, all_of(offline))
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
    assert_labelled_equal(all_of(buffer), all_of(dataset.replay_buffer(augmentation=augmentation)))
    assert np.abs(all_of(buffer).noise).max() > 0


def test_a_step_is_there_at_once_and_its_next_action_follows(runner):
    env = make()
    buffer = offctx.online_buffer(env, 10)
    observation, _ = env.reset(seed=0)
    actions = np.array([[0.5], [-0.25]], np.float32)
    for action, expected in zip(actions, ([0.5], [-0.25, -0.25]), strict=True):
        next_observation, reward, *_ = env.step(action)
        buffer.append(observation, action, reward)
        np.testing.assert_array_equal(all_of(buffer).next_observations[-1], next_observation)
        assert all_of(buffer).next_actions[:, 0].tolist() == expected
        observation = next_observation


def test_an_episode_left_open_is_not_glued_to_the_next_one():
    env = make()
    buffer = offctx.online_buffer(env, 10)
    for _ in range(2):  # nobody clips
        observation, _ = env.reset(seed=0)
        for _ in range(2):
            next_observation, reward, *_ = env.step(env.action_space.sample())
            buffer.append(observation, env.last.action, reward)
            observation = next_observation
    assert buffer.size() == 2
    actions, after = all_of(buffer).actions[:, 0], all_of(buffer).next_actions[:, 0]
    np.testing.assert_array_equal(after, actions[[1, 1, 3, 3]])


def test_what_d3rlpy_says_of_the_end_counts():
    """A wrapper around the labels may end an episode."""
    env = make()
    buffer = offctx.online_buffer(env, 10)
    observation, _ = env.reset(seed=0)
    _, reward, *_ = env.step(np.ones(1, np.float32))
    buffer.append(observation, np.ones(1, np.float32), reward)
    buffer.clip_episode(True)
    assert all_of(buffer).terminals.tolist() == [[1]] and all_of(buffer).next_actions.tolist() == [[0]]


def stepped(env, buffer):
    observation, _ = env.reset(seed=0)
    action = np.full(1, 0.5, np.float32)
    _, reward, *_ = env.step(action)
    return observation, action, float(reward)


def test_steps_of_another_environment_are_refused(runner):
    env, other = make(), make()
    buffer = offctx.online_buffer(env, 10)
    with pytest.raises(DatasetError, match="has made no step since the last one: give fit_online the same environment"):
        buffer.append(*stepped(other, buffer))
    step = stepped(env, buffer)
    buffer.append(*step)
    with pytest.raises(DatasetError, match="has made no step"):
        buffer.append(*step)
    observation, action, reward = stepped(env, buffer)
    changes = {
        "observation": (observation + 1, action, reward),
        "action": (observation, -action, reward),
        "reward": (observation, action, 9.0),
    }
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


@pytest.mark.parametrize("context", ["append", "hidden"])
def test_online_steps_join_a_dataset(context, runner):
    buffer = runner.replay_buffer(context=context, augmentation=CSE(0.1))
    before = all_of(buffer)
    env = make(context=context)
    buffer.connect(env)
    replay(runner, env, buffer)
    assert buffer.transition_count == 120 and buffer.size() == 24
    assert_labelled_equal(buffer.batch(np.arange(60)), before)
    joined = buffer.batch(np.arange(60, 120))
    assert_labelled_equal(joined, before)
    np.testing.assert_array_equal(joined.context_ids, runner.context_ids)
    buffer.sample_transition_batch(200)
