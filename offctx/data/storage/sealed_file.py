"""Files that end with a checksum of their content and of their name: what is damaged, or of another name, is not read.

Finished parts of unfinished work are in such files, and may be read after a crash of the machine.
"""

import hashlib
import sys
from pathlib import Path

from offctx.data.storage.own_files import read_regular_file

_CHECKSUM_BYTES = 32


def sealed(name: str, content: bytes) -> bytes:
    """Returns a content with its checksum, to be written to a file.

    Args:
        name: says what the content is; `read_sealed` needs the same one.
        content: of any length.
    """
    return content + _checksum(name, content)


def read_sealed(path: Path, name: str) -> bytes | None:
    """Returns the content of a file that `sealed` has made; None where there is no such file, or it is damaged in any way."""
    try:
        content = read_regular_file(path, sys.maxsize)
    except (OSError, MemoryError):
        return None
    content, checksum = content[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
    return content if checksum == _checksum(name, content) else None


def _checksum(name: str, content: bytes) -> bytes:
    digest = hashlib.sha256(name.encode())
    digest.update(b"\0")
    digest.update(content)
    return digest.digest()
