"""From addresses to mirrors of one dataset, and the manifest that they share."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from offctx.data.sharing.fetch import Mirror, Patience
from offctx.data.sharing.manifest import LARGEST_MANIFEST, Manifest, parse_manifest
from offctx.data.sharing.remotes.choose import open_remote
from offctx.data.sharing.remotes.remote import Interrupted, Missing, Remote, RemoteError
from offctx.data.storage.ids import dataset_folder
from offctx.errors import DatasetError

LATEST = "manifest.json"
Address = str | os.PathLike[str]


def version_path(sha256: str) -> str:
    """Where a remote keeps the manifest of one version, relative to the dataset's folder."""
    return f"manifests/{sha256}.json"


def open_remotes(
    remote: Address | Sequence[Address], timeout: float, storage_options: Mapping[str, Any] | None
) -> list[Remote]:
    """Opens one remote, or several in the order in which they are tried.

    Raises:
        DatasetError: there is none, or an address is malformed.
    """
    addresses = [remote] if isinstance(remote, (str, os.PathLike)) else list(remote)
    if not addresses:
        raise DatasetError("expected at least one remote; found none")
    return [open_remote(address, timeout=timeout, storage_options=storage_options) for address in addresses]


def only_dataset(remotes: Sequence[Remote]) -> str:
    """Returns the id of the only dataset at the first remote that answers.

    Raises:
        DatasetError: there is none, there are several, or no remote can be listed.
    """
    faults = []
    for remote in remotes:
        try:
            ids = remote.dataset_ids()
        except RemoteError as error:
            faults.append(str(error))
            continue
        if ids is None:
            faults.append(f"{remote.name} cannot be listed: give the id of the dataset")
        elif len(ids) == 1:
            return ids[0]
        else:
            listing = ", ".join(ids[:20]) + (f" and {len(ids) - 20} more" if len(ids) > 20 else "")
            faults.append(f"{remote.name} has {len(ids)} datasets: {listing}" if ids else f"no dataset at {remote.name}")
    raise DatasetError("; ".join(faults))


def find_manifest(
    remotes: Sequence[Remote], dataset_id: str, sha256: str | None, patience: Patience
) -> tuple[Manifest, list[Mirror]]:
    """Reads the manifest from the first remote that has it.

    Args:
        remotes: tried in turn.
        dataset_id: whose manifest.
        sha256: the content hash that it must have; None for the newest.
        patience: how hard to try.

    Returns:
        The manifest, and all remotes as mirrors, that one first. Its files have names that belong to their content, so
        another remote either has these very files, or does not have them.

    Raises:
        DatasetError: no remote has it.
    """
    dataset_folder(dataset_id)  # checks the id, which becomes a part of addresses
    folder = f"{dataset_id}/"
    faults = []
    for number, remote in enumerate(remotes):
        try:
            manifest = _read_manifest(remote, folder, sha256, patience)
            if manifest.dataset_id != dataset_id:
                raise DatasetError(f"{remote.name} has the manifest of {manifest.dataset_id!r} at {dataset_id}")
            if sha256 is not None and manifest.sha256 != sha256:
                raise DatasetError(
                    f"{dataset_id} at {remote.name} has content hash {manifest.sha256[:12]}...; expected {sha256[:12]}..."
                )
        except DatasetError as error:
            faults.append(str(error))
            continue
        ordered = [remote, *(other for k, other in enumerate(remotes) if k != number)]
        return manifest, [Mirror(other, folder) for other in ordered]
    raise DatasetError("; ".join(faults))


def _read_manifest(remote: Remote, folder: str, sha256: str | None, patience: Patience) -> Manifest:
    """The manifest of a version, or where the remote does not keep it, the newest."""
    paths = [f"{folder}{version_path(sha256)}"] if sha256 else []
    for path in (*paths, f"{folder}{LATEST}"):
        try:
            content = _read_patiently(remote, path, patience)
        except Missing as error:
            if path.endswith(LATEST) and path not in paths:
                raise DatasetError(f"no dataset {folder[:-1]!r} at {remote.name}: {error}") from error
            continue
        return parse_manifest(content, f"{remote.name}/{path}")
    raise AssertionError("unreachable")


def _read_patiently(remote: Remote, path: str, patience: Patience) -> bytes:
    for attempt in range(patience.retries + 1):
        try:
            return remote.read(path, LARGEST_MANIFEST)
        except Interrupted as error:
            if attempt == patience.retries:
                raise RemoteError(f"{error}, after {attempt + 1} attempts") from error
            time.sleep(min(patience.pause * 2**attempt, 30.0))
    raise AssertionError("unreachable")
