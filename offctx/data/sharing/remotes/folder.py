"""A folder as a remote: a disk, a stick, a share of the network, or what a web server serves."""

import contextlib
import io
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from offctx.data.sharing.blocks import hash_blocks, hash_of_blocks
from offctx.data.sharing.remotes.remote import Missing, RemoteError, Upload, relative_ids
from offctx.data.storage.locks import locked, locked_if_free
from offctx.files import make_folder

_PARTS = ".offctx-parts"  # unfinished files: in a folder of their own, each with a lock that dies with its process


class FolderRemote:
    """A remote in a folder."""

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._folder = folder.expanduser().absolute()

    def check_outside(self, folder: Path) -> None:
        """Raises RemoteError where the remote is the folder, or below it; also by links."""
        if self._folder.resolve().is_relative_to(folder.resolve()):
            raise RemoteError(
                f"cannot push to {self.name}: it is in the folder of datasets, {folder}; choose a folder outside of it"
            )

    def read(self, path: str, limit: int) -> bytes:
        """As `Remote`."""
        with self._open(path) as file:
            content = file.read(limit + 1)
        if content is None or len(content) > limit:
            raise RemoteError(f"{self.name}/{path} is larger than {limit} bytes")
        return content

    @contextlib.contextmanager
    def stream(self, path: str, begin: int, end: int) -> Iterator["_FileStream"]:
        """As `Remote`."""
        with self._open(path) as file:
            file.seek(begin)
            yield _FileStream(file, begin, end - begin)

    def dataset_ids(self) -> list[str] | None:
        """As `Remote`."""
        ids = []
        for folder, folders, files in os.walk(self._folder):
            if "manifest.json" in files:
                ids.append((Path(folder) / "manifest.json").relative_to(self._folder).as_posix())
                folders.clear()
            folders[:] = [name for name in folders if not name.startswith(".")]
        return relative_ids(ids)

    def store(self, upload: Upload) -> int:
        """As `Remote`. A file that is there is compared, and stored again where it is damaged."""
        bytes_sent = 0
        try:
            self._remove_leftovers()
            for path, file in upload.files.items():
                target, size = self._folder / path, file.stat().st_size
                if upload.force or not _same(target, path, size):
                    self._write(target, file)
                    bytes_sent += size
                upload.done(size)
            with locked(
                self._folder / _PARTS / "manifests.lock", f"pushing to {self.name}", wait=True
            ):  # cards fit the manifest
                upload.check()  # nobody else writes meanwhile: cards and manifest are of one version
                for path, content in upload.manifests.items():
                    self._write(self._folder / path, content)
                    upload.done(len(content))
        except OSError as error:
            raise RemoteError(f"cannot write to {self.name}: {error}") from error
        return bytes_sent

    def _write(self, target: Path, content: Path | bytes) -> None:
        """Writes a file beside its place, and renames it."""
        make_folder(target.parent)
        part = self._folder / _PARTS / secrets.token_hex(8)
        with locked(part.with_suffix(".lock"), f"pushing to {self.name}", wait=True):
            try:
                if isinstance(content, Path):
                    shutil.copyfile(content, part)
                else:
                    part.write_bytes(content)
                os.replace(part, target)
            finally:
                part.unlink(missing_ok=True)

    def _remove_leftovers(self) -> None:
        """Deletes unfinished files of processes that were killed."""
        parts = self._folder / _PARTS
        with contextlib.suppress(OSError):
            for name in {entry.stem for entry in parts.iterdir()}:
                with locked_if_free(parts / f"{name}.lock") as free:
                    if free:
                        (parts / name).unlink(missing_ok=True)

    def _open(self, path: str) -> io.FileIO:
        try:
            file = io.FileIO(self._folder / path, opener=_without_waiting)
        except FileNotFoundError as error:
            raise Missing(f"{self.name} has no {path}") from error
        except OSError as error:
            raise RemoteError(f"cannot read {self.name}/{path}: {error}") from error
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise RemoteError(f"cannot read {self.name}/{path}: it is not a regular file")
        return file


class _FileStream:
    partial = True

    def __init__(self, file: io.FileIO, begin: int, left: int) -> None:
        self.begin = begin
        self._file, self._left = file, left

    def readinto(self, buffer: memoryview) -> int:
        """As `Stream`."""
        count = self._file.readinto(buffer[: self._left])
        self._left -= count
        return count


def _without_waiting(path: str, flags: int) -> int:
    """Opens a file for `open`; of a FIFO that nobody writes to, the open would never end."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _same(target: Path, path: str, size: int) -> bool:
    """Whether a file at files/<hash>/<name> has that hash and size."""
    if not target.is_file() or target.stat().st_size != size:
        return False
    return hash_of_blocks(hash_blocks(target, size)) == path.split("/")[-2]
