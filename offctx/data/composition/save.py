"""A dataset that is in memory, such as a part of one, saved under an id of its own."""

import dataclasses
from typing import TYPE_CHECKING

from tqdm.auto import tqdm

from offctx.data.composition.part import part_of_dataset
from offctx.data.composition.write import all_blocks, write_blocks
from offctx.data.storage.episode_file import Compression
from offctx.data.storage.place import unused_dataset_folder

if TYPE_CHECKING:
    from offctx.data.dataset import ContextualDataset


def save(dataset: "ContextualDataset", new_id: str, *, compression: Compression | None, progress: bool) -> "ContextualDataset":
    """Writes a dataset; `ContextualDataset.save` says how."""
    unused_dataset_folder(new_id)  # before the checksum of the part is computed
    part = part_of_dataset(dataset)
    with tqdm(total=dataset.num_episodes, desc=f"saving {new_id}", unit="episode", disable=not progress) as bar:
        metadata = write_blocks(
            new_id,
            part,
            part.metadata,
            part.about,
            lambda folder: all_blocks([part], folder, lambda episodes: bar.update(len(episodes.lengths))),
            "saving",
            compression=compression,
        )
    return dataclasses.replace(dataset, dataset_id=new_id, metadata=metadata, episode_numbers=None)
