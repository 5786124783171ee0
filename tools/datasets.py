"""The folder that datasets are stored in and loaded from, for a part of a program."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VARIABLE = "MINARI_DATASETS_PATH"


@contextmanager
def datasets_in(folder: Path) -> Iterator[Path]:
    """Set MINARI_DATASETS_PATH to a folder, and set it back at the end."""
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = str(folder)
    try:
        yield folder
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before


@contextmanager
def temporary_datasets() -> Iterator[Path]:
    """Set MINARI_DATASETS_PATH to an empty folder that is deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="offctx-datasets-") as folder, datasets_in(Path(folder)) as path:
        yield path
