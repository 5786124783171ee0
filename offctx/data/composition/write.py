"""A new dataset is written from parts that come one after another; it appears under its id only when it is complete."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from offctx.data.about import About
from offctx.data.composition.part import Part
from offctx.data.episodes import Episodes
from offctx.data.metadata import Metadata
from offctx.data.storage.changes import changing, staging
from offctx.data.storage.episode_file import Compression
from offctx.data.storage.place import unused_dataset_folder
from offctx.data.storage.publish import publish_dataset
from offctx.data.storage.writer import DatasetWriter
from offctx.errors import DatasetError


def write_blocks(
    new_id: str,
    part: Part,
    metadata: Metadata,
    about: About,
    blocks: Callable[[Path], Iterable[Episodes]],
    what: str,
    *,
    compression: Compression | None = None,
) -> Metadata:
    """Writes episodes that come in blocks, with the memory of a block.

    Args:
        new_id: an id that no dataset has.
        part: whose spaces and environment the new dataset has.
        metadata: of the new dataset, but for its checksums.
        about: of the new dataset.
        blocks: gives the episodes; its argument is a folder for temporary files, which exists.
        what: what the caller does, for the messages of others, such as "combining".
        compression: "gzip", or None.

    Returns:
        The metadata with checksums.

    Raises:
        DatasetError: the id is malformed or taken; blocks cannot be read; or the disk is full. Nothing is left then.
    """
    unused_dataset_folder(new_id)
    with changing(new_id, what):
        unused_dataset_folder(new_id)  # another process may have written it meanwhile
        try:
            with staging() as folder:
                with DatasetWriter(folder / "dataset", metadata.space(), compression=compression) as writer:
                    for episodes in blocks(folder):
                        writer.append(episodes)
                    written = writer.finish(
                        new_id, metadata, part.observation_space, part.action_space, spec=part.spec, about=about
                    )
                publish_dataset(new_id, folder / "dataset")
        except OSError as error:
            raise DatasetError(f"{new_id} cannot be written: {error}") from error
    return written


def all_blocks(parts: Iterable[Part], folder: Path, each: Callable[[Episodes], None]) -> Iterator[Episodes]:
    """The episodes of parts, one part after another.

    Args:
        parts: in order.
        folder: for temporary files.
        each: called with each block before it is given.
    """
    for k, part in enumerate(parts):
        for episodes in part.blocks(folder / f"arrays-{k}"):
            each(episodes)
            yield episodes
