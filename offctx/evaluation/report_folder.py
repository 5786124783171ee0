"""Folders that reports are written into."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from offctx.errors import OffctxError
from offctx.files import write_files


def write_report(folder: str | os.PathLike[str], contents: Callable[[], Mapping[str, bytes]], error: type[OffctxError]) -> Path:
    """Writes the files of a report into a folder, whole or not at all, in their order. Other files there are kept.

    Args:
        folder: made where it does not exist.
        contents: makes file name -> content; called after `folder` was checked, as pictures take time.
        error: what to raise where `folder` is a file.

    Returns:
        the folder.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise error(f"expected a folder to write the report into, found a file: {target}")
    write_files(target, contents())
    return target
