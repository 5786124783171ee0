"""Writing the files of a new dataset, part by part, so that unmodified Minari reads them.

The same content gives the same bytes, however it was cut into parts, and at whatever time.
"""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from minari import __version__ as minari_version
from minari.dataset.minari_storage import METADATA_FILE_NAME
from minari.serialization import serialize_space
from tqdm.auto import tqdm

from offctx.contexts.space import ContextSpace
from offctx.data.about import About
from offctx.data.checksums import METADATA_SHA256, Again, PartsChecksum, SpooledChecksum, metadata_checksum
from offctx.data.episodes import STEP_ARRAYS, Episodes
from offctx.data.metadata import LAYOUT_VERSION, METADATA_KEY, Metadata
from offctx.data.storage.checked_file import CheckedFile
from offctx.data.storage.episode_checksums import CHECKSUMS, checksums
from offctx.data.storage.episode_file import Compression, EpisodeFile
from offctx.data.storage.hdf5 import MAIN_FILE
from offctx.data.storage.interrupts import dropped_interrupts
from offctx.data.storage.room import check_room
from offctx.data.storage.summary import SummaryBuilder
from offctx.errors import DatasetError

_LEVEL = 4


class DatasetWriter:
    """Writes a new dataset into a folder: episodes by `append`, any number of times, then the metadata by `finish`.

    It holds no more in memory than the part that is appended, and twice the arrays on the disk until it is finished, or once
    where they can be read `again`. Whoever makes a writer publishes the folder, or deletes it after an error. A write that
    fails is a DatasetError, and never ends the process: `offctx.data.storage.checked_file`.

    Example::

        with staging() as folder:
            with DatasetWriter(folder / "dataset", space) as writer:
                for episodes in parts:
                    writer.append(episodes)
                writer.finish(dataset_id, metadata, observation_space, action_space)
            publish_dataset(dataset_id, folder / "dataset")
    """

    def __init__(
        self,
        folder: Path,
        space: ContextSpace,
        *,
        compression: Compression | None = None,
        level: int = _LEVEL,
        again: Again | None = None,
    ) -> None:
        """Makes the folder and an empty file of episodes.

        Args:
            folder: of the dataset, which does not exist yet, on the disk of all datasets.
            space: the context space; episodes in other contexts are marked as extrapolated.
            compression: "gzip", or None; of arrays of 1 KiB and more.
            level: of the compression, 1 (fast) to 9 (small).
            again: gives an array of all episodes that were appended, by its name, for the checksum of the data; where not
                given, the arrays are put aside on the disk.

        Raises:
            DatasetError: the folder cannot be made; or the compression is unknown.
        """
        if compression not in (None, "gzip"):
            raise DatasetError(f'compression is "gzip" or None; found {compression!r}')
        if level not in range(1, 10):
            raise DatasetError(f"the level of the compression is 1 to 9; found {level!r}")
        self.num_episodes = self.num_steps = 0
        self._data, self._space, self._copies = folder / "data", space, 1 if again else 2
        self._summary = SummaryBuilder()
        try:
            self._data.mkdir(parents=True)
            self._checksum = SpooledChecksum(folder / ".arrays") if again is None else PartsChecksum(again)
            self._raw = CheckedFile(self._data / MAIN_FILE, create=True)
        except OSError as error:
            raise _cannot_write(error) from error
        self._file: EpisodeFile | None = EpisodeFile(self._raw, compression, level)

    def __enter__(self) -> "DatasetWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def append(self, episodes: Episodes, *, progress: bool = False) -> None:
        """Writes the next episodes.

        Args:
            episodes: with the same arrays as those before: names, types and shapes.
            progress: show a progress bar.

        Raises:
            DatasetError: the arrays are others, or the disk is full or refuses to write. The dataset cannot be finished then.
        """
        if self._file is None:
            raise DatasetError(
                "this writer is closed: a dataset that is finished, or whose writing failed, takes no more episodes"
            )
        try:
            check_room(self._data, self._copies * sum(array.nbytes for array in episodes.arrays().values()))
            self._checksum.update(episodes)
            self._append(self._file, episodes, progress)
            self._summary.update(episodes)
        except OSError as error:
            self._close()
            raise _cannot_write(error) from error
        except BaseException:
            self._close()
            raise

    def finish(
        self,
        dataset_id: str,
        metadata: Metadata,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        *,
        spec: EnvSpec | None = None,
        about: About | None = None,
    ) -> Metadata:
        """Writes the metadata and the summary, and makes sure that all data are on the disk.

        Args:
            dataset_id: under which the dataset will appear.
            metadata: stored under the key "offctx", with layout version and checksums filled in.
            observation_space: of the environment.
            action_space: of the environment.
            spec: Gymnasium's description of the environment, for Minari's own metadata.
            about: description, authors, license and link, for Minari's own metadata.

        Returns:
            The metadata as they are stored.

        Raises:
            DatasetError: there is no episode, or the disk is full or refuses to write.
        """
        if not self.num_episodes or self._file is None:
            raise DatasetError(f"{dataset_id} has no episode to write, or its writing failed")
        try:
            places = self._file.places(self.num_episodes)
            self._file.close()
            self._file = None
            self._raw.sync()
            layout = {"layout_version": LAYOUT_VERSION, "sha256": self._checksum.finish()}
            metadata = metadata.model_copy(update=layout)
            raw = {
                "total_episodes": self.num_episodes,
                "total_steps": self.num_steps,
                "data_format": "hdf5",
                "jpeg_encoding": True,
                "observation_space": serialize_space(observation_space),
                "action_space": serialize_space(action_space),
                **({} if spec is None else {"env_spec": spec.to_json()}),
                "dataset_id": dataset_id,
                "minari_version": minari_version,
                "algorithm_name": ", ".join(metadata.behaviour.policies),
                "requirements": [f"offctx=={metadata.packages['offctx']}"],
                **({} if about is None else about.to_minari()),
                METADATA_KEY: metadata.model_dump(mode="json"),
            }
            written = write_metadata(self._data, raw)
            self._summary.save(self._data, places)
            return written
        except OSError as error:
            raise _cannot_write(error) from error
        finally:
            self._close()

    def _append(self, file: EpisodeFile, episodes: Episodes, progress: bool) -> None:
        steps, rows = (np.concatenate([[0], ends]) for ends in (episodes.step_ends, episodes.row_ends))
        lengths = episodes.lengths.tolist()
        valid = None if episodes.options_context is None else self._space.valid(episodes.options_context)
        with dropped_interrupts() as interrupted:
            for e in tqdm(range(len(lengths)), "writing", disable=not progress, unit="episode"):
                step, row = slice(steps[e], steps[e + 1]), slice(rows[e], rows[e + 1])
                arrays = {
                    "observations": episodes.observations[row],
                    **{name: getattr(episodes, name)[step] for name in STEP_ARRAYS},
                    **{f"infos/{name}": array[row] for name, array in episodes.infos.items()},
                }
                reset = _reset_arguments(episodes, e, valid)
                attributes = {
                    "id": self.num_episodes,
                    "total_steps": lengths[e],
                    **reset,
                    CHECKSUMS.decode(): checksums(arrays, reset.get("seed"), reset.get("options/context")),
                }
                try:
                    file.append(f"episode_{self.num_episodes}", attributes, arrays)
                finally:
                    self._raw.check()
                self.num_episodes += 1
                self.num_steps += lengths[e]
                if interrupted:
                    raise KeyboardInterrupt

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
        self._raw.close()
        self._checksum.close()


