"""Names of files in a manifest. They come from strangers, and are made into paths below a folder of ours."""

import re
from collections.abc import Iterable

from offctx.errors import DatasetError

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.=+-]{0,199}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # devices on Windows
_DEPTH = 8
FOLDER = "data"  # every file of a Minari dataset lies in it


def check_names(paths: Iterable[str], source: str) -> None:
    """Checks relative paths of files below one folder.

    Args:
        paths: with "/" between the parts.
        source: for messages.

    Raises:
        DatasetError: a path is absolute, leads out of the folder, is hidden, reserved or too deep, is not in `data`, stands
            twice (in upper or lower case), or names a file that another path uses as a folder.
    """
    files: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        parts = path.split("/")
        if parts[0] != FOLDER or not 2 <= len(parts) <= _DEPTH or any(not _valid(part) for part in parts):
            raise DatasetError(
                f"{source} names a file {path[:200]!r}; expected a plain relative path such as 'data/metadata.json'"
            )
        lower = path.lower()
        above = {lower.rsplit("/", k)[0] for k in range(1, len(parts))}
        if lower in files or lower in folders or above & files:
            raise DatasetError(f"{source} names {path!r} twice, or as a file and a folder")
        files.add(lower)
        folders |= above


def _valid(part: str) -> bool:
    return bool(_PART.fullmatch(part)) and not part.endswith(".") and not _RESERVED.fullmatch(part)
