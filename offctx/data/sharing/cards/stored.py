"""What a stored dataset's folder adds to a card: its description, authors and license, and the hashes of its files."""

import json

from minari.dataset.minari_storage import METADATA_FILE_NAME

from offctx.data.about import About
from offctx.data.sharing.cards.files import CardFile, hash_files
from offctx.data.storage.ids import dataset_folder
from offctx.errors import DatasetError


def about_and_files(dataset_id: str) -> tuple[About, list[CardFile]]:
    """Reads the folder of a dataset.

    Args:
        dataset_id: Minari id, below MINARI_DATASETS_PATH.

    Returns:
        What metadata.json says about the dataset, and all files with their SHA-256.

    Raises:
        DatasetError: there is no such dataset, or its files cannot be read.

    Example::

        about, files = about_and_files(dataset.dataset_id)
        readme = hub_card(dataset, about, files)
    """
    folder = dataset_folder(dataset_id)
    try:
        raw = json.loads((folder / "data" / METADATA_FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{dataset_id}: cannot read {METADATA_FILE_NAME}: {error}") from error
    return About.of(raw), hash_files(folder)
