"""Transitions drawn from a dataset, as the environment simulates them, with their derivatives.

Dimensions: N transitions drawn, G groups of them that are moved to one context, s state, o observation, a action, p context,
z noise coordinates.
"""

from dataclasses import dataclass

import numpy as np

from offctx.contexts.space import Contexts
from offctx.data.dataset import ContextualDataset
from offctx.data.shipped_envs import how_to_give_env, shipped_env
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.resolve import EnvLike, family_of, resolve
from offctx.errors import DatasetError, EnvError

_GROUP = 16  # transitions moved to one context
_SAME = 1e-2  # of the spread: how close a simulation must come to what the dataset recorded


@dataclass(frozen=True)
class SampledTransitions:
    """N transitions in the contexts of the data, float64. The transitions of a group share their context, and are moved to one.

    Attributes:
        states: (N, s).
        actions: (N, a), or (N,) where discrete.
        contexts: (N, p).
        group: (N,) the group of each transition.
        group_contexts: (G, p).
        noise: (N, z), or None.
        next_observations: (N, o), simulated.
        rewards: (N,), simulated.
        terminations: (N,), simulated.
        dnext: (N, o, p), derivative of the next observation along the context.
        dreward: (N, p), total derivative of the reward along the context.
        spread: (o,) standard deviation of the recorded next observations.
        reward_spread: of the recorded rewards.
        eps: machine epsilon of observations and of derivatives.
    """

    states: Array
    actions: Array
    contexts: Contexts
    group: Array
    group_contexts: Contexts
    noise: Array | None
    next_observations: Array
    rewards: Array
    terminations: Array
    dnext: Array
    dreward: Array
    spread: Array
    reward_spread: float
    eps: tuple[float, float]


def environment_of(dataset: ContextualDataset, env: EnvLike | None) -> ContextualEnv:
    """Returns the environment given; else the one that the dataset names, if it ships with offctx. No other id is made."""
    if not isinstance(dataset, ContextualDataset):
        raise DatasetError(f"expected a ContextualDataset, as offctx.load_dataset returns it; found {type(dataset).__name__}")
    if env is not None:
        return env if isinstance(env, ContextualEnv) else resolve(env).env
    recorded = shipped_env(dataset.env_spec, dataset.metadata, dataset.dataset_id)
    if recorded is not None:
        return family_of(recorded)[0]
    raise DatasetError(f"{dataset.dataset_id} names no environment that ships with offctx: {how_to_give_env(dataset.env_spec)}")


def sample_transitions(
    dataset: ContextualDataset, env: ContextualEnv, samples: int, rng: np.random.Generator
) -> SampledTransitions:
    """Draws transitions without replacement and simulates them in their own contexts.

    Raises:
        DatasetError: the dataset stores no simulator states, or not the noise of a stochastic environment.
        EnvError: the environment has other context coordinates, or does not reproduce the transitions.
    """
    _check_simulable(dataset, env)
    index = np.sort(rng.permutation(len(dataset))[:samples])
    assert dataset.states is not None
    states, contexts = dataset.states[index].astype(np.float64), dataset.contexts[index]
    actions = env.admit_actions(dataset.actions[index], len(index))
    noise = None if dataset.noise is None or not env.noise_size else dataset.noise[index]
    next_states, rewards, terminations = env.simulate(states, actions, contexts, noise)
    next_observations = env.observations(next_states)
    spread = _spread(dataset.next_observations[index].astype(np.float64))
    reward_spread = float(_spread(dataset.rewards[index].astype(np.float64)[:, None])[0])
    _check_reproduced(dataset, env, index, next_observations, rewards, spread, reward_spread)
    if dataset.dnext_observation_dcontext is not None and dataset.dreward_dcontext is not None:
        dnext, dreward = dataset.dnext_observation_dcontext[index], dataset.dreward_dcontext[index]
    else:
        dnext, dreward = env.derivatives(states, actions, contexts, noise)
    group, group_contexts = _groups(contexts)
    return SampledTransitions(
        states=states,
        actions=actions,
        contexts=contexts,
        group=group,
        group_contexts=group_contexts,
        noise=noise,
        next_observations=next_observations.astype(np.float64),
        rewards=rewards,
        terminations=terminations,
        dnext=dnext.astype(np.float64),
        dreward=dreward.astype(np.float64),
        spread=spread,
        reward_spread=reward_spread,
        eps=(_eps(next_observations), max(_eps(dnext), _eps(dreward))),
    )


def root_mean_square(values: Array) -> float:
    """The root of the mean of the squares of all values."""
    return float(np.sqrt(np.mean(np.square(values))))


def _check_simulable(dataset: ContextualDataset, env: ContextualEnv) -> None:
    name = dataset.dataset_id
    if dataset.states is None or (env.noise_size and dataset.noise is None):
        missing = "simulator states" if dataset.states is None else "the noise that drove its transitions"
        raise DatasetError(f"a radius report simulates transitions anew, but {name} has not stored {missing}")
    if env.context_space.names != dataset.context_space.names:
        raise EnvError(
            f"{type(env).__name__} has the context {list(env.context_space.names)}; "
            f"{name} has {list(dataset.context_space.names)}"
        )


def _check_reproduced(
    dataset: ContextualDataset,
    env: ContextualEnv,
    index: Array,
    next_observations: Array,
    rewards: Array,
    spread: Array,
    reward_spread: float,
) -> None:
    """Raises EnvError where simulated next observations (N, o) and rewards (N,) are not those recorded."""
    observation_error = root_mean_square((next_observations - dataset.next_observations[index]) / spread)
    reward_error = root_mean_square((rewards - dataset.rewards[index]) / reward_spread)
    if not max(observation_error, reward_error) < _SAME:
        raise EnvError(
            f"{type(env).__name__} does not reproduce the transitions of {dataset.dataset_id}: next observations differ by "
            f"{observation_error:.2g} of their spread, rewards by {reward_error:.2g}; was the dataset collected in this "
            f"environment?"
        )


def _groups(contexts: Contexts) -> tuple[Array, Contexts]:
    """The group (N,) of each transition, about _GROUP transitions of one context in each; and the groups' contexts (G, p)."""
    unique, which, counts = np.unique(contexts, axis=0, return_inverse=True, return_counts=True)
    which = np.ravel(which)
    pieces = np.maximum(counts // _GROUP, 1)  # groups of each context
    order = np.argsort(which, kind="stable")
    rank = np.empty(len(contexts), dtype=np.int64)  # among the transitions of the same context
    rank[order] = np.arange(len(contexts)) - np.repeat(np.cumsum(counts) - counts, counts)
    return (np.cumsum(pieces) - pieces)[which] + rank % pieces[which], np.repeat(unique, pieces, axis=0)


def _spread(values: Array) -> Array:
    """Standard deviation of each column, or 1 where it is constant."""
    deviation = values.std(axis=0)
    level = np.abs(values).max(axis=0)
    return np.where(deviation > 1e-6 * level, deviation, 1.0)


def _eps(array: Array) -> float:
    return float(np.finfo(array.dtype).eps)
