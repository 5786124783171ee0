"""The summary of a dataset: one row an episode, and the kinds of its arrays, which is what cards and manifests tell.

Whoever writes a dataset has all of it at hand; who reads it from the HDF5 file opens a dozen objects for each episode. So it
stands in a hidden file beside the data. The file is sealed under the hashes of the data's own files: a summary is read only
where these are bit for bit what was written with it. Where it is missing, it is not needed: everything is in the data.

Dimensions: E episodes, p context.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from minari.dataset.minari_storage import METADATA_FILE_NAME

from offctx.data.episodes import STEP_ARRAYS, Episodes
from offctx.data.layout import CONTEXT
from offctx.data.storage.block_hashes import hash_of_file
from offctx.data.storage.hdf5 import MAIN_FILE
from offctx.data.storage.sealed_file import read_sealed, write_sealed
from offctx.envs.base import Array

SUMMARY = ".offctx-summary"
_VERSION, _ROWS = 1, "rows/"
_DIMENSIONS = {"contexts": 2, "returns": 1, "lengths": 1, "places": 1}


@dataclass(frozen=True)
class Summary:
    """What there is to know of a dataset's episodes without reading them.

    Attributes:
        contexts: of each episode (E, p).
        returns: undiscounted (E,).
        lengths: steps (E,).
        places: where the group of each episode begins in the HDF5 file [bytes] (E,). Its arrays lie between its group and the
            next one in the file.
        rows: from the names of the arrays, as in `Episodes.arrays`, to an array of their type without rows, (0, ...).
    """

    contexts: Array
    returns: Array
    lengths: Array
    places: Array
    rows: Mapping[str, Array]


class SummaryBuilder:
    """Makes the summary of a dataset while its episodes are written."""

    def __init__(self) -> None:
        self._contexts: list[Array] = []
        self._returns: list[Array] = []
        self._lengths: list[Array] = []
        self._rows: dict[str, Array] = {}
        self._complete = True

    def update(self, episodes: Episodes) -> None:
        """Notes the next episodes."""
        starts = episodes.step_ends - episodes.lengths
        recorded = episodes.infos.get(CONTEXT)
        contexts = episodes.options_context if recorded is None else recorded[episodes.row_ends - 1]
        if contexts is None or contexts.ndim != 2 or not (episodes.lengths > 0).all():
            self._complete = False
            return
        self._contexts.append(np.array(contexts, dtype=np.float64))
        self._returns.append(np.add.reduceat(episodes.rewards.astype(np.float64), starts))
        self._lengths.append(np.array(episodes.lengths))
        self._rows = {name: np.array(array[:0]) for name, array in episodes.arrays().items()}

    def save(self, data: Path, places: Array) -> None:
        """Writes the summary beside a dataset that is complete. Where an episode has no context, there is none.

        Args:
            data: the dataset's folder of files.
            places: of the episodes (E,).

        Raises:
            OSError: the files cannot be read, or the summary cannot be written.
        """
        if not self._complete:
            return
        arrays = {
            "contexts": np.concatenate(self._contexts),
            "returns": np.concatenate(self._returns),
            "lengths": np.concatenate(self._lengths),
            "places": places,
            **{f"{_ROWS}{name}": row for name, row in self._rows.items()},
        }
        hashes = {path.name: hash_of_file(path, path.stat().st_size) for path in (data / MAIN_FILE, data / METADATA_FILE_NAME)}
        write_sealed(data.parent / SUMMARY, _seal(hashes), arrays)


def read_summary(data: Path, hashes: Mapping[str, str]) -> Summary | None:
    """Reads the summary of a dataset.

    Args:
        data: the dataset's folder of files.
        hashes: `hash_of_blocks` of each of its files, by their names.

    Returns:
        What was written with these very files; None where there is none, or it is of other files, or damaged.
    """
    if not {MAIN_FILE, METADATA_FILE_NAME} <= hashes.keys():
        return None
    arrays = read_sealed(data.parent / SUMMARY, _seal(hashes))
    if arrays is None:
        return None
    rows = {name.removeprefix(_ROWS): arrays.pop(name) for name in list(arrays) if name.startswith(_ROWS)}
    return Summary(rows=rows, **arrays) if _is_whole(arrays, rows) else None


def _is_whole(arrays: Mapping[str, Array], rows: Mapping[str, Array]) -> bool:
    """Whether the arrays are those of a summary: the file may be a stranger's."""
    if arrays.keys() != _DIMENSIONS.keys() or not {"observations", *STEP_ARRAYS} <= rows.keys():
        return False
    shapes = all(array.ndim == _DIMENSIONS[name] and len(array) == len(arrays["lengths"]) for name, array in arrays.items())
    return shapes and all(array.ndim and not len(array) for array in rows.values())


def _seal(hashes: Mapping[str, str]) -> str:
    """The name under which a summary is sealed."""
    return f"summary {_VERSION} of {hashes[MAIN_FILE]} {hashes[METADATA_FILE_NAME]}"
