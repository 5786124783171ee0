"""Batches of derivatives that are saved as they are computed, so that an interrupted computation can go on.

Dimensions: n transitions of one batch, o observation, p context.
"""

import bisect
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from offctx.data.derivatives.inputs import SimulationInputs
from offctx.data.derivatives.sources import StateSource
from offctx.data.metadata import to_json
from offctx.data.storage.leftovers import ABOUT_WORK
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


class SavedBatches:
    """Packed batches of derivatives in a folder, each in a file named by its first transition, with checksums.

    Beside them stands `about`, which says for what they are (`offctx.data.storage.leftovers`).

    Attributes:
        folder: where the files are; it is made with the first batch.
        done: how many transitions the batches loaded or saved so far cover.
    """

    def __init__(self, folder: Path, inputs: SimulationInputs, about: str = "{}") -> None:
        self.folder, self.done = folder, 0
        self._about: str | None = about  # None once it is written
        self._transitions = len(inputs)
        self._begins = self._saved_begins()

    def load(self, begin: int) -> Array | None:
        """Returns the batch whose first transition is `begin`; None where there is none, or it is damaged."""
        arrays = read_sealed(self._path(begin), self._name(begin))
        if arrays is None:
            return None
        packed = arrays[_PACKED]
        self.done += len(packed)
        return packed

    def next_after(self, begin: int) -> int:
        """The first transition after `begin` of a batch that an earlier call has saved; their number where there is none."""
        k = bisect.bisect_right(self._begins, begin)
        return self._begins[k] if k < len(self._begins) else self._transitions

    def save(self, begin: int, packed: Array) -> None:
        """Writes the batch whose first transition is `begin`.

        Raises:
            DatasetError: it cannot be written.
        """
        path = self._path(begin)
        try:
            make_folder(path.parent)
            if self._about is not None:
                write_file(path.parent / ABOUT_WORK, self._about)
                self._about = None
            write_sealed(path, self._name(begin), {_PACKED: packed})
        except OSError as error:
            raise DatasetError(f"cannot write below {path.parent.parent}: {error}") from error
        self.done += len(packed)

    def _saved_begins(self) -> list[int]:
        names = (path.stem for path in self.folder.glob("*.batch")) if self.folder.is_dir() else ()
        return sorted(int(name) for name in names if name.isdecimal() and int(name) < self._transitions)

    def _name(self, begin: int) -> str:
        """What the checksum of a batch is of: a batch in the place of another, or of other data, is none."""
        return f"{self.folder.name}/{begin} of {self._transitions}"

    def _path(self, begin: int) -> Path:
        return self.folder / f"{begin}.batch"


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