def write_metadata(data: Path, raw: dict[str, Any]) -> Metadata:
    """Writes metadata.json with its checksum and the size of the dataset, and makes sure that it is on the disk.

    Args:
        data: the folder, which holds all other files.
        raw: what is written; its offctx part has everything but the checksum.

    Returns:
        The offctx part, with the checksum.

    Raises:
        OSError: the file cannot be written.
    """
    part = raw[METADATA_KEY] | {METADATA_SHA256: metadata_checksum(raw, METADATA_KEY)}
    raw = raw | {METADATA_KEY: part, "dataset_size": dataset_megabytes(data)}
    with (data / METADATA_FILE_NAME).open("w", encoding="utf-8") as file:
        json.dump(raw, file)
        file.flush()
        os.fsync(file.fileno())
    return Metadata.model_validate(part)


def dataset_megabytes(data: Path) -> float:
    """The size of a dataset's files without metadata.json, in megabytes to one digit, as Minari gives it."""
    size = sum(file.stat().st_size for file in data.rglob("*") if file.is_file() and file.name != METADATA_FILE_NAME)
    return round(size / 1e6, 1)


def _reset_arguments(episodes: Episodes, e: int, valid: Any) -> dict[str, Any]:
    """The arguments with which `env.reset` starts episode e again, as Minari stores them."""
    arguments: dict[str, Any] = {} if episodes.seeds is None else {"seed": episodes.seeds[e]}
    if episodes.options_context is not None:
        arguments["options/context"] = episodes.options_context[e]
        if not valid[e]:
            arguments["options/extrapolate"] = True
    return arguments


def _cannot_write(error: OSError) -> DatasetError:
    return DatasetError(f"the dataset cannot be written: {error}")
