"""Several datasets of one family combined into a new one, which keeps all that each of them tells."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from offctx.data.about import About
from offctx.data.composition.family import check_same_arrays, check_same_family, kinds_of
from offctx.data.composition.part import Part, part_of_dataset, part_on_disk
from offctx.data.composition.write import write_blocks
from offctx.data.dataset import ContextualDataset
from offctx.data.episodes import Episodes
from offctx.data.load import load_dataset
from offctx.data.metadata import Behaviour, Derivatives, Metadata, installed_packages
from offctx.data.storage.episode_file import Compression
from offctx.data.storage.limits import machine_memory
from offctx.data.storage.place import unused_dataset_folder
from offctx.data.unread import READ_AT_ONCE, UnreadDataset, read_as_written
from offctx.errors import DatasetError


def combine(
    datasets: Sequence[str | ContextualDataset],
    new_id: str,
    *,
    description: str | None = None,
    compression: Compression | None = None,
    progress: bool = True,
) -> ContextualDataset:
    """Writes the episodes of several datasets into a new one, one dataset after another.

    Contexts, seeds of the resets, states and derivatives stay; the metadata name each dataset with its checksums, behaviour and
    recipe. A warning names what the layout has no place for: other infos, other options of resets, and seeds that only some
    episodes of a dataset have. Memory stays flat: episodes go from file to file, some at a time. The new dataset appears under
    its id only when it is complete.

    Args:
        datasets: ids, or datasets in memory, such as parts that `select` returns; at least one.
        new_id: an id that no dataset has.
        description: a sentence for the metadata; where not given, one that names the datasets.
        compression: "gzip" makes the files smaller and slower to read; None does not.
        progress: show a progress bar.

    Returns:
        The new dataset, as `load_dataset` returns it. Of more than 262,144 transitions, the arrays are read when they are first
        used; lazily where they and a buffer take more than half of the machine's memory.

    Raises:
        DatasetError: a dataset is missing or damaged, is named twice, or is of another family than the first, in what the
            message says; the new id is malformed or taken; or the disk is full. Nothing is left then.

    Example::

        names = ["offctx/PendulumGoal/random-v0", "offctx/PendulumGoal/expert-v0"]
        dataset = offctx.combine(names, "offctx/PendulumGoal/both-v0")
    """
    written = write_combined(datasets, new_id, description=description, compression=compression, progress=progress)
    dataset = UnreadDataset(new_id, written, _load)
    return dataset if len(dataset) > READ_AT_ONCE else read_as_written(new_id, written, _load)


def _load(dataset_id: str) -> ContextualDataset:
    try:
        return load_dataset(dataset_id, memory_budget=machine_memory() // 2)
    except DatasetError:  # no room for a flat copy
        return load_dataset(dataset_id)


def write_combined(
    datasets: Sequence[str | ContextualDataset],
    new_id: str,
    *,
    description: str | None = None,
    compression: Compression | None = None,
    progress: bool = True,
) -> Metadata:
    """Writes the dataset that `combine` returns, with the same arguments and errors; returns its metadata."""
    unused_dataset_folder(new_id)
    parts = _parts(datasets)
    for part in parts[1:]:
        check_same_family(parts[0], part)
    total = sum(part.episodes for part in parts)
    with tqdm(total=total, desc=f"combining {new_id}", unit="episode", disable=not progress) as bar:
        return write_blocks(
            new_id,
            parts[0],
            _metadata(parts),
            _about(parts, description),
            lambda folder: _blocks(parts, folder, bar),
            "combining",
            compression=compression,
        )


def _parts(datasets: Any) -> list[Part]:
    if isinstance(datasets, str | ContextualDataset) or not isinstance(datasets, Sequence) or not datasets:
        raise DatasetError(f"expected a list of dataset ids or of datasets; found {datasets!r}")
    for each in datasets:
        if not isinstance(each, str | ContextualDataset):
            raise DatasetError(f"expected dataset ids, or datasets; found {each!r}")
        if sum(each is other or (isinstance(each, str) and each == other) for other in datasets) > 1:
            raise DatasetError(f"{each if isinstance(each, str) else each.dataset_id} is named twice")
    return [_part(each) for each in datasets]


def _part(dataset: str | ContextualDataset) -> Part:
    if isinstance(dataset, ContextualDataset):
        return part_of_dataset(dataset)
    return part_on_disk(dataset) or part_of_dataset(load_dataset(dataset))


def _blocks(parts: list[Part], folder: Path, bar: Any) -> Iterator[Episodes]:
    kinds: dict[str, Any] | None = None
    for k, part in enumerate(parts):
        for episodes in part.blocks(folder / f"arrays-{k}"):
            if kinds is None:
                kinds = kinds_of(episodes)
            check_same_arrays(parts[0], kinds, part, episodes)
            yield episodes
            bar.update(len(episodes.lengths))


def _metadata(parts: list[Part]) -> Metadata:
    first = parts[0].metadata
    packages = [part.metadata.packages for part in parts]
    return first.model_copy(
        update={
            "behaviour": _behaviour(parts),
            "derivatives": _derivatives(parts),
            "recipe": {"combined": [_described(part) for part in parts]},
            "packages": packages[0] if all(each == packages[0] for each in packages) else installed_packages(),
            "sha256": "",
            "metadata_sha256": None,
        }
    )


def _described(part: Part) -> dict[str, Any]:
    """What the metadata of the new dataset say of one of its parts."""
    metadata = part.metadata
    return {
        "dataset_id": part.dataset_id,
        "episodes": part.episodes,
        "sha256": metadata.sha256,
        "metadata_sha256": metadata.metadata_sha256,
        "behaviour": metadata.behaviour.model_dump(),
        "recipe": metadata.recipe,
        "packages": metadata.packages,
    }


def _behaviour(parts: list[Part]) -> Behaviour:
    """All policies, each with the share of episodes that it played on average; those of one name are one policy."""
    total = sum(part.episodes for part in parts)
    weights: dict[str, float] = {}
    for part in parts:
        for name, weight in zip(part.metadata.behaviour.policies, part.metadata.behaviour.weights, strict=True):
            weights[name] = weights.get(name, 0.0) + weight * part.episodes / total
    modes = {part.metadata.behaviour.context for part in parts}
    return Behaviour(
        policies=list(weights), weights=list(weights.values()), context=modes.pop() if len(modes) == 1 else "mixed"
    )


def _derivatives(parts: list[Part]) -> Derivatives | None:
    """How derivatives were computed, with the largest error of any part and the flagged rows of all."""
    all_of = [part.metadata.derivatives for part in parts if part.metadata.derivatives is not None]
    if not all_of:
        return None
    errors, flagged = [each.error for each in all_of], [each.flagged for each in all_of]
    return all_of[0].model_copy(
        update={
            "error": max((error for error in errors if error is not None), default=None),
            "flagged": None if None in flagged else sum(number for number in flagged if number is not None),
        }
    )


def _about(parts: list[Part], description: str | None) -> About:
    """Authors of all parts; the license and the code where they are the same."""
    descriptions = [part.about for part in parts]
    names = ", ".join(part.dataset_id for part in parts)
    return About.check(
        description=description or f"Combined from {names}.",
        author=list(dict.fromkeys(author for about in descriptions for author in about.author)) or None,
        author_email=list(dict.fromkeys(email for about in descriptions for email in about.author_email)) or None,
        license=descriptions[0].license if all(about.license == descriptions[0].license for about in descriptions) else None,
        code_permalink=descriptions[0].code_permalink
        if all(about.code_permalink == descriptions[0].code_permalink for about in descriptions)
        else None,
    )
