"""A folder as a remote: a disk, a stick, a share of the network, or what a web server serves."""

import contextlib
import io
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from offctx.data.sharing.remotes.parts import PARTS, remove_unfinished, unfinished_file
from offctx.data.sharing.remotes.remote import Missing, RemoteError, Upload, relative_ids
from offctx.data.sharing.source import Source
from offctx.data.storage.block_hashes import hash_of_file
from offctx.data.storage.locks import locked
from offctx.files import make_folder


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
        with self._open(path) as file, self._errors(path):
            content = file.read(limit + 1)
        if content is None or len(content) > limit:
            raise RemoteError(f"{self.name}/{path} is larger than {limit} bytes")
        return content

    @contextlib.contextmanager
    def stream(self, path: str, begin: int, end: int) -> Iterator["_FileStream"]:
        """As `Remote`."""
        with self._open(path) as file:
            with self._errors(path):
                file.seek(begin)
            yield _FileStream(file, begin, end - begin, partial(self._errors, path))

    def dataset_ids(self) -> list[str] | None:
        """As `Remote`."""
        ids = []
        for folder, folders, files in os.walk(self._folder):
            if "manifest.json" in files:
                ids.append((Path(folder) / "manifest.json").relative_to(self._folder).as_posix())
                folders.clear()
            folders[:] = [name for name in folders if not name.startswith(".")]
        return relative_ids(ids)

    @contextlib.contextmanager
    def copies(self, dataset_id: str, paths: Mapping[str, int], *, all_files: bool) -> Iterator[dict[str, Path]]:
        """Gives paths of unfinished files, into which files of a dataset are to be copied while they are hashed.

        Args:
            dataset_id: of the dataset.
            paths: from paths of its files to their sizes.
            all_files: also of those that the remote seems to have, by name and size.

        Raises:
            RemoteError: nothing can be written there.
        """
        with contextlib.ExitStack() as stack:
            try:
                stored = {(path.name, path.stat().st_size) for path in (self._folder / dataset_id / "files").glob("*/*")}
                missing = [path for path, size in paths.items() if all_files or (Path(path).name, size) not in stored]
                copies = {path: stack.enter_context(unfinished_file(self._folder)) for path in missing}
            except OSError as error:
                raise RemoteError(f"cannot write to {self.name}: {error}") from error
            yield copies

    def store(self, upload: Upload) -> int:
        """As `Remote`. A file that is there is compared, and stored again where it is damaged."""
        bytes_sent = 0
        try:
            remove_unfinished(self._folder)
            for path, source in upload.files.items():
                if upload.force or not _same(self._folder / path, path, source.file.size):
                    self._write(self._folder / path, source)
                    bytes_sent += source.file.size
                upload.done(source.file.size)
            with locked(self._folder / PARTS / "manifests.lock", f"pushing to {self.name}", wait=True):
                upload.check()  # nobody else writes meanwhile: cards and manifest are of one version
                outdated = upload.outdated()
                for path, content in upload.manifests.items():
                    self._write(self._folder / path, content)
                    upload.done(len(content))
                for path in outdated:
                    (self._folder / path).unlink(missing_ok=True)
        except OSError as error:
            raise RemoteError(f"cannot write to {self.name}: {error}") from error
        return bytes_sent

    def _write(self, target: Path, content: Source | bytes) -> None:
        """Writes a file beside its place, and renames it, unless a source has changed, which raises DatasetError."""
        make_folder(target.parent)
        if isinstance(content, Source) and content.copied is not None:
            os.replace(content.copied, target)
            return
        with unfinished_file(self._folder) as part:
            if isinstance(content, Source):
                content.copy(part)
            else:
                part.write_bytes(content)
            os.replace(part, target)

    def _open(self, path: str) -> io.FileIO:
        with self._errors(path):
            file = io.FileIO(self._folder / path, opener=_without_waiting)
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise RemoteError(f"cannot read {self.name}/{path}: it is not a regular file")
        return file

    @contextlib.contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        """Errors of the remote's disk become errors of ours, so that a mirror is tried."""
        try:
            yield
        except FileNotFoundError as error:
            raise Missing(f"{self.name} has no {path}") from error
        except OSError as error:
            raise RemoteError(f"cannot read {self.name}/{path}: {error}") from error


class _FileStream:
    partial = True

    def __init__(
        self, file: io.FileIO, begin: int, left: int, errors: Callable[[], contextlib.AbstractContextManager[None]]
    ) -> None:
        self.begin = begin
        self._file, self._left, self._errors = file, left, errors

    def readinto(self, buffer: memoryview) -> int:
        """As `Stream`."""
        with self._errors():
            count = self._file.readinto(buffer[: self._left])
        self._left -= count
        return count


def _without_waiting(path: str, flags: int) -> int:
    """Opens a file for `open`; of a FIFO that nobody writes to, the open would never end."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _same(target: Path, path: str, size: int) -> bool:
    """Whether a file at files/<hash>/<name> has that hash and size. One that cannot be read is stored again."""
    try:
        if not target.is_file() or target.stat().st_size != size:
            return False
        return hash_of_file(target, size) == path.split("/")[-2]
    except OSError:
        return False
