"""Arrays written part by part into .npy files, whose number of rows is known before."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from offctx.data.storage.flat_copy import from_named, named
from offctx.data.storage.limits import Budget
from offctx.data.storage.room import check_room
from offctx.data.transitions import Transitions, row_bytes
from offctx.errors import DatasetError


class MixedTypesError(DatasetError):
    """Episodes of a dataset have arrays of different types, so that the whole is no array in a file."""


class ArrayFiles:
    """Transitions written part by part. A write that fails is an OSError.

    Args:
        folder: which exists; the files are "<k>.npy".
        rows: how many rows there will be: N for arrays with a row a transition (True), E for those with a row an episode.
        dataset_id: for messages.
        budget: of all arrays.

    Attributes:
        names: of the arrays, as in a flat copy.
    """

    def __init__(self, folder: Path, rows: Mapping[bool, int], dataset_id: str, budget: Budget) -> None:
        self._folder, self._rows, self._dataset_id, self._budget = folder, rows, dataset_id, budget
        self._files: list[BinaryIO] = []
        self._kinds: dict[str, Any] = {}
        self._written: dict[str, int] = {}

    def __enter__(self) -> "ArrayFiles":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for file in self._files:
            file.close()

    @property
    def names(self) -> list[str]:
        """As above."""
        return list(self._kinds)

    def append(self, transitions: Transitions) -> None:
        """Writes the next episodes.

        Raises:
            MixedTypesError: their arrays have other names, types or shapes than those before.
            DatasetError: there are more rows than said.
        """
        arrays = named(transitions)
        kinds = {name: (array.dtype.str, array.shape[1:]) for name, array in arrays.items()}
        if not self._kinds:
            self._begin(arrays, kinds)
        for name in kinds.keys() | self._kinds.keys():
            if kinds.get(name) != self._kinds.get(name):
                raise MixedTypesError(
                    f"{self._dataset_id}: {name.partition('/')[2]} differ in type or shape between episodes, and cannot be "
                    f"mapped: load the dataset into memory"
                )
        for file, (name, array) in zip(self._files, arrays.items(), strict=True):
            self._written[name] = self._written.get(name, 0) + len(array)
            file.write(np.ascontiguousarray(array).data)

    def mapped(self) -> Transitions:
        """What was written, mapped from the files; raises DatasetError where there are fewer or more rows than said."""
        for name, written in self._written.items():
            expected = self._rows[_of_steps(name)]
            if written != expected:
                what = "total_steps" if _of_steps(name) else "total_episodes"
                raise DatasetError(f"{self._dataset_id}: metadata say {what} {expected}, the data hold {written}")
        paths = {name: self._folder / f"{k}.npy" for k, name in enumerate(self._kinds)}
        return from_named({name: np.load(path, mmap_mode="r", allow_pickle=False) for name, path in paths.items()})

    def _begin(self, arrays: Mapping[str, Any], kinds: dict[str, Any]) -> None:
        size = sum(self._rows[_of_steps(name)] * row_bytes(array) for name, array in arrays.items())
        self._budget.take(size, self._dataset_id)
        check_room(self._folder, size)
        self._kinds = kinds
        for k, (name, array) in enumerate(arrays.items()):
            self._files.append((self._folder / f"{k}.npy").open("wb"))
            shape = (self._rows[_of_steps(name)], *array.shape[1:])
            header = {"descr": array.dtype.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(self._files[-1], header)


def _of_steps(name: str) -> bool:
    return name.startswith("steps/")
