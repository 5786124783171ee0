"""What a call has left on a disk that turned out to be full is removed again."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from offctx.data.storage.ids import FLAT_COPIES, dataset_folder, hidden_folder
from offctx.data.storage.leftovers import discard


@contextlib.contextmanager
def nothing_left_if_full(dataset_id: str, work: Path | None = None) -> Iterator[None]:
    """Where the block fails because a disk is full: deletes the dataset's flat copy, if there was none before, and the work.

    Args:
        dataset_id: of the dataset that is read in the block.
        work: a folder of unfinished work, whose lock the caller holds; None where there is none.
    """
    flat_copy = hidden_folder(dataset_folder(dataset_id), FLAT_COPIES)
    existed = os.path.lexists(flat_copy)
    try:
        yield
    except Exception as error:
        if _is_full(error):
            for folder in (None if existed else flat_copy, work):
                if folder is not None:
                    discard(folder)
        raise


def _is_full(error: BaseException | None) -> bool:
    """Whether a full disk, a quota or a limit of file sizes is the cause of an error."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        error = error.__cause__
    return False
