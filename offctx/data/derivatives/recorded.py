"""The environment and the contexts that a dataset was recorded in, checked against each other.

Dimensions: N transitions, E episodes, p context.
"""

from dataclasses import replace

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike

from offctx.contexts.space import Contexts, ContextSpace
from offctx.data.derivatives.inputs import SimulationInputs
from offctx.data.derivatives.sources import StateSource
from offctx.data.episode_contexts import one_context_per_episode, recorded_contexts
from offctx.data.shipped_envs import how_to_give_env, recorded_env
from offctx.data.storage.stored import StoredDataset
from offctx.envs.base import ContextualEnv
from offctx.envs.resolve import EnvLike, ResolvedEnv, resolve
from offctx.errors import DatasetError, DerivativeError


def resolve_recorded_env(stored: StoredDataset, env: EnvLike | None) -> ResolvedEnv:
    """Returns the environment family of a dataset: the given one, else the one that the dataset names.

    An environment without a time limit gets that of the longest episode.

    Raises:
        DatasetError: none is given or named, or its contexts, observations or actions are not those of the dataset.
        DerivativeError: it has no context derivatives.
    """
    env_like = recorded_env(stored) if env is None else env
    if env_like is None:
        raise DatasetError(
            f"{stored.dataset_id} does not name an environment of offctx that made it: "
            f"{how_to_give_env(stored.raw.get('env_spec'))}"
        )
    instance = env_like if isinstance(env_like, str | gymnasium.Env) or not callable(env_like) else env_like()
    if isinstance(instance, ContextualEnv) and instance.spec is None:
        resolved = ResolvedEnv(instance, int(stored.episodes.lengths.max()), type(instance).__name__, None)
    else:
        resolved = resolve(instance)
    if not resolved.env.has_derivatives:
        raise DerivativeError(resolved.env.without_derivatives)
    _check_same_spaces(stored, resolved)
    return resolved


def _check_same_spaces(stored: StoredDataset, resolved: ResolvedEnv) -> None:
    names = resolved.env.context_space.names
    if stored.metadata and tuple(stored.metadata.space().names) != tuple(names):
        raise DatasetError(
            f"the contexts of {stored.dataset_id} are {list(stored.metadata.space().names)}; those of {resolved.name} are "
            f"{list(names)}: another environment, or other parameters of it"
        )
    for kind in ("observation_space", "action_space"):
        recorded, expected = getattr(stored, kind), getattr(resolved.env, kind)
        if (
            type(recorded) is not type(expected)
            or recorded.shape != expected.shape
            or getattr(recorded, "n", 0) != getattr(expected, "n", 0)
        ):
            raise DatasetError(
                f"{kind} of {stored.dataset_id} is {recorded}; that of {resolved.name} is {expected}: another environment"
            )


def resolve_contexts(stored: StoredDataset, given: ArrayLike | None, space: ContextSpace) -> Contexts:
    """Returns the context of each episode (E, p): the recorded ones, else the given ones, else the default for all.

    Raises:
        DatasetError: the given contexts are not the recorded ones.
        ContextError: the given contexts do not fit the context space or the number of episodes.
    """
    recorded = recorded_contexts(stored, space)
    if given is None:
        return one_context_per_episode(stored, space.default[None]) if recorded is None else recorded
    contexts = one_context_per_episode(stored, space.check_many(given))
    if recorded is not None and not np.array_equal(contexts, recorded):
        raise DatasetError(f"{stored.dataset_id} carries contexts, and they are not the ones given: leave contexts out")
    return contexts


def simulation_inputs(
    stored: StoredDataset, source: StateSource, episode_contexts: Contexts, resolved: ResolvedEnv
) -> SimulationInputs:
    """Returns what the environment needs to take each transition again, in contexts (E, p).

    Raises:
        DatasetError: the environment is stochastic and the dataset does not hold its noise.
    """
    episodes, size = stored.episodes, resolved.env.noise_size
    inputs = SimulationInputs.of(episodes, source.states, np.repeat(episode_contexts, episodes.lengths, axis=0))
    if size:
        shape = None if inputs.noise is None else inputs.noise.shape[1:]
        if shape != (size,):
            raise DatasetError(
                f"{stored.dataset_id}: {resolved.name} is stochastic, so infos/noise with rows of shape ({size},) "
                f"is needed; found {'none' if shape is None else f'rows of shape {shape}'}"
            )
    discrete = isinstance(resolved.env.action_space, spaces.Discrete)
    actions = inputs.actions.reshape(len(inputs)).astype(np.int64) if discrete else np.array(inputs.actions)
    return replace(inputs, actions=actions, noise=inputs.noise if size else None)
