"""What a stored dataset's folder adds to a card: its description, authors and license, and the hashes of its files."""

from offctx.data.about import About
from offctx.data.sharing.cards.files import CardFile, hash_files
from offctx.data.sharing.names import FOLDER
from offctx.data.storage.ids import dataset_folder
from offctx.data.storage.read import read_metadata


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
    return About.of(read_metadata(folder / FOLDER, dataset_id)), hash_files(folder)
