"""Batches of derivatives that are saved as they are computed, so that an interrupted computation can go on.

Dimensions: n transitions of one batch, o observation, p context.
"""

import bisect
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from offctx.data.derivatives.inputs import SimulationInputs
from offctx.data.derivatives.sources import StateSource
from offctx.data.metadata import to_json
from offctx.data.storage.leftovers import ABOUT_WORK
from offctx.data.storage.saved_chunks import unwritable
from offctx.data.storage.sealed_file import read_sealed, write_sealed
from offctx.data.storage.stored import StoredTransitions
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.identity import environment_settings
from offctx.errors import DatasetError
from offctx.files import make_folder, write_file

_TRIED = 4  # transitions that are differentiated for the fingerprint
_PACKED = "packed"


def pack(derivatives: tuple[Array, Array, Array | None], dtype: Any) -> Array:
    """Puts the derivatives of observation and reward, and the errors where there are some, side by side.

    Returns:
        (n, o p + p), or (n, o p + p + 1) with errors.
    """
    dnext, dreward, errors = derivatives
    columns = [dnext.reshape(len(dnext), -1), dreward, *([] if errors is None else [errors[:, None]])]
    return np.concatenate(columns, axis=1).astype(dtype)


@dataclass(frozen=True)
class BatchFiles:
    """The files of packed batches, named by the first transition of each, with checksums. Workers write them.

    Attributes:
        folder: where they are, which exists before one is written.
        transitions: of the dataset.
    """

    folder: Path
    transitions: int

    def read(self, begin: int) -> Array | None:
        """Returns the batch whose first transition is `begin`; None where there is none, or it is damaged."""
        arrays = read_sealed(self._path(begin), self._name(begin))
        return None if arrays is None else arrays[_PACKED]

    def write(self, begin: int, packed: Array) -> None:
        """Writes the batch whose first transition is `begin`.

        Raises:
            DatasetError: it cannot be written.
        """
        try:
            write_sealed(self._path(begin), self._name(begin), {_PACKED: packed})
        except OSError as error:
            raise unwritable(self._path(begin), error) from error

    def begins(self) -> list[int]:
        """The first transitions of the batches that have files, in order."""
        names = (path.stem for path in self.folder.glob("*.batch")) if self.folder.is_dir() else ()
        return sorted(int(name) for name in names if name.isdecimal() and int(name) < self.transitions)

    def _name(self, begin: int) -> str:
        """What the checksum of a batch is of: a batch in the place of another, or of other data, is none."""
        return f"{self.folder.name}/{begin} of {self.transitions}"

    def _path(self, begin: int) -> Path:
        return self.folder / f"{begin}.batch"


class SavedBatches:
    """The batches that an earlier call has saved, and those that this one saves.

    Beside them stands `about`, which says for what they are (`offctx.data.storage.leftovers`).

    Attributes:
        files: of the batches.
        done: how many transitions the batches loaded or saved so far cover.
    """

    def __init__(self, folder: Path, inputs: SimulationInputs, about: str = "{}") -> None:
        self.files, self.done = BatchFiles(folder, len(inputs)), 0
        self._about = about
        self._begins = self.files.begins()

    def load(self, begin: int) -> Array | None:
        """Returns the batch whose first transition is `begin`; None where there is none, or it is damaged."""
        packed = self.files.read(begin)
        self.done += 0 if packed is None else len(packed)
        return packed

    def take(self, begin: int, packed: Array | None) -> Array:
        """Returns a batch that was computed and saved just now, from its file where only the file has it.

        Raises:
            DatasetError: the file is damaged or away.
        """
        if packed is not None:
            self.done += len(packed)
            return packed
        packed = self.load(begin)
        if packed is None:
            raise DatasetError(f"a batch in {self.files.folder} was damaged or deleted after it was written")
        return packed

    def next_after(self, begin: int) -> int:
        """The first transition after `begin` of a batch that an earlier call has saved; their number where there is none."""
        k = bisect.bisect_right(self._begins, begin)
        return self._begins[k] if k < len(self._begins) else self.files.transitions

    def make(self) -> None:
        """Makes the folder, and `about` in it, before a batch is written.

        Raises:
            DatasetError: they cannot be written.
        """
        folder = self.files.folder
        try:
            make_folder(folder)
            write_file(folder / ABOUT_WORK, self._about)
        except OSError as error:
            raise DatasetError(f"cannot write below {folder.parent}: {error}") from error


def fingerprint(stored: StoredTransitions, inputs: SimulationInputs, source: StateSource, env: ContextualEnv) -> str:
    """A name for what derivatives depend on: the data, the environment's description, and derivatives of a few transitions.

    Saved batches are used again only by a computation of the same fingerprint.
    """
    transitions, metadata = stored.transitions, stored.metadata
    derivatives = env.derivatives_with_error(*inputs.batch(inputs.sample(_TRIED)))  # first, as it can change the environment
    described = {
        "data": transitions.checksum() if metadata is None else metadata.sha256,
        "states": [source.name, source.digest],
        "env": [type(env).__qualname__, environment_settings(env)],
        "context_space": env.context_space.to_dict(),
        "source": env.derivative_source,
        "steps": None if env.derivative_steps is None else np.asarray(env.derivative_steps).tolist(),
    }
    digest = hashlib.sha256(to_json(described).encode())
    digest.update(inputs.contexts[transitions.ends - 1].tobytes())
    transitions.release()
    digest.update(pack(derivatives, np.float64).tobytes())
    return digest.hexdigest()[:32]
