"""The protocol of remotes, and how they fail."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from offctx.data.sharing.source import Source
from offctx.errors import DatasetError

Progress = Callable[[int], object]  # called with numbers of bytes, from any thread


class RemoteError(DatasetError):
    """A remote does not give what was asked for, and would not if asked again."""


class Missing(RemoteError):  # noqa: N818
    """A remote does not have a file."""


class Interrupted(RemoteError):  # noqa: N818
    """A connection was cut, or was too slow, or the server is busy: asking again may help."""


@dataclass(frozen=True)
class Upload:
    """What is to be stored in a remote.

    Attributes:
        files: from paths to files on the disk; a path belongs to one content, so that no file with other bytes may be stored
            there, and one that is there need not be stored again.
        manifests: from paths to contents, which replace what is there. They come after the files, in the given order.
        check: raises an error where the files on the disk have changed; called before the first manifest is stored.
        outdated: gives paths of files that are to be deleted after that; called before the first manifest is stored.
        force: store a file also where the remote has one of that path already.
        done: told of bytes that were stored, or were there.
    """

    files: Mapping[str, Source]
    manifests: Mapping[str, bytes]
    check: Callable[[], object]
    outdated: Callable[[], Sequence[str]]
    force: bool
    done: Progress


class Stream(Protocol):
    """Bytes of a file that arrive one after another.

    Attributes:
        begin: the offset of the first byte in the file. It is 0 where a server cannot send parts of files.
        partial: whether the server sends parts of files.
    """

    begin: int
    partial: bool

    def readinto(self, buffer: memoryview) -> int:
        """Reads at least one byte, at most as many as fit; 0 at the end. Raises Interrupted."""


class Remote(Protocol):
    """A place with files, named by relative paths with "/".

    Attributes:
        name: for messages; without passwords.
    """

    name: str

    def read(self, path: str, limit: int) -> bytes:
        """Reads a small file whole.

        Raises:
            Missing: there is none.
            RemoteError: it is larger than `limit` bytes, or cannot be read.
            Interrupted: it can perhaps be read later.
        """

    def stream(self, path: str, begin: int, end: int) -> AbstractContextManager[Stream]:
        """Opens the bytes [begin, end) of a file, or more of it; raises as `read` does."""

    def dataset_ids(self) -> list[str] | None:
        """The ids of all datasets there; None where the place cannot be listed."""

    def store(self, upload: Upload) -> int:
        """Stores files, then manifests, in the given order; readers see each of them whole, or as it was before.

        Args:
            upload: what is to be stored.

        Returns:
            How many bytes of files were sent.

        Raises:
            RemoteError: something cannot be stored.
            DatasetError: a file on the disk has changed. No file of other bytes appears.
        """


def relative_ids(manifests: list[str]) -> list[str]:
    """From paths of files `<dataset id>/manifest.json` to the ids."""
    return sorted(path.removesuffix("/manifest.json") for path in manifests if path.endswith("/manifest.json"))
