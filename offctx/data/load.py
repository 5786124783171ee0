"""Datasets loaded by id, ours and other people's: contexts and derivatives found or given, all checked."""

import json
from typing import TYPE_CHECKING

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike

from offctx.contexts.space import Contexts, ContextSpace
from offctx.data.layout import DERROR, DNEXT, DREWARD, NOISE, STATE, episode_contexts
from offctx.data.storage.storage import Stored, read_dataset
from offctx.envs.base import Array
from offctx.envs.resolve import resolve
from offctx.errors import ContextError, DatasetError

if TYPE_CHECKING:
    pass
from offctx.data.dataset import ContextualDataset

_OF_TRANSITIONS = (DNEXT, DREWARD, DERROR, NOISE)  # infos whose row t + 1 belongs to transition t


def load_dataset(
    dataset_id: str,
    *,
    contexts: ArrayLike | None = None,
    context_space: ContextSpace | None = None,
    cache: bool = True,
) -> ContextualDataset:
    """Load a dataset of offctx, one recorded from an offctx environment, or any Minari dataset with contexts supplied.

    Args:
        dataset_id: Minari id below MINARI_DATASETS_PATH.
        contexts: (episodes, p), for a dataset that carries none; or (p,) for one context throughout.
        context_space: what these contexts mean; for a dataset that does not say.
        cache: keep a flat copy beside the datasets (hidden folder), so that the next load is much faster.

    Raises:
        DatasetError: missing, truncated, inconsistent, or without contexts and none were given.
        ContextError: the contexts do not fit the context space.
    """
    stored = read_dataset(dataset_id, cache=cache)
    return from_stored(stored, contexts=contexts, context_space=context_space)


def from_stored(
    stored: Stored, *, contexts: ArrayLike | None = None, context_space: ContextSpace | None = None
) -> ContextualDataset:
    """The flat arrays of a dataset that has been read."""
    episodes, name = stored.episodes, stored.dataset_id
    space = context_space or (stored.metadata.space() if stored.metadata else _space_of_env(stored))
    per_episode = _contexts_of(stored, contexts, space)
    first = episodes.first_rows
    owner = np.repeat(np.arange(len(episodes.lengths)), episodes.lengths)
    discrete = isinstance(stored.action_space, spaces.Discrete)
    infos = {key: rows.take(first + 1, axis=0) for key, rows in episodes.infos.items() if key in _OF_TRANSITIONS}
    return ContextualDataset(
        dataset_id=name,
        context_space=space,
        observation_space=stored.observation_space,
        action_space=stored.action_space,
        observations=episodes.observations.take(first, axis=0),
        actions=episodes.actions.reshape(len(owner)) if discrete else np.array(episodes.actions),
        rewards=np.array(episodes.rewards),
        next_observations=episodes.observations.take(first + 1, axis=0),
        terminations=np.array(episodes.terminations),
        truncations=np.array(episodes.truncations),
        contexts=per_episode[owner],
        context_ids=_first_appearance_ids(per_episode)[owner],
        episode_starts=episodes.step_ends - episodes.lengths,
        episode_ends=episodes.step_ends,
        dnext_observation_dcontext=_derivative(infos, DNEXT, (*stored.observation_space.shape, space.size), name),
        dreward_dcontext=_derivative(infos, DREWARD, (space.size,), name),
        derivative_errors=_derivative(infos, DERROR, (), name),
        states=episodes.infos[STATE].take(first, axis=0) if STATE in episodes.infos else None,
        noise=infos.get(NOISE),
        metadata=stored.metadata,
    )


def own_env_id(stored: Stored) -> str | None:
    """The id of the environment that was recorded, where it ships with offctx: an environment of another is never made."""
    try:
        env_id = stored.metadata.env if stored.metadata else str(json.loads(stored.raw["env_spec"])["id"])
    except (KeyError, ValueError, TypeError):
        return None
    return env_id if env_id.startswith("offctx/") and env_id in gymnasium.registry else None


def _space_of_env(stored: Stored) -> ContextSpace:
    env_id = own_env_id(stored)
    if env_id is None:
        raise DatasetError(
            f"{stored.dataset_id} does not say what its contexts are: pass context_space=ContextSpace(...) and, where "
            f"the episodes carry no context either, contexts=array of shape ({len(stored.episodes.lengths)}, p)"
        )
    return resolve(env_id).env.context_space


def _contexts_of(stored: Stored, given: ArrayLike | None, space: ContextSpace) -> Contexts:
    if given is not None:
        return given_contexts(stored, space.check_many(given, extrapolate=True))
    found = carried_contexts(stored, space)
    if found is None:
        raise DatasetError(
            f"{stored.dataset_id} carries no contexts: record it with record_infos=True, or pass contexts=array of shape "
            f"({len(stored.episodes.lengths)}, {space.size}), one row an episode"
        )
    return found


def given_contexts(stored: Stored, rows: Contexts) -> Contexts:
    """The context of each episode (E, p) from (E, p), or from (1, p) for all of them."""
    e = len(stored.episodes.lengths)
    if len(rows) not in (1, e):
        raise ContextError(
            f"{stored.dataset_id} has {e} episodes; expected contexts ({e}, {rows.shape[1]}), found {rows.shape}"
        )
    return np.repeat(rows, e, axis=0) if len(rows) == 1 else rows


def carried_contexts(stored: Stored, space: ContextSpace) -> Contexts | None:
    """The context of each episode (E, p) that the dataset carries, or None."""
    found = episode_contexts(stored.episodes, stored.dataset_id)
    try:
        return None if found is None else space.check_many(found, extrapolate=True)
    except ContextError as error:
        raise DatasetError(f"{stored.dataset_id}: its contexts do not fit its context space: {error}") from error


def _derivative(infos: dict[str, Array], key: str, shape: tuple[int, ...], name: str) -> Array | None:
    found = infos.get(key)
    if found is not None and found.shape[1:] != shape:
        raise DatasetError(f"{name}: infos/{key} has rows of shape {found.shape[1:]}; expected {shape}")
    return found


def _first_appearance_ids(contexts: Contexts) -> Array:
    _, first, inverse = np.unique(contexts, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[np.ravel(inverse)]
