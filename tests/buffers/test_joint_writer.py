"""Steps of several environments in one buffer: each episode is what it would be if it were played alone."""

import d3rlpy
import numpy as np
import pytest
from d3rlpy.dataset import MultiStepTransitionPicker

import offctx
from offctx import CSE
from offctx.buffers.joint_writer import JointWriter
from offctx.data.dataset import ContextualDataset
from offctx.envs.parallel_episodes import EpisodePlan, ParallelEpisodes, episode_seed
from offctx.envs.resolve import resolve
from offctx.errors import DatasetError
from tests.buffers.helpers import FIELDS, LABELLED_FIELDS, Needs, all_of, assert_batches_equal, assert_labelled_equal, make
from tests.conftest import RUNNER_CONTEXTS

EVERYTHING = Needs("states", "dnext_observation_dcontext", "dreward_dcontext")
DERIVATIVES = ("dnext_observation_dcontext", "dreward_dcontext")


def play(contexts, steps, capacity=None, augmentation=EVERYTHING, env_id="testing/Runner-v0", context="append", seed=3):
    """A buffer after `steps` joint steps with random actions; and for each lane, its steps' actions."""
    resolved = resolve(env_id)
    buffer = offctx.online_buffer(make(env_id, context), capacity, augmentation=augmentation)
    episodes = ParallelEpisodes(resolved, EpisodePlan(resolved.env.context_space, contexts, None, seed))
    writer, rng, chosen = JointWriter(buffer, len(contexts)), np.random.default_rng(0), []
    for _ in range(steps):
        actions = rng.uniform(-1.5, 1.5, (len(contexts), 1)) if env_id == "testing/Runner-v0" else rng.integers(3, size=2)
        step = episodes.step(actions)
        dnext, dreward = resolved.env.derivatives(step.states, step.actions, step.contexts)
        writer.append(step, actions, dict(zip(DERIVATIVES, (dnext, dreward), strict=True)))
        chosen.append(actions)
    return buffer, np.stack(chosen, axis=1)


def stepwise(contexts, actions, lane, capacity=None, context="append", env_id="testing/Runner-v0"):
    """The same lane, one `env.step` and one `buffer.append` after the other, as d3rlpy's `fit_online` does it."""
    env = make(env_id, context)
    buffer = offctx.online_buffer(env, capacity, augmentation=EVERYTHING)
    observation, episode = None, -1
    for action in actions:
        if observation is None:
            episode += 1
            seed = episode_seed(3, lane, episode)
            observation, _ = env.reset(seed=seed, options={"context": contexts[lane]})
        given = action.astype(np.float32) if action.ndim else action
        next_observation, reward, terminated, truncated, _ = env.step(given)
        buffer.append(observation, given, float(reward))
        observation = next_observation
        if terminated or truncated:
            buffer.clip_episode(terminated)
            observation = None
    return buffer


@pytest.mark.parametrize("capacity", [None, 9])
@pytest.mark.parametrize("context", ["append", "hidden"])
def test_one_environment_fills_a_buffer_as_stepping_it_does(context, capacity):
    for lane_context in RUNNER_CONTEXTS:
        joint, actions = play([lane_context], 20, capacity, context=context)
        alone = stepwise([lane_context], actions[0], 0, capacity, context)
        assert_labelled_equal(all_of(joint), all_of(alone))
        assert joint.size() == alone.size() and joint.transition_count == alone.transition_count


def test_each_lane_is_what_it_is_alone_truncations_bootstrap_and_terminations_do_not():
    joint, actions = play(RUNNER_CONTEXTS, 20)
    batch, lanes = all_of(joint), np.arange(60) % 3
    for lane in range(3):
        alone = all_of(stepwise(RUNNER_CONTEXTS, actions[lane], lane))
        for name in LABELLED_FIELDS:
            if getattr(alone, name) is not None:
                np.testing.assert_array_equal(getattr(batch, name)[lanes == lane], getattr(alone, name), err_msg=name)
    np.testing.assert_array_equal(batch.context_ids, lanes)
    np.testing.assert_array_equal(batch.terminals.reshape(-1, 3).sum(axis=0), [0, 6, 3])
    ended = np.flatnonzero(batch.terminals[:, 0])
    assert not batch.next_actions[ended].any() and (batch.next_observations[ended, 0] >= 5).all()


def contiguous_twin(joint):
    """A buffer with the same episodes, each in rows side by side, in the order of their first rows."""
    whole = all_of(joint)
    numbers = joint._episodes.of(np.arange(joint.transition_count))
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(numbers[order]) != 0])
    return _dataset_of(joint, whole, order, starts), order


