"""What the tests of collection share: policies, contexts, and `collect` with defaults."""

import minari
import numpy as np

import offctx
from offctx import Mixture
from offctx.envs import SimpleDirection

RUNNER_CONTEXTS = np.array([[0.5, 0.2], [2.0, -0.4], [0.9, 0.7]])  # truncated, terminated, both at once
SPACE = SimpleDirection.context_space


class Leaning:
    """A policy with `predict`, a plain function of its inputs; counts how many rows it has seen at once."""

    def __init__(self, actions: int) -> None:
        self.actions = actions

    def predict(self, observations):
        return np.tanh(np.cumsum(observations, axis=1)[:, -self.actions :])


def drawing(observations, contexts, rng):
    return rng.uniform(-1, 1, (len(observations), 2)) * np.abs(contexts[:, :1])


def drawing_one(observations, contexts, rng):
    return rng.normal(contexts[:, :1], 0.5)


def drawing_discrete(observations, contexts, rng):
    return rng.integers(0, 3, len(observations))


CASES = {
    "runner-random": ("testing/Runner-v0", "random", RUNNER_CONTEXTS),
    "runner-mixture": ("testing/Runner-v0", Mixture(["random", Leaning(1), drawing_one], [1, 2, 1]), RUNNER_CONTEXTS),
    "stochastic-predict": ("offctx/SimpleDirectionStochastic-v0", Leaning(2), [[0.5, -0.5], [1, 1]]),
    "stochastic-callable": ("offctx/SimpleDirectionStochastic-v0", drawing, [[0.5, -0.5], [1, 1]]),
    "discrete-callable": ("testing/Chooser-v0", drawing_discrete, [[-0.5], [0.25]]),
}


def collect(env="testing/Runner-v0", dataset_id="test/x-v0", **options):
    options = {"seed": 3, "progress": False, "contexts": None} | options
    return offctx.collect(env, dataset_id, **options)


def replay(env, dataset_id):
    """Play every episode again as plain Minari tells it; how many steps were compared."""
    dataset = minari.load_dataset(dataset_id)
    steps = 0
    metadata = dataset.storage.get_episode_metadata(dataset.episode_indices)
    for episode, start in zip(dataset.iterate_episodes(), metadata, strict=True):
        observation, info = env.reset(seed=start["seed"], options=start["options"])
        for t in range(len(episode) + 1):
            np.testing.assert_array_equal(observation, episode.observations[t])
            for key in info:
                np.testing.assert_array_equal(info[key], episode.infos[key][t], err_msg=key)
            if t == len(episode):
                break
            observation, reward, terminated, truncated, info = env.step(episode.actions[t])
            assert reward == episode.rewards[t]
            assert (terminated, truncated) == (episode.terminations[t], episode.truncations[t])
            steps += 1
        assert terminated or truncated
    return steps
