"""The cards that a push puts beside a dataset: README.md, croissant.json and a picture."""

import dataclasses
import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from offctx.data.about import About
from offctx.data.load import load_dataset
from offctx.data.metadata import METADATA_KEY
from offctx.data.sharing.cards import card_files, hash_files
from offctx.data.sharing.manifest import LARGEST_MANIFEST, SharedFile, parse_manifest
from offctx.data.sharing.mirrors import LATEST
from offctx.data.sharing.overview import Overview
from offctx.data.sharing.remotes.remote import Interrupted, Remote, RemoteError
from offctx.data.storage.summary import Summary
from offctx.errors import ContextError, DatasetError

_LARGEST_CARD = 16 * 1024 * 1024  # bytes


def cards_beside(
    dataset_id: str,
    folder: Path,
    files: Sequence[SharedFile],
    raw: dict[str, Any],
    summary: Summary | None,
    remote: str,
) -> dict[str, bytes]:
    """Returns the cards of a dataset on this disk; they name its files as the remote has them.

    Args:
        dataset_id: of the dataset.
        folder: of the dataset.
        files: as the manifest names them.
        raw: its metadata.json.
        summary: of the dataset, where there is one: its transitions are not read then.
        remote: where it is pushed to.

    Returns:
        From file names to contents; empty for plain Minari data that do not say what their contexts are.

    Raises:
        DatasetError: the dataset is damaged.
    """
    try:
        dataset = load_dataset(dataset_id) if summary is None else Overview(dataset_id, raw, summary)
    except (DatasetError, ContextError):
        if METADATA_KEY in raw:
            raise
        return {}
    stored = {file.path: file.stored_as() for file in files}
    named = [dataclasses.replace(file, url=stored[file.path]) for file in hash_files(folder) if file.path in stored]
    return card_files(dataset, named, About.of(raw), remote=remote if "://" in remote else None)


def hashes_of(cards: Mapping[str, bytes]) -> dict[str, str]:
    """Returns the SHA-256 of each card, as a manifest names them."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in cards.items()}


def outdated_cards(remote: Remote, dataset_id: str, cards: Collection[str]) -> list[str]:
    """Returns paths of cards that a remote's manifest names and the next one does not: they would describe another version.

    Args:
        remote: which is pushed to.
        dataset_id: of the dataset.
        cards: names of the cards of the next manifest.

    Returns:
        Paths of these cards, those left out that somebody has changed.

    Raises:
        Interrupted: the remote can perhaps be read later.
    """
    before = _read(remote, f"{dataset_id}/{LATEST}", LARGEST_MANIFEST)
    try:
        named = parse_manifest(before, remote.name).cards if before else {}
    except DatasetError:
        return []  # a damaged manifest, which is about to be replaced
    paths = {f"{dataset_id}/{name}": sha256 for name, sha256 in named.items() if name not in cards}
    return [path for path, sha256 in paths.items() if hashlib.sha256(_read(remote, path, _LARGEST_CARD)).hexdigest() == sha256]


def _read(remote: Remote, path: str, limit: int) -> bytes:
    """Reads a file; empty where there is none that can be read."""
    try:
        return remote.read(path, limit)
    except Interrupted:
        raise
    except RemoteError:
        return b""
