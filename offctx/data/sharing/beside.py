"""The cards that a push puts beside a dataset: README.md, croissant.json and a picture."""

import dataclasses
from pathlib import Path
from typing import Any

from offctx.data.about import About
from offctx.data.load import load_dataset
from offctx.data.metadata import METADATA_KEY
from offctx.data.sharing.cards import card_files, hash_files
from offctx.data.sharing.manifest import Manifest
from offctx.errors import ContextError, DatasetError


def cards_beside(folder: Path, manifest: Manifest, raw: dict[str, Any], remote: str) -> dict[str, bytes]:
    """Returns the cards of a dataset on this disk; they name its files as the remote has them.

    Args:
        folder: of the dataset.
        manifest: of the dataset.
        raw: its metadata.json.
        remote: where it is pushed to.

    Returns:
        From file names to contents; empty for plain Minari data that do not say what their contexts are.

    Raises:
        DatasetError: the dataset is damaged.
    """
    try:
        dataset = load_dataset(manifest.dataset_id)
    except (DatasetError, ContextError):
        if METADATA_KEY in raw:
            raise
        return {}
    stored = {file.path: file.stored_as() for file in manifest.files}
    named = [dataclasses.replace(file, url=stored[file.path]) for file in hash_files(folder) if file.path in stored]
    return card_files(dataset, named, About.of(raw), remote=remote if "://" in remote else None)
