"""Writing a new dataset whose episodes are all at hand."""

from typing import Any

from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from offctx.data.about import About
from offctx.data.episodes import Episodes
from offctx.data.metadata import Metadata
from offctx.data.storage.changes import staging
from offctx.data.storage.episode_file import Compression
from offctx.data.storage.place import unused_dataset_folder
from offctx.data.storage.publish import publish_dataset
from offctx.data.storage.writer import DatasetWriter


def write_dataset(
    dataset_id: str,
    episodes: Episodes,
    metadata: Metadata,
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    *,
    spec: EnvSpec | None = None,
    about: About | None = None,
    compression: Compression | None = None,
    progress: bool = False,
) -> None:
    """Writes a Minari dataset in HDF5. It appears under its id only when it is complete.

    Args:
        dataset_id: an id that no dataset has.
        episodes: what is written.
        metadata: stored under the key "offctx", with layout version and checksums filled in.
        observation_space: of the environment.
        action_space: of the environment.
        spec: Gymnasium's description of the environment, for Minari's own metadata.
        about: description, authors, license and link, for Minari's own metadata.
        compression: "gzip", or None.
        progress: show a progress bar.

    Raises:
        DatasetError: the id is malformed or taken; or the disk is full or refuses to write. Nothing is left then.
    """
    unused_dataset_folder(dataset_id)
    with staging() as folder:
        with DatasetWriter(folder / "dataset", metadata.space(), compression=compression) as writer:
            writer.append(episodes, progress=progress)
            writer.finish(dataset_id, metadata, observation_space, action_space, spec=spec, about=about)
        publish_dataset(dataset_id, folder / "dataset")