def _dataset_of(joint, whole, order, starts):
    env, p = resolve("testing/Runner-v0").env, joint.context_space.size
    ends = np.append(starts[1:], len(order))
    truncations = np.zeros(len(order), np.bool_)
    truncations[ends - 1] = whole.terminals[order][ends - 1, 0] == 0
    return ContextualDataset(
        dataset_id="test/twin-v0",
        context_space=env.context_space,
        observation_space=env.observation_space,
        action_space=env.action_space,
        observations=whole.observations[order, :-p],
        actions=whole.actions[order],
        rewards=whole.rewards[order, 0],
        next_observations=whole.next_observations[order, :-p],
        terminations=whole.terminals[order, 0] == 1,
        truncations=truncations,
        contexts=whole.contexts[order],
        context_ids=whole.context_ids[order],
        episode_starts=starts,
        episode_ends=ends,
    )


@pytest.mark.parametrize("capacity", [None, 31])
def test_steps_ahead_and_trajectories_follow_episodes_not_rows(capacity):
    joint, _ = play(RUNNER_CONTEXTS, 20, capacity, augmentation=None)
    dataset, order = contiguous_twin(joint)
    twin = dataset.replay_buffer()
    assert_batches_equal(joint.batch(order), all_of(twin))
    ends = np.arange(len(order))
    for name, value in vars(twin._trajectories.batch(ends, 4)).items():
        found = getattr(joint._trajectories.batch(order[ends], 4), name)
        if name == "timesteps" and capacity is not None:
            continue  # a twin does not know how many steps of an episode have been overwritten
        np.testing.assert_allclose(found, value, rtol=1e-6, err_msg=name)
    picker = MultiStepTransitionPicker(n_steps=3, gamma=0.9)
    ahead = dataset.replay_buffer(transition_picker=picker)
    joint.multi_step = ahead.multi_step
    assert_batches_equal(joint.batch(order), all_of(ahead))
    for row in (0, len(order) // 2, len(order) - 1):
        one, other = joint.transition(int(order[row])), ahead.transition(row)
        np.testing.assert_allclose(one.rewards_to_go, other.rewards_to_go)
        assert one.interval == other.interval


def test_d3rlpy_sees_the_episodes():
    joint, _ = play(RUNNER_CONTEXTS, 20, augmentation=None)
    assert joint.size() == len(joint.episodes) == 4 + 7 + 4
    lengths = sorted(len(episode) for episode in joint.episodes)
    assert lengths == sorted([6, 6, 6, 2, *[3] * 6, 2, 6, 6, 6, 2])
    for k in range(joint.transition_count):
        episode, index = joint.buffer[k]
        np.testing.assert_array_equal(episode.observations[index], joint.table["observations"][k])
        np.testing.assert_array_equal(episode.observations[index + 1], joint.table["next_observations"][k])
    stock = d3rlpy.dataset.create_infinite_replay_buffer(joint.episodes)
    assert stock.size() == joint.size()


def test_after_other_appends_every_lane_begins_anew():
    joint, _ = play(RUNNER_CONTEXTS, 4, augmentation=None)
    resolved = resolve("testing/Runner-v0")
    episodes = ParallelEpisodes(resolved, EpisodePlan(resolved.env.context_space, RUNNER_CONTEXTS[:2], None, 0))
    writer = JointWriter(joint, 2)
    before = joint.size()
    writer.append(episodes.step(np.zeros((2, 1))), np.zeros((2, 1)))
    env = make()
    joint.connect(env)
    observation, _ = env.reset(seed=0)
    _, reward, *_ = env.step(np.zeros(1, np.float32))
    joint.append(observation, np.zeros(1), reward)
    writer.append(episodes.step(np.ones((2, 1))), np.ones((2, 1)))
    assert joint.size() == before + 2 + 1 + 2
    assert not joint.table["next_actions"][-5:-3].any()  # the rows before the other append stay as they are


def test_cse_changes_batches_of_a_joint_buffer_as_of_any_other():
    joint, _ = play(RUNNER_CONTEXTS, 20, augmentation=CSE(0.1))
    batch = joint.sample_transition_batch(64)
    assert np.isfinite(batch.rewards).all() and np.isfinite(batch.dreward_dcontext).all()
    assert (np.abs(batch.contexts - np.array(RUNNER_CONTEXTS, np.float32)[batch.context_ids]) > 1e-6).any()


def test_discrete_actions_are_one_number_a_row():
    joint, actions = play([[-0.5], [0.5]], 7, env_id="testing/Chooser-v0")
    np.testing.assert_array_equal(all_of(joint).actions[:, 0], actions.T.ravel())
    for lane in range(2):
        alone = all_of(stepwise([[-0.5], [0.5]], actions[lane], lane, env_id="testing/Chooser-v0"))
        rows = np.arange(lane, joint.transition_count, 2)
        assert_batches_equal(joint.batch(rows), alone, FIELDS)


def test_a_capacity_below_one_joint_step_is_refused():
    buffer = offctx.online_buffer(make(), 2)
    with pytest.raises(DatasetError, match="a capacity of at least 3 rows, one for each environment; found 2"):
        JointWriter(buffer, 3)
