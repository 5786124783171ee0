"""The environment and the contexts that a dataset was recorded in, checked against each other.

Dimensions: N transitions, E episodes, p context.
"""

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike

from offctx.contexts.space import Contexts, ContextSpace
from offctx.data.arrange import contexts_by_step
from offctx.data.derivatives.inputs import SimulationInputs
from offctx.data.derivatives.sources import StateSource
from offctx.data.episode_contexts import contexts_of_transitions, for_each_episode
from offctx.data.layout import NOISE
from offctx.data.shipped_envs import how_to_give_env, recorded_env
from offctx.data.storage.stored import StoredTransitions
from offctx.envs.base import ContextualEnv
from offctx.envs.resolve import EnvLike, ResolvedEnv, resolve
from offctx.errors import DatasetError, DerivativeError


def resolve_recorded_env(stored: StoredTransitions, env: EnvLike | None) -> ResolvedEnv:
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
        resolved = ResolvedEnv(instance, int(stored.transitions.lengths.max()), type(instance).__name__, None)
    else:
        resolved = resolve(instance)
    if not resolved.env.has_derivatives:
        raise DerivativeError(resolved.env.without_derivatives)
    _check_same_spaces(stored, resolved)
    return resolved


def _check_same_spaces(stored: StoredTransitions, resolved: ResolvedEnv) -> None:
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


def resolve_contexts(stored: StoredTransitions, given: ArrayLike | None, space: ContextSpace) -> Contexts:
    """Returns the context of each episode (E, p): the recorded ones, else the given ones, else the default for all.

    Raises:
        DatasetError: the given contexts are not the recorded ones.
        ContextError: the given contexts do not fit the context space or the number of episodes.
    """
    count, dataset_id = len(stored.transitions.lengths), stored.dataset_id
    recorded = contexts_of_transitions(stored.transitions, space, dataset_id)
    if given is None:
        return for_each_episode(space.default[None], count, dataset_id) if recorded is None else recorded
    contexts = for_each_episode(space.check_many(given), count, dataset_id)
    if recorded is not None and not np.array_equal(contexts, recorded):
        raise DatasetError(f"{stored.dataset_id} carries contexts, and they are not the ones given: leave contexts out")
    return contexts


def simulation_inputs(
    stored: StoredTransitions, source: StateSource, episode_contexts: Contexts, resolved: ResolvedEnv
) -> SimulationInputs:
    """Returns what the environment needs to take each transition again, in contexts (E, p).

    Raises:
        DatasetError: the environment is stochastic and the dataset does not hold its noise.
    """
    steps, size = stored.transitions.by_step, resolved.env.noise_size
    noise = stored.transitions.info(NOISE)
    if size:
        shape = None if noise is None else noise.shape[1:]
        if shape != (size,):
            raise DatasetError(
                f"{stored.dataset_id}: {resolved.name} is stochastic, so infos/noise with rows of shape ({size},) "
                f"is needed; found {'none' if shape is None else f'rows of shape {shape}'}"
            )
    return SimulationInputs(
        states=source.states,
        actions=steps["actions"],
        contexts=contexts_by_step(episode_contexts, stored),
        noise=noise if size else None,
        dtype=steps["observations"].dtype,
        size=len(steps["observations"]),
        discrete=isinstance(resolved.env.action_space, spaces.Discrete),
        state_arrays=source.arrays,
    )
