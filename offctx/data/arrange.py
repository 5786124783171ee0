"""The arrays of a dataset that was read, arranged as a ContextualDataset: contexts and derivatives found or given, all checked.

Dimensions: N transitions, E episodes, o observation, p context.
"""

import numpy as np
from gymnasium import spaces

from offctx.contexts.distinct import distinct_rows
from offctx.contexts.space import Contexts, ContextSpace
from offctx.data.about import About
from offctx.data.choice.part import metadata_of_part
from offctx.data.dataset import ContextualDataset
from offctx.data.episode_contexts import carries_contexts, contexts_of_transitions, recorded_contexts
from offctx.data.layout import CONTEXT, DERROR, DNEXT, DREWARD, NOISE, STATE
from offctx.data.relabelled import relabelled_metadata, without_derivatives
from offctx.data.shipped_envs import recorded_env
from offctx.data.storage.scratch import in_memory, on_disk
from offctx.data.storage.stored import StoredHeader, StoredTransitions
from offctx.data.transitions import Transitions, repeat_rows
from offctx.envs.resolve import family_of
from offctx.errors import DatasetError


def arranged(stored: StoredTransitions, space: ContextSpace, contexts: Contexts | None = None) -> ContextualDataset:
    """Returns the dataset that was read.

    Args:
        stored: the transitions that were read.
        space: of the contexts.
        contexts: the context of each episode (E, p), which goes before what is recorded; or None. Derivatives at other
            contexts are left out, with a warning.

    Raises:
        DatasetError: the dataset is inconsistent, or it has no contexts and none are given.
    """
    transitions, metadata = stored.transitions, stored.metadata
    given, recorded = contexts, None
    if contexts is None:
        contexts = contexts_of_transitions(transitions, space, stored.dataset_id)
    elif carries_contexts(transitions):
        recorded = recorded_contexts(transitions, stored.dataset_id)
        if recorded is not None and np.array_equal(recorded, contexts):
            given = None
        else:
            transitions = without_derivatives(transitions, stored.dataset_id)
    if contexts is None:
        raise DatasetError(without_contexts(stored.dataset_id, space, len(transitions.lengths)))
    _check_derivatives(transitions, stored, space)
    ends, lengths, steps = transitions.ends, np.array(transitions.lengths), transitions.by_step
    allocate = on_disk if stored.mapped else in_memory
    discrete = isinstance(stored.action_space, spaces.Discrete)
    errors = transitions.info(DERROR)
    if stored.numbers is not None and metadata is not None:
        metadata = metadata_of_part(metadata, stored.dataset_id, stored.numbers, errors)
    if metadata is not None and (given is not None or space != metadata.space()):
        has_derivatives = transitions.info(DNEXT) is not None
        metadata = relabelled_metadata(metadata, stored, space, recorded, given, has_derivatives=has_derivatives)
    return ContextualDataset(
        dataset_id=stored.dataset_id,
        context_space=space,
        observation_space=stored.observation_space,
        action_space=stored.action_space,
        observations=steps["observations"],
        actions=steps["actions"].reshape(int(lengths.sum())) if discrete else steps["actions"],
        rewards=steps["rewards"],
        next_observations=steps["next_observations"],
        terminations=steps["terminations"],
        truncations=steps["truncations"],
        contexts=contexts_by_step(contexts, stored),
        context_ids=repeat_rows(distinct_rows(contexts)[1], lengths, allocate),
        episode_starts=ends - lengths,
        episode_ends=ends,
        dnext_observation_dcontext=transitions.info(DNEXT),
        dreward_dcontext=transitions.info(DREWARD),
        derivative_errors=errors,
        states=transitions.info(STATE),
        noise=transitions.info(NOISE),
        metadata=metadata,
        about=About.of(stored.raw),
        env_spec=stored.raw.get("env_spec"),
        episode_seeds=transitions.by_episode.get("seeds"),
        episode_last_states=transitions.by_episode.get(f"rest/{STATE}"),
        episode_numbers=stored.numbers,
        lazy=stored.mapped,
    )


def contexts_by_step(contexts: Contexts, stored: StoredTransitions) -> Contexts:
    """The context of each transition (N, p) from those of episodes (E, p): the recorded array, where it is mapped.

    The recorded contexts do not change within an episode; `contexts_of_transitions` has checked this.
    """
    recorded, last = stored.transitions.info(CONTEXT), stored.transitions.ends - 1
    usable = stored.mapped and recorded is not None and recorded.dtype == np.float64
    if usable and recorded is not None and np.array_equal(recorded[last], contexts):
        return recorded
    return repeat_rows(contexts, stored.transitions.lengths, on_disk if stored.mapped else in_memory)


def space_of(header: StoredHeader, space: ContextSpace | None, count: int) -> ContextSpace:
    """Returns the context space: the given one, that of the metadata, or that of the environment where offctx ships it.

    Args:
        header: of the dataset.
        space: that the caller gives; or None.
        count: E, for messages.

    Raises:
        DatasetError: it is not known.
    """
    if space is not None:
        return space
    if header.metadata is not None:
        return header.metadata.space()
    env = recorded_env(header)
    if env is None:
        raise DatasetError(
            f"{header.dataset_id} does not say what its contexts are: pass context_space=ContextSpace(...) (that of the "
            f"environment that was recorded, env.unwrapped.context_space) and, where the episodes carry no context either, "
            f"contexts=array of shape ({count}, p)"
        )
    return family_of(env)[0].context_space


def without_contexts(dataset_id: str, space: ContextSpace, count: int) -> str:
    """The message for a dataset that carries no contexts."""
    return (
        f"{dataset_id} carries no contexts: record it with record_infos=True, or pass contexts=array of shape "
        f"({count}, {space.size}), one row an episode"
    )


def _check_derivatives(transitions: Transitions, stored: StoredTransitions, space: ContextSpace) -> None:
    shapes = {DNEXT: (*stored.observation_space.shape, space.size), DREWARD: (space.size,), DERROR: ()}
    for key, shape in shapes.items():
        rows = transitions.info(key)
        if rows is not None and rows.shape[1:] != shape:
            raise DatasetError(f"{stored.dataset_id}: infos/{key} has rows of shape {rows.shape[1:]}; expected {shape}")
