"""Any place that fsspec knows: s3://, gs://, memory:// and others."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import fsspec

from offctx.data.sharing.manifest import SharedFile
from offctx.data.sharing.remotes.http import without_password
from offctx.data.sharing.remotes.remote import Interrupted, Missing, RemoteError, Upload, relative_ids
from offctx.data.sharing.source import Source
from offctx.errors import DatasetError

_PIECE = 8 * 1024 * 1024  # bytes asked for at once
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
_LATER = (TimeoutError, ConnectionError)
_VERIFIED = ".verified"  # ends the name of a record beside a file: which object of the store a push has verified
_TAGS = ("ETag", "etag", "md5Hash", "content_md5")  # of an object, as stores name what changes with its content
_TIMES = ("generation", "LastModified", "last_modified", "updated", "mtime", "modified", "created")


class CloudRemote:
    """A remote of fsspec.

    Args:
        url: of the folder, such as s3://bucket/datasets.
        storage_options: for fsspec, such as keys and the address of an S3-compatible store.
    """

    def __init__(self, url: str, storage_options: Mapping[str, Any]) -> None:
        self.name = without_password(url).rstrip("/")
        protocol = url.partition("://")[0]
        with self._errors("", f"cannot open {self.name}"):
            try:
                self._files, root = fsspec.core.url_to_fs(url, **storage_options)
            except ImportError as error:
                package = _PACKAGES.get(protocol, "that fsspec names")
                raise RemoteError(
                    f"{self.name} needs the package {package}: pip install 'offctx[remotes]' ({error})"
                ) from error
        self._root = root.rstrip("/")

    def read(self, path: str, limit: int) -> bytes:
        """As `Remote`."""
        with self._errors(path):
            self._files.invalidate_cache()
            size = self._files.info(self._at(path))["size"]
            if size is None or size > limit:
                raise RemoteError(f"{self.name}/{path} has {size} bytes; expected at most {limit}")
            content: bytes = self._files.cat_file(self._at(path), start=0, end=size)
        return content

    @contextlib.contextmanager
    def stream(self, path: str, begin: int, end: int) -> Iterator["_CloudStream"]:
        """As `Remote`."""
        yield _CloudStream(self, path, begin, end)

    def part(self, path: str, begin: int, end: int) -> bytes:
        """The bytes [begin, end) of a file."""
        with self._errors(path):
            content: bytes = self._files.cat_file(self._at(path), start=begin, end=end)
        if len(content) != end - begin:
            raise RemoteError(
                f"{self.name}/{path}: asked for {end - begin} bytes; found {len(content)}: the file has another size"
            )
        return content

    def dataset_ids(self) -> list[str] | None:
        """As `Remote`."""
        with self._errors("", f"cannot list {self.name}"):
            self._files.invalidate_cache()
            try:
                paths = self._files.find(self._root)
            except FileNotFoundError:
                return []
        return relative_ids([path.removeprefix(self._root).lstrip("/") for path in paths if "/files/" not in path])

    def store(self, upload: Upload) -> int:
        """As `Remote`. Where the store says that a file is still the object that an earlier push has verified, it stays."""
        bytes_sent = 0
        for path, source in upload.files.items():
            with self._errors(path, f"cannot write {self.name}/{path}"):
                if upload.force or not self._is_verified(path, source.file):
                    self._send(path, source)
                    bytes_sent += source.file.size
            upload.done(source.file.size)
        upload.check()
        outdated = upload.outdated()
        for path, content in upload.manifests.items():
            with self._errors(path, f"cannot write {self.name}/{path}"):
                self._make_parent(path)
                self._files.pipe_file(self._at(path), content)
            upload.done(len(content))
        for path in outdated:
            with self._errors(path, f"cannot delete {self.name}/{path}"), contextlib.suppress(FileNotFoundError):
                self._files.rm_file(self._at(path))
        return bytes_sent

    def _send(self, path: str, source: Source) -> None:
        """Stores a file, which appears when its last block is verified, and records which object it became."""
        self._make_parent(path)
        with self._files.transaction, self._files.open(self._at(path), "wb") as out:
            for block in source.blocks():
                out.write(block)
        record = self._record(path, source.file)
        if record is not None:
            self._files.pipe_file(self._at(path) + _VERIFIED, record)

    def _is_verified(self, path: str, file: SharedFile) -> bool:
        try:
            return bool(self._files.cat_file(self._at(path) + _VERIFIED) == self._record(path, file))
        except FileNotFoundError:
            return False

    def _record(self, path: str, file: SharedFile) -> bytes | None:
        """The object at a path as the store describes it; None where its size is another, or the store tells nothing else."""
        self._files.invalidate_cache()
        about = self._files.info(self._at(path))
        named = [name for name in _TAGS if about.get(name)] or [name for name in _TIMES if about.get(name)]
        if about["size"] != file.size or not named:
            return None
        return json.dumps({"sha256": file.sha256, "size": file.size, **{name: str(about[name]) for name in named}}).encode()

    def _make_parent(self, path: str) -> None:
        """Makes the folder of a file, where the place has folders."""
        with contextlib.suppress(NotImplementedError):
            if not hasattr(self._files, "bucket_exists") and self._files.protocol[0] not in ("s3", "gs", "gcs"):
                self._files.makedirs(self._at(path).rpartition("/")[0], exist_ok=True)

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    @contextlib.contextmanager
    def _errors(self, path: str, what: str = "") -> Iterator[None]:
        """Whatever fsspec and the packages below it raise becomes an error of ours."""
        what = what or f"cannot read {self.name}/{path}"
        try:
            yield
        except DatasetError:
            raise
        except FileNotFoundError as error:
            raise Missing(f"{what}: it is not there") from error
        except _LATER as error:
            raise Interrupted(f"{what}: {type(error).__name__} {error}") from error
        except Exception as error:  # each package has its own: botocore, aiohttp, gcsfs
            later = "timeout" in type(error).__name__.lower() or "connection" in type(error).__name__.lower()
            raise (Interrupted if later else RemoteError)(f"{what}: {type(error).__name__}: {error}") from error


class _CloudStream:
    partial = True

    def __init__(self, remote: CloudRemote, path: str, begin: int, end: int) -> None:
        self.begin = begin
        self._remote, self._path = remote, path
        self._next, self._end = begin, end
        self._piece = memoryview(b"")

    def readinto(self, buffer: memoryview) -> int:
        """As `Stream`."""
        if not self._piece and self._next < self._end:
            stop = min(self._next + _PIECE, self._end)
            self._piece = memoryview(self._remote.part(self._path, self._next, stop))
            self._next = stop
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count
