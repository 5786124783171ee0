"""The files that a card names, with their SHA-256."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from offctx.errors import DatasetError

FORMATS = {".hdf5": "application/x-hdf5", ".json": "application/json", ".md": "text/markdown", ".png": "image/png"}
_BLOCK = 1 << 20
ANY_FORMAT = "application/octet-stream"


@dataclass(frozen=True)
class CardFile:
    """A file of a dataset as a card names it.

    Attributes:
        path: relative to the dataset's folder, with "/", such as "data/main_data.hdf5".
        size: in bytes.
        sha256: of its content.
        url: where it is, relative to the card or absolute; the path where None.
    """

    path: str
    size: int
    sha256: str
    url: str | None = None

    @property
    def media_type(self) -> str:
        """Its MIME type, by the ending of its name."""
        return FORMATS.get(Path(self.path).suffix, ANY_FORMAT)


def hash_files(folder: Path) -> list[CardFile]:
    """Returns the files below a dataset's folder, sorted by path. Files whose name begins with a dot are left out.

    Raises:
        DatasetError: a file cannot be read.
    """
    try:
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        names = {path: path.relative_to(folder) for path in paths}
        shown = {path: name for path, name in names.items() if not any(part.startswith(".") for part in name.parts)}
        return [CardFile(name.as_posix(), path.stat().st_size, _sha256(path)) for path, name in shown.items()]
    except OSError as error:
        raise DatasetError(f"cannot read the files in {folder}: {error}") from error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
