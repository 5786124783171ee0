"""Datasets loaded by id, ours and other people's: contexts and derivatives found or given, all checked.

Dimensions: N transitions, E episodes, o observation, p context.
"""

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike

from offctx.contexts.space import Contexts, ContextSpace
from offctx.data.about import About
from offctx.data.dataset import ContextualDataset
from offctx.data.episode_contexts import one_context_per_episode, recorded_contexts
from offctx.data.layout import DERROR, DNEXT, DREWARD, NOISE, STATE
from offctx.data.sharing.pinned import check_pinned
from offctx.data.shipped_envs import recorded_env
from offctx.data.storage.read import read_dataset
from offctx.data.storage.stored import StoredDataset
from offctx.envs.base import Array
from offctx.envs.resolve import family_of
from offctx.errors import DatasetError

_INFOS_OF_TRANSITIONS = (DNEXT, DREWARD, DERROR, NOISE)  # row t + 1 belongs to transition t


def load_dataset(
    dataset_id: str,
    *,
    contexts: ArrayLike | None = None,
    context_space: ContextSpace | None = None,
    sha256: str | None = None,
    cache: bool = True,
    max_bytes: int | None = None,
) -> ContextualDataset:
    """Loads a dataset of offctx, one recorded from an offctx environment, or any Minari dataset whose contexts are given.

    Args:
        dataset_id: Minari id, below MINARI_DATASETS_PATH.
        contexts: (E, p), one for each episode, or (p,) for all of them; for a dataset that carries no contexts.
        context_space: names, units and bounds of the contexts; for a dataset that does not describe them.
        sha256: refuse another dataset than this one: its content hash, as `push` prints it and lock files have it (all of
            its files are read to compare it), or its checksum, as `offctx show` prints it.
        cache: read and write a flat copy in a hidden folder beside the datasets, which makes the next load much faster.
        max_bytes: what the arrays may take in memory, which a small hostile file must not exhaust. Where not given, the
            environment variable OFFCTX_MAX_BYTES; without it 200 times the size of the files (at least 256 MiB), and at most
            half of the machine's memory.

    Returns:
        The dataset as flat, aligned, read-only arrays.

    Raises:
        DatasetError: the dataset is missing, truncated or inconsistent, refers to files outside of its folder, takes more than
            `max_bytes`, is not that of `sha256`, or has no contexts and none are given.
        ContextError: the contexts do not fit the context space.

    Example::

        dataset = offctx.load_dataset("offctx/PendulumGoal/random-v0")
        hopper = offctx.load_dataset(
            "mujoco/hopper/medium-v0",
            contexts=[9.81],
            context_space=offctx.ContextSpace(["gravity"], low=1.0, high=20.0, default=9.81, units=["m/s^2"]),
        )
    """
    stored = read_dataset(dataset_id, cache=cache, max_bytes=max_bytes)
    if sha256 is not None:
        check_pinned(stored, sha256)
    return to_contextual_dataset(stored, contexts=contexts, context_space=context_space)


def to_contextual_dataset(
    stored: StoredDataset, *, contexts: ArrayLike | None = None, context_space: ContextSpace | None = None
) -> ContextualDataset:
    """Arranges the arrays of a dataset that has been read by transitions.

    Args:
        stored: the dataset as it was read.
        contexts: (E, p), one for each episode, or (p,) for all of them; for a dataset that carries no contexts.
        context_space: names, units and bounds of the contexts; for a dataset that does not describe them.

    Raises:
        DatasetError: the dataset is inconsistent, or it has no contexts and none are given.
        ContextError: the contexts do not fit the context space.
    """
    episodes = stored.episodes
    space = context_space or (stored.metadata.space() if stored.metadata else _space_of_env(stored))
    episode_contexts = _episode_contexts(stored, contexts, space)
    first_rows = episodes.first_rows
    episode_of = np.repeat(np.arange(len(episodes.lengths)), episodes.lengths)
    discrete = isinstance(stored.action_space, spaces.Discrete)
    infos = {key: rows.take(first_rows + 1, axis=0) for key, rows in episodes.infos.items() if key in _INFOS_OF_TRANSITIONS}
    _check_derivatives(infos, stored, space)
    return ContextualDataset(
        dataset_id=stored.dataset_id,
        context_space=space,
        observation_space=stored.observation_space,
        action_space=stored.action_space,
        observations=episodes.observations.take(first_rows, axis=0),
        actions=episodes.actions.reshape(len(episode_of)) if discrete else np.array(episodes.actions),
        rewards=np.array(episodes.rewards),
        next_observations=episodes.observations.take(first_rows + 1, axis=0),
        terminations=np.array(episodes.terminations),
        truncations=np.array(episodes.truncations),
        contexts=episode_contexts[episode_of],
        context_ids=_ids_by_first_appearance(episode_contexts)[episode_of],
        episode_starts=episodes.step_ends - episodes.lengths,
        episode_ends=episodes.step_ends,
        dnext_observation_dcontext=infos.get(DNEXT),
        dreward_dcontext=infos.get(DREWARD),
        derivative_errors=infos.get(DERROR),
        states=episodes.infos[STATE].take(first_rows, axis=0) if STATE in episodes.infos else None,
        noise=infos.get(NOISE),
        metadata=stored.metadata,
        about=About.of(stored.raw),
        env_spec=stored.raw.get("env_spec"),
    )


def _space_of_env(stored: StoredDataset) -> ContextSpace:
    """The context space of the environment that was recorded, where that ships with offctx."""
    env = recorded_env(stored)
    if env is None:
        raise DatasetError(
            f"{stored.dataset_id} does not say what its contexts are: pass context_space=ContextSpace(...) (that of the "
            f"environment that was recorded, env.unwrapped.context_space) and, where the episodes carry no context either, "
            f"contexts=array of shape ({len(stored.episodes.lengths)}, p)"
        )
    return family_of(env)[0].context_space


def _episode_contexts(stored: StoredDataset, given: ArrayLike | None, space: ContextSpace) -> Contexts:
    """The context of each episode (E, p): the given ones, else the recorded ones."""
    if given is not None:
        return one_context_per_episode(stored, space.check_many(given, extrapolate=True))
    contexts = recorded_contexts(stored, space)
    if contexts is None:
        raise DatasetError(
            f"{stored.dataset_id} carries no contexts: record it with record_infos=True, or pass contexts=array of shape "
            f"({len(stored.episodes.lengths)}, {space.size}), one row an episode"
        )
    return contexts


def _check_derivatives(infos: dict[str, Array], stored: StoredDataset, space: ContextSpace) -> None:
    shapes = {DNEXT: (*stored.observation_space.shape, space.size), DREWARD: (space.size,), DERROR: ()}
    for key, shape in shapes.items():
        if key in infos and infos[key].shape[1:] != shape:
            raise DatasetError(f"{stored.dataset_id}: infos/{key} has rows of shape {infos[key].shape[1:]}; expected {shape}")


def _ids_by_first_appearance(contexts: Contexts) -> Array:
    """The id of each context (E,): equal contexts share one, numbered in the order in which they first appear."""
    _, first, inverse = np.unique(contexts, axis=0, return_index=True, return_inverse=True)
    ids = np.empty(len(first), dtype=np.int64)
    ids[np.argsort(first)] = np.arange(len(first))
    return ids[np.ravel(inverse)]
