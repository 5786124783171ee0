"""What is combined or saved: a dataset on the disk or in memory, as a description and episodes that come block by block."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from h5py import h5a

from offctx.data.about import About
from offctx.data.checksums import SpooledChecksum
from offctx.data.choice.part import metadata_of_part
from offctx.data.composition.left_out import some_of, warn_of_left_out, warn_of_left_out_by
from offctx.data.composition.transitions_of import blocks_of
from offctx.data.episodes import Episodes
from offctx.data.metadata import LAYOUT_VERSION, Behaviour, Derivatives, Metadata, installed_packages
from offctx.data.storage.episode_checksums import CHECKSUMS
from offctx.data.storage.hdf5 import opened
from offctx.data.storage.ids import dataset_folder
from offctx.data.storage.limits import Budget, size_of
from offctx.data.storage.own_files import own_group
from offctx.data.storage.read import header_of, identity, read_metadata
from offctx.data.storage.read_episodes import read_blocks
from offctx.data.storage.stored import StoredHeader
from offctx.envs.base import Array
from offctx.errors import DatasetError

if TYPE_CHECKING:
    from offctx.data.dataset import ContextualDataset


@dataclass(frozen=True)
class Part:
    """A dataset whose episodes are written into another one.

    Attributes:
        dataset_id: of the dataset.
        metadata: of the dataset.
        observation_space: of the environment.
        action_space: of the environment.
        about: description, authors, license and link.
        env_spec: Gymnasium's description of the environment as JSON, or None.
        episodes: how many there are.
        blocks: gives all episodes, some at a time. Its argument is a folder for temporary files, which does not exist yet.
    """

    dataset_id: str
    metadata: Metadata
    observation_space: spaces.Box
    action_space: spaces.Box | spaces.Discrete
    about: About
    env_spec: str | None
    episodes: int
    blocks: Callable[[Path], Iterator[Episodes]]

    @property
    def spec(self) -> EnvSpec | None:
        """The description of the environment, where it can be read. Nothing that it names is imported."""
        return read_spec(self.env_spec)


def part_of_dataset(dataset: "ContextualDataset") -> Part:
    """A dataset in memory, whole or in part; with a warning of what it lacks of the one from which it was loaded."""
    warn_of_left_out_by(dataset)
    metadata = dataset.metadata or _described(dataset)
    changes: dict[str, Any] = {"sha256": dataset.checksum or ""}
    if metadata.space() != dataset.context_space:
        changes["context_space"] = dataset.context_space.to_dict()
    return Part(
        dataset_id=dataset.dataset_id,
        metadata=metadata.model_copy(update=changes),
        observation_space=dataset.observation_space,
        action_space=dataset.action_space,
        about=dataset.about,
        env_spec=dataset.env_spec,
        episodes=dataset.num_episodes,
        blocks=lambda _: blocks_of(dataset),
    )


def part_on_disk(dataset_id: str) -> Part | None:
    """A dataset on the disk, in HDF5 and with offctx metadata; None where it is another one.

    Raises:
        DatasetError: there is none, or its metadata are damaged.
    """
    data = dataset_folder(dataset_id) / "data"
    before = identity(data)
    raw = read_metadata(data, dataset_id)
    header = header_of(raw, dataset_id)
    if header.metadata is None or raw.get("data_format") != "hdf5":
        return None
    count = raw.get("total_episodes")
    if not isinstance(count, int) or count < 1:
        raise DatasetError(f"{dataset_id}: metadata say total_episodes {count!r}; expected at least 1")
    return Part(
        dataset_id=dataset_id,
        metadata=header.metadata,
        observation_space=header.observation_space,
        action_space=header.action_space,
        about=About.of(raw),
        env_spec=raw.get("env_spec"),
        episodes=count,
        blocks=lambda folder: _blocks_on_disk(data, header, count, before, folder),
    )


def _blocks_on_disk(data: Path, header: StoredHeader, count: int, before: Any, folder: Path) -> Iterator[Episodes]:
    """The episodes of an HDF5 file, each verified by its own checksums, or all by that in the metadata."""
    assert header.metadata
    with opened(data, header.raw, header.dataset_id) as file, contextlib.ExitStack() as stack:
        first = own_group(file, b"episode_0", header.dataset_id)
        names = (b"episode_%d" % e for e in some_of(range(count)))
        warn_of_left_out((own_group(file, name, header.dataset_id, inside=False) for name in names), header.dataset_id)
        checksum = None if h5a.exists(first, CHECKSUMS) else SpooledChecksum(folder)
        if checksum is not None:
            stack.callback(checksum.close)
        for episodes in read_blocks(file, header, np.arange(count), lambda: Budget(None, size_of(data))):
            if checksum is not None:
                checksum.update(episodes)
            yield episodes
        if identity(data) != before:
            raise DatasetError(f"{header.dataset_id} was replaced while it was read: call this again")
        if checksum is not None and checksum.finish() != header.metadata.sha256:
            raise DatasetError(f"{header.dataset_id}: the data do not fit their checksum: they were changed or damaged")


def _described(dataset: "ContextualDataset") -> Metadata:
    """The metadata of a dataset that has none: what its description of the environment and its arrays tell."""
    spec = read_spec(dataset.env_spec)
    lengths: Array = dataset.episode_ends - dataset.episode_starts
    metadata = Metadata(
        layout_version=LAYOUT_VERSION,
        env="unknown" if spec is None else spec.id,
        horizon=int(lengths.max()) if spec is None or spec.max_episode_steps is None else spec.max_episode_steps,
        context_space=dataset.context_space.to_dict(),
        behaviour=Behaviour(policies=["unknown"], weights=[1.0], context="hidden"),
        derivatives=Derivatives(source="unknown") if dataset.has_derivatives else None,
        recipe={},
        packages=installed_packages(),
    )
    if dataset.episode_numbers is None:
        return metadata
    return metadata_of_part(metadata, dataset.dataset_id, dataset.episode_numbers, None)


def read_spec(env_spec: Any) -> EnvSpec | None:
    """Gymnasium's description of an environment, from JSON; None where it cannot be read. Nothing that it names is imported."""
    try:
        json.loads(env_spec)
        return EnvSpec.from_json(env_spec)
    except Exception:  # it is not needed to read the data
        return None
