"""Unfinished files of a folder remote: in a folder of their own, each with a lock that dies with its process."""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from offctx.data.storage.locks import locked, locked_if_free

PARTS = ".offctx-parts"


@contextlib.contextmanager
def unfinished_file(remote: Path) -> Iterator[Path]:
    """Gives the path of a file that is to be written and renamed to its place; deletes what is left of it afterwards.

    Args:
        remote: the folder of the remote.

    Raises:
        OSError: nothing can be written there.
    """
    part = remote / PARTS / secrets.token_hex(8)
    with locked(part.with_suffix(".lock"), f"pushing to {remote}", wait=True):
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)


def remove_unfinished(remote: Path) -> None:
    """Deletes unfinished files of processes that were killed."""
    parts = remote / PARTS
    with contextlib.suppress(OSError):
        for name in {entry.stem for entry in parts.iterdir()}:
            with locked_if_free(parts / f"{name}.lock") as free:
                if free:
                    (parts / name).unlink(missing_ok=True)
