"""The lock file: a JSON file that pins dataset ids to content hashes, and says where the datasets are from."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pydantic

from offctx.data.sharing.manifest import Sha256
from offctx.data.sharing.mirrors import Address
from offctx.data.sharing.remotes.http import without_password
from offctx.data.storage.ids import LOCKS, dataset_folder
from offctx.data.storage.locks import locked
from offctx.data.storage.own_files import read_regular_file
from offctx.errors import DatasetError
from offctx.files import write_file
from offctx.words import first_fault

LOCK_FILE = "offctx.lock"
_LARGEST = 16 * 1024 * 1024  # bytes


class Pin(pydantic.BaseModel):
    """What is pinned of a dataset.

    Attributes:
        sha256: the content hash.
        remotes: where it can be pulled from, tried in turn.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True)
    sha256: Sha256
    remotes: list[str]


class _LockFile(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)
    lock_version: Literal[1]
    datasets: dict[str, Pin]


def read_lock(path: str | os.PathLike[str] = LOCK_FILE) -> dict[str, Pin]:
    """Reads a lock file.

    Args:
        path: of the file.

    Returns:
        From dataset ids to pins, each with `sha256` and `remotes`.

    Raises:
        DatasetError: the file is missing or malformed.

    Example::

        dataset = offctx.load_dataset(dataset_id, sha256=offctx.read_lock()[dataset_id].sha256)
    """
    try:
        content = read_regular_file(Path(path).resolve(), _LARGEST)
    except FileNotFoundError as error:
        raise DatasetError(f"no lock file {os.fspath(path)!r}: `offctx pull REMOTE ID --pin` writes one") from error
    except OSError as error:
        raise DatasetError(f"cannot read the lock file: {error}") from error
    try:
        pins = _LockFile.model_validate_json(content).datasets
    except pydantic.ValidationError as error:
        raise DatasetError(f"lock file {os.fspath(path)!r} is malformed: {first_fault(error)}") from error
    for dataset_id in pins:
        dataset_folder(dataset_id)
    return pins


def pin(dataset_id: str, sha256: str, remotes: Sequence[Address], path: str | os.PathLike[str] = LOCK_FILE) -> None:
    """Pins a dataset in a lock file, which is made where it is missing; the other pins stay.

    Args:
        dataset_id: of the dataset.
        sha256: its content hash.
        remotes: where it is from. Passwords in addresses are left out.
        path: of the file.

    Raises:
        DatasetError: the file is malformed, or cannot be written; or a remote has a name that JSON cannot hold.
    """
    path = Path(path).absolute()
    if not path.parent.is_dir():
        raise DatasetError(f"cannot write the lock file: there is no folder {os.fspath(path.parent)!r}")
    try:
        with locked(path.parent / LOCKS / f"{path.name}.lock", f"pinning in {path.name}", wait=True):
            pins = read_lock(path) if path.exists() else {}
            pins[dataset_id] = Pin(sha256=sha256, remotes=[without_password(os.fspath(remote)) for remote in remotes])
            datasets = {name: pins[name].model_dump() for name in sorted(pins)}
            write_file(path, _readable(json.dumps({"lock_version": 1, "datasets": datasets}, indent=2) + "\n"))
    except OSError as error:
        raise DatasetError(f"cannot write the lock file: {error}") from error


def _readable(content: str) -> str:
    """The content of a lock file; DatasetError where `read_lock` could not read it, such as names that are not UTF-8."""
    try:
        _LockFile.model_validate_json(content)
    except pydantic.ValidationError as error:
        raise DatasetError(f"cannot pin: the lock file would be malformed: {first_fault(error)}") from error
    return content
