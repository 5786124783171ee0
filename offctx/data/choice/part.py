"""Some episodes of a dataset as a dataset: views where they are successive, else copies; and what its metadata say.

Dimensions: N transitions, E episodes, k chosen episodes.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from offctx.contexts.distinct import distinct_rows
from offctx.data.choice.choice import Choice
from offctx.data.metadata import Metadata
from offctx.data.relabelled import RELABELLED
from offctx.data.storage.scratch import in_memory, on_disk
from offctx.data.transitions import repeat_rows, rows_of, run_of, take_rows
from offctx.envs.base import Array

if TYPE_CHECKING:
    from offctx.data.dataset import ContextualDataset

PART_OF = "part_of"  # in the recipe of a part


def select(dataset: "ContextualDataset", choice: Choice) -> "ContextualDataset":
    """Returns the chosen episodes of a dataset; `ContextualDataset.select` says how."""
    if choice.everything:
        return dataset
    contexts = dataset.contexts[dataset.episode_starts]
    numbers = choice.numbers(dataset.num_episodes, lambda: (contexts, dataset.context_space), dataset.dataset_id)
    return part_of(dataset, numbers)


def part_of(dataset: "ContextualDataset", numbers: Array) -> "ContextualDataset":
    """Some episodes, in ascending order of their numbers (k,), with metadata that say of what they are a part."""
    if len(numbers) == dataset.num_episodes:
        return dataset
    part = take_episodes(dataset, numbers)
    source = numbers if dataset.episode_numbers is None else dataset.episode_numbers[numbers]
    _, ids = distinct_rows(part.episode_context_ids)
    lengths = part.episode_ends - part.episode_starts
    metadata = dataset.metadata
    if metadata is not None:
        metadata = metadata_of_part(metadata, dataset.dataset_id, source, part.derivative_errors)
    changes: dict[str, Any] = {"episode_numbers": source, "metadata": metadata}
    if (ids != part.episode_context_ids).any():
        changes["context_ids"] = repeat_rows(ids, lengths, on_disk if dataset.lazy else in_memory)
    return dataclasses.replace(part, **changes)


def take_episodes(dataset: "ContextualDataset", numbers: Array) -> "ContextualDataset":
    """The episodes with some numbers (k,), in the given order; their context ids and the metadata stay as they are."""
    lengths = dataset.episode_ends - dataset.episode_starts
    run, ends = run_of(numbers), np.cumsum(lengths[numbers])
    in_files = dataset.lazy and run is None
    rows = None if in_files else rows_of(dataset.episode_ends, lengths, numbers)
    columns: dict[str, Any] = {}
    for field in dataclasses.fields(dataset):
        value = getattr(dataset, field.name)
        if isinstance(value, np.ndarray):
            if field.name.startswith("episode_"):
                columns[field.name] = value[numbers if run is None else run]
            elif in_files:
                columns[field.name] = take_rows(value, dataset.episode_ends, lengths, numbers, on_disk)
            else:
                columns[field.name] = value[rows]
    return dataclasses.replace(dataset, **columns | {"episode_starts": ends - lengths[numbers], "episode_ends": ends})


def metadata_of_part(metadata: Metadata, dataset_id: str, numbers: Array, errors: Array | None) -> Metadata:
    """The metadata of some episodes.

    Args:
        metadata: of the whole dataset, or of a part of it.
        dataset_id: of the whole dataset.
        numbers: of the episodes in the whole dataset (k,).
        errors: `derivative_errors` of their transitions, or None.

    Returns:
        The metadata, whose recipe names the whole dataset, its checksums and the episodes under "part_of". They have no
        checksums, which a writer fills in.
    """
    source = metadata.recipe.get(PART_OF)
    if not (isinstance(source, dict) and source.get("dataset_id") == dataset_id and not metadata.sha256):  # no part of a part
        source = {"dataset_id": dataset_id} | _checksums(metadata, dataset_id)
        if PART_OF in metadata.recipe:
            source[PART_OF] = metadata.recipe[PART_OF]
    about = {**source, "episodes": runs(numbers)}
    changes: dict[str, Any] = {"recipe": metadata.recipe | {PART_OF: about}, "sha256": "", "metadata_sha256": None}
    derivatives = metadata.derivatives
    if derivatives is not None and derivatives.flagged is not None and errors is not None:
        flagged = int((errors > (derivatives.tolerance or 0.0)).sum())
        changes["derivatives"] = derivatives.model_copy(update={"flagged": flagged})
    return metadata.model_copy(update=changes)


def _checksums(metadata: Metadata, dataset_id: str) -> dict[str, Any]:
    """The checksums of the stored dataset, whose metadata these are, or which was relabelled when it was loaded."""
    relabelled = metadata.recipe.get(RELABELLED)
    loaded = metadata.metadata_sha256 is None and isinstance(relabelled, dict) and relabelled.get("dataset_id") == dataset_id
    known = relabelled if loaded and isinstance(relabelled, dict) else vars(metadata)
    return {name: known.get(name) for name in ("sha256", "metadata_sha256")}


def runs(numbers: Array) -> list[list[int]]:
    """Ascending numbers (k,) as pairs [first, one past the last] of successive ones."""
    cuts = np.flatnonzero(np.diff(numbers) != 1) + 1
    begins, ends = np.concatenate([[0], cuts]), np.concatenate([cuts, [len(numbers)]])
    return [[int(numbers[begin]), int(numbers[end - 1]) + 1] for begin, end in zip(begins, ends, strict=True)]
