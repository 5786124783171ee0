"""What a dataset says of itself where it is loaded in other contexts, or in another context space, than it was recorded in.

Dimensions: E episodes, p context, q recorded context.
"""

import warnings
from typing import Any

import numpy as np

from offctx.contexts.space import Contexts, ContextSpace
from offctx.data.layout import DERROR, DNEXT, DREWARD
from offctx.data.metadata import Metadata
from offctx.data.storage.stored import StoredHeader
from offctx.data.transitions import Transitions
from offctx.errors import OffctxWarning

RELABELLED = "relabelled"  # in the recipe
_DERIVATIVES = (DNEXT, DREWARD, DERROR)
_PAIRS = 100  # of recorded and given contexts that the recipe lists at most


def without_derivatives(transitions: Transitions, dataset_id: str) -> Transitions:
    """The transitions without derivatives, which are those at the recorded contexts; with a warning where there are any."""
    if not any(transitions.info(name) is not None for name in _DERIVATIVES):
        return transitions
    warnings.warn(
        f"{dataset_id}: its context derivatives are left out, as they are those at the recorded contexts, not at the contexts "
        f"that relabel gives; save the dataset, and attach_derivatives computes them anew",
        OffctxWarning,
        stacklevel=4,
    )
    dropped = {f"{place}/{name}" for place in ("infos", "rest") for name in _DERIVATIVES}
    by_step, by_episode = (
        {name: array for name, array in arrays.items() if name not in dropped}
        for arrays in (transitions.by_step, transitions.by_episode)
    )
    return Transitions(by_step, by_episode)


def relabelled_metadata(
    metadata: Metadata,
    source: StoredHeader,
    space: ContextSpace,
    recorded: Contexts | None,
    given: Contexts | None,
    *,
    has_derivatives: bool,
) -> Metadata:
    """The metadata of a dataset in other contexts than the recorded ones, or in another context space.

    Args:
        metadata: of what was read: of the whole dataset, or of a part of it.
        source: the dataset on the disk.
        space: the context space.
        recorded: the contexts that the episodes carry (E, q); None where they carry none, or one that changes.
        given: the contexts that go before them (E, p); None where the recorded ones stay.
        has_derivatives: whether derivatives have stayed.

    Returns:
        Metadata in `space`, whose recipe says under "relabelled" of which dataset these are the data, and what was changed.
        With given contexts, they have no checksum of the data, which are others now.
    """
    of: dict[str, Any] = {"dataset_id": source.dataset_id}
    if source.metadata is not None:
        of |= {"sha256": source.metadata.sha256, "metadata_sha256": source.metadata.metadata_sha256}
    if space != metadata.space():
        of["recorded_context_space"] = metadata.context_space
    changes: dict[str, Any] = {"metadata_sha256": None, "context_space": space.to_dict()}
    if given is not None:
        of |= _changed(recorded, given)
        changes["sha256"] = ""
    if not has_derivatives:
        changes["derivatives"] = None
    if RELABELLED in metadata.recipe:
        of[RELABELLED] = metadata.recipe[RELABELLED]
    return metadata.model_copy(update=changes | {"recipe": metadata.recipe | {RELABELLED: of}})


def _changed(recorded: Contexts | None, given: Contexts) -> dict[str, Any]:
    """How many episodes have another context than the recorded one, and the first of the distinct contexts before and now."""
    if recorded is None:
        distinct = np.unique(given, axis=0)
        return {"episodes": len(given), "contexts": [{"given": row} for row in distinct[:_PAIRS].tolist()]}
    other = np.full(len(given), True) if recorded.shape != given.shape else (recorded != given).any(axis=1)
    pairs = np.unique(np.hstack([recorded, given])[other], axis=0)[:_PAIRS]
    size = recorded.shape[1]
    listed = [{"recorded": row[:size], "given": row[size:]} for row in pairs.tolist()]
    return {"episodes": int(other.sum()), "contexts": listed}
