"""Dataset ids, and the folders below MINARI_DATASETS_PATH that belong to them.

Beside the datasets stand hidden folders (Minari lists no folder whose name begins with a dot): flat copies, unfinished
derivatives, and the old dataset while a new one takes its place. In each of them a dataset has a subfolder.
"""

import contextlib
import hashlib
import os
from pathlib import Path

from minari.dataset.minari_dataset import parse_dataset_id
from minari.storage import get_dataset_path

from offctx.errors import DatasetError

FLAT_COPIES = ".offctx-cache"
UNFINISHED_WORK = ".offctx-derivatives"
REPLACED = ".offctx-replaced"
STAGING_PREFIX = ".offctx-staging-"


def datasets_root() -> Path:
    """The folder of all datasets, MINARI_DATASETS_PATH. Absolute: Minari's storage fails where it is given a relative one."""
    return Path(get_dataset_path()).absolute()


def dataset_folder(dataset_id: str) -> Path:
    """Returns the folder of a dataset, which need not exist.

    Restores the old dataset where a process was killed between the two renames of `replace_dataset`.

    Raises:
        DatasetError: the id is malformed.
    """
    try:
        parse_dataset_id(dataset_id)
    except (ValueError, TypeError) as error:
        raise DatasetError(
            f"malformed dataset id {dataset_id!r}: Minari expects <namespace>/<name>-v<number>, letters, digits, - and _, at "
            f"least two in the namespace, such as 'offctx/PendulumGoal/mixed-v0'"
        ) from error
    folder = datasets_root() / dataset_id
    if not folder.exists():
        with contextlib.suppress(OSError):  # usually there is nothing to restore
            os.rename(hidden_folder(folder, REPLACED), folder)
    return folder


def unused_dataset_folder(dataset_id: str) -> Path:
    """Returns the folder for a new dataset.

    Raises:
        DatasetError: the id is malformed, or a dataset has it already.
    """
    folder = dataset_folder(dataset_id)
    if folder.exists():
        name, _, version = dataset_id.rpartition("-v")
        raise DatasetError(f"dataset id {dataset_id!r} is taken: choose another, such as '{name}-v{int(version) + 1}'")
    return folder


def hidden_folder(folder: Path, kind: str) -> Path:
    """Returns the subfolder for a dataset's folder in the hidden folder `kind`."""
    return datasets_root() / kind / hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:32]


def work_folder(dataset_id: str) -> Path:
    """Returns the folder for unfinished work on a dataset, which need not exist."""
    return hidden_folder(dataset_folder(dataset_id), UNFINISHED_WORK)
