"""Files and folders that appear only when they are complete: written beside their place, then renamed into it.

A rename within one file system is atomic. Whoever reads the place, and whoever comes after a crash, finds the old content
whole or the new content whole. An interrupt leaves the old content and no temporary file; a killed process may leave a
temporary file, whose name begins with a dot.
"""

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

_ATTEMPTS = 100  # to make a folder that other processes delete while it is empty


def make_folder(folder: Path) -> None:
    """Makes a folder, with its parents, where it is missing. Other processes may delete these while they are empty.

    `Path.mkdir` fails where the folder is deleted after it was found to exist, or where a parent is deleted after it was made.

    Args:
        folder: to be made.

    Raises:
        OSError: it cannot be made.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return folder.mkdir(parents=True, exist_ok=True)
        except (FileNotFoundError, FileExistsError):
            if attempt == _ATTEMPTS - 1:
                raise
    return None


@contextlib.contextmanager
def replaced_on_success(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`, to write a file to; renames that file to `path` when the block succeeds.

    The folder of `path` must exist. The temporary path carries the process id, so that processes do not disturb each other.

    Args:
        path: the place of the file, which may hold an older one.

    Raises:
        OSError: the file cannot be renamed. Whatever the block raises is passed on; `path` is then as it was.

    Example::

        with replaced_on_success(folder / "weights.npy") as temporary, temporary.open("wb") as file:
            np.save(file, weights)
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_file(path: str | os.PathLike[str], most: int | None = None) -> bytes:
    """Reads a regular file whole. Symbolic links are followed; nothing is waited for, as opening a FIFO would.

    Args:
        path: of the file.
        most: bytes that it may have; any number where None.

    Raises:
        OSError: there is no such file, its path cannot be one, it is no regular file, or it has more than `most` bytes.
    """
    with _open_regular(path) as descriptor:
        size = os.fstat(descriptor).st_size
        if most is not None and size > most:
            raise OSError(errno.EFBIG, f"it has {size:,} bytes; expected at most {most:,}", os.fspath(path))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()


def check_regular_file(path: str | os.PathLike[str]) -> None:
    """Checks a file that a library will open, which may wait for ever where it opens a FIFO.

    Args:
        path: of the file; symbolic links are followed.

    Raises:
        OSError: there is no such file, its path cannot be one, or it is no regular file.
    """
    with _open_regular(path):
        pass


@contextlib.contextmanager
def _open_regular(path: str | os.PathLike[str]) -> Iterator[int]:
    """A descriptor of a regular file, for reading."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:  # a zero byte, or text that no file system can encode
        raise OSError(errno.EINVAL, f"no file can have this name ({error})", os.fspath(path)) from error
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
        yield descriptor
    finally:
        os.close(descriptor)


def write_file(path: Path, content: bytes | str) -> None:
    """Writes a file that appears at `path` when it is complete.

    Args:
        path: the place of the file, in a folder that exists.
        content: bytes, or text that is written as UTF-8.

    Raises:
        OSError: the file cannot be written; `path` is then as it was.
    """
    with replaced_on_success(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Writes several files of one folder: all of them beside the folder first, then each into it, in the given order.

    Nothing in the folder changes unless every file could be written. A crash among the renames leaves some files old and
    some new, each of them whole; so write the file that marks the set as complete last. Other
    files of the folder stay.

    Args:
        folder: made where it does not exist, with its parents.
        contents: from file names to contents.

    Raises:
        OSError: a file cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with staging_folder(folder.parent, prefix=f".{folder.name}-") as staging:
        for name, content in contents.items():
            (staging / name).write_bytes(content)
        folder.mkdir(exist_ok=True)
        for name in contents:
            os.replace(staging / name, folder / name)


@contextlib.contextmanager
def staging_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Gives a new empty folder in `parent`, and deletes it and what is left in it afterwards.

    What is to stay is built in a subfolder and renamed to its place; the staging folder itself is readable by its owner alone.

    Args:
        parent: an existing folder on the file system on which the result will stand.
        prefix: how the name of the staging folder begins; a dot hides it.
    """
    staging = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def sync_to_disk(path: Path) -> None:
    """Makes sure that the content of a file is on the disk, so that what the file replaces may be deleted."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
