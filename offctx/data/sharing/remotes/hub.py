"""A dataset repository of the Hugging Face hub: hf://datasets/<organisation>/<name>[@revision][/folder].

A push is one commit, so readers see all of it or nothing. A pull reads one commit, whatever is pushed meanwhile.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from offctx.data.sharing.remotes.http import HttpRemote
from offctx.data.sharing.remotes.remote import Interrupted, Missing, RemoteError, Stream, Upload, relative_ids
from offctx.data.sharing.source import Source
from offctx.errors import DatasetError

_URL = re.compile(r"hf://datasets/(?P<repo>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w.%-]+))?(?:/(?P<folder>[^@]*))?")

_SMALL = 10 * 1024 * 1024  # bytes; above, the hub's client uploads a file from the disk, as Git LFS or Xet has it


class HubRemote:
    """A remote on the hub.

    Args:
        url: hf://datasets/<organisation>/<name>, with @<revision> and a folder where wanted.
        timeout: seconds to wait for an answer, or for bytes.
    """

    def __init__(self, url: str, *, timeout: float) -> None:
        match = _URL.fullmatch(url.rstrip("/"))
        if match is None:
            raise RemoteError(f"expected hf://datasets/<organisation>/<name>; found {url!r}")
        try:
            import huggingface_hub
        except ImportError as error:
            raise RemoteError(f"{url} needs the package huggingface_hub: pip install 'offctx[remotes]' ({error})") from error
        self.name = url.rstrip("/")
        self._repo, self._revision = match["repo"], match["revision"]
        self._folder = f"{match['folder']}/" if match["folder"] else ""
        self._timeout = timeout
        self._hub = huggingface_hub
        self._endpoint = os.environ.get("HF_ENDPOINT") or None  # the client reads it when it is imported, and never again
        self._api = huggingface_hub.HfApi(endpoint=self._endpoint)
        self._commit: HttpRemote | None = None

    def read(self, path: str, limit: int) -> bytes:
        """As `Remote`."""
        return self._files().read(f"{self._folder}{path}", limit)

    def stream(self, path: str, begin: int, end: int) -> "contextlib.AbstractContextManager[Stream]":
        """As `Remote`."""
        return self._files().stream(f"{self._folder}{path}", begin, end)

    def dataset_ids(self) -> list[str] | None:
        """As `Remote`."""
        with self._errors(f"cannot list {self.name}"):
            paths = list(self._all_files())
        inside = [path.removeprefix(self._folder) for path in paths if path.startswith(self._folder)]
        return relative_ids([path for path in inside if "/files/" not in path])

    def store(self, upload: Upload) -> int:
        """As `Remote`; all of it is one commit. The repository is made where there is none."""
        with self._errors(f"cannot push to {self.name}"):
            self._api.create_repo(self._repo, repo_type="dataset", exist_ok=True)
            present = {} if upload.force else self._all_files()
            wanted = {
                path: source
                for path, source in upload.files.items()
                if not _is_stored(present.get(f"{self._folder}{path}"), source)
            }
            contents = {
                **{path: source.read() if source.file.size <= _SMALL else str(source.path) for path, source in wanted.items()},
                **upload.manifests,
                **_front_page(upload.manifests),
            }
            additions = [self._hub.CommitOperationAdd(f"{self._folder}{path}", content) for path, content in contents.items()]
            self._api.preupload_lfs_files(self._repo, additions, repo_type="dataset", revision=self._revision)
            self._check_sent(additions, wanted)
            upload.check()
            deletions = [self._hub.CommitOperationDelete(f"{self._folder}{path}") for path in upload.outdated()]
            self._api.create_commit(
                self._repo,
                [*additions, *deletions],
                commit_message="Dataset pushed by offctx",
                repo_type="dataset",
                revision=self._revision,
            )
        self._commit = None
        upload.done(sum(source.file.size for source in upload.files.values()) + sum(map(len, upload.manifests.values())))
        return sum(source.file.size for source in wanted.values())

    def _check_sent(self, additions: Sequence[Any], wanted: Mapping[str, Source]) -> None:
        """Raises DatasetError where the client has read other bytes than were hashed: it reads large files itself."""
        for addition in additions:
            source = wanted.get(addition.path_in_repo.removeprefix(self._folder))
            if source is not None and addition.upload_info.sha256.hex() != source.sha256():
                raise DatasetError(f"{source.path} changed while it was read: push again")

    def _all_files(self) -> dict[str, Any]:
        """From paths to what the hub says of the files there."""
        entries = self._api.list_repo_tree(self._repo, recursive=True, repo_type="dataset", revision=self._revision)
        return {entry.path: entry for entry in entries if hasattr(entry, "blob_id")}

    def _files(self) -> HttpRemote:
        """The files of the commit that is the newest when it is first asked for."""
        if self._commit is None:
            with self._errors(f"cannot read {self.name}"):
                info = self._api.dataset_info(self._repo, revision=self._revision, timeout=self._timeout)
                address = self._hub.hf_hub_url(self._repo, "-", repo_type="dataset", revision=info.sha, endpoint=self._endpoint)
                headers = self._hub.utils.build_hf_headers(library_name="offctx")
            self._commit = HttpRemote(address.removesuffix("/-"), timeout=self._timeout, headers=headers)
        return self._commit

    @contextlib.contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """What the hub's client raises becomes an error of ours."""
        try:
            yield
        except DatasetError:
            raise
        except Exception as error:  # its own errors, and those of its HTTP library, which changes with its versions
            text = f"{what}: {' '.join(str(error).split())[:500]}"
            if _status(error) in (401, 403, 404):
                raise Missing(f"{text} (`hf auth login` gives access to private repositories)") from error
            later = _status(error) in (None, 429, 500, 502, 503, 504)
            raise (Interrupted if later else RemoteError)(text) from error


def _front_page(manifests: Mapping[str, bytes]) -> dict[str, bytes]:
    """The README of the dataset once more, with its picture, where the hub looks for the page of a repository."""
    pages = {path.rpartition("/")[2]: content for path, content in manifests.items()}
    return {name: pages[name] for name in ("README.md", "returns.png") if name in pages}


def _is_stored(entry: Any, source: Source) -> bool:
    """Whether a file of the hub has the bytes of this one, by the hash that the hub keeps."""
    if entry is None or entry.size != source.file.size:
        return False
    if entry.lfs is not None:
        return bool(entry.lfs.sha256 == source.sha256())
    content = source.read()
    return bool(entry.blob_id == hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest())


def _status(error: Any) -> int | None:
    status: int | None = getattr(getattr(error, "response", None), "status_code", None)
    return status
