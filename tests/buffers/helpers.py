"""What the tests of buffers share: comparisons of batches, online steps, d3rlpy's own buffers."""

import gymnasium
import numpy as np
from d3rlpy.dataset import (
    InfiniteBuffer,
    ReplayBuffer,
    TransitionMiniBatch,
)

from offctx.envs import LabelTransitions
from offctx.envs.rollout import episode_seeds

FIELDS = ("observations", "actions", "rewards", "next_observations", "next_actions", "terminals", "intervals")


def all_of(buffer):
    return buffer.batch(np.arange(buffer.transition_count))


def assert_batches_equal(one, other, fields=FIELDS):
    for name in fields:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
        assert getattr(one, name).dtype == getattr(other, name).dtype == np.float32, name


def stock_like(buffer):
    info = buffer.dataset_info
    return ReplayBuffer(
        InfiniteBuffer(),
        observation_signature=info.observation_signature,
        action_signature=info.action_signature,
        reward_signature=info.reward_signature,
        action_space=info.action_space,
        action_size=info.action_size,
        cache_size=100,
    )


def online_steps(dataset, episodes, seed=0):
    """Random steps (observation, action, reward, end): end is None within an episode, else whether it terminated."""
    rng = np.random.default_rng(seed)
    d = dataset.observations.shape[1]
    for length, terminated in episodes:
        context = dataset.unique_contexts[rng.integers(len(dataset.unique_contexts))]
        for t in range(length):
            observation = np.concatenate([rng.normal(size=d), context]).astype(np.float32)
            discrete = dataset.actions.ndim == 1
            action = int(rng.integers(3)) if discrete else rng.uniform(-1, 1, 1).astype(np.float32)
            yield observation, action, float(rng.normal()), terminated if t == length - 1 else None


def feed(buffer, steps):
    for observation, action, reward, end in steps:
        buffer.append(observation, action, reward)
        if end is not None:
            buffer.clip_episode(end)


def stock_batch(buffer, begin=0):
    picked = [buffer.transition_picker(*buffer.buffer[i]) for i in range(begin, buffer.transition_count)]
    return TransitionMiniBatch.from_transitions(picked)


LABELLED_FIELDS = (
    "observations", "actions", "rewards", "next_observations", "next_actions", "terminals", "intervals", "contexts",
    "dnext_observation_dcontext", "dreward_dcontext", "states", "noise",
)  # fmt: skip


def assert_labelled_equal(one, other, fields=LABELLED_FIELDS):
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
        observation, _ = env.reset(seed=int(seeds[e]), options={"context": dataset.contexts[start]})
        for action in dataset.actions[start:end]:
            next_observation, reward, terminated, truncated, _ = env.step(action)
            buffer.append(observation, action, float(reward))
            observation = next_observation
        assert terminated or truncated
        buffer.clip_episode(terminated)
