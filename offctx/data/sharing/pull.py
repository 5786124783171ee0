"""Pulling a dataset from remotes: verified block by block, resumed after any interruption, published when it is complete."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tqdm.auto import tqdm

from offctx.checks import at_least, count
from offctx.data.sharing.context_parts import chosen_parts
from offctx.data.sharing.fetch import Fetched, FileFetch, Mirror, Patience
from offctx.data.sharing.folders import dataset_hash, read_raw_metadata
from offctx.data.sharing.manifest import MAIN_PATH, METADATA_PATH, Manifest, SharedFile
from offctx.data.sharing.mirrors import Address, find_manifest, only_dataset, open_remotes
from offctx.data.sharing.part import read_header, write_part
from offctx.data.storage.changes import changing
from offctx.data.storage.ids import UNFINISHED_PULLS, dataset_folder, hidden_folder
from offctx.data.storage.leftovers import ABOUT_WORK, about_work, remove_leftovers
from offctx.data.storage.place import check_place, unused_dataset_folder
from offctx.data.storage.publish import publish_dataset, replace_dataset
from offctx.errors import DatasetError, OffctxError
from offctx.files import make_folder, sync_to_disk, write_file


@dataclass(frozen=True)
class Pulled:
    """What a pull did.

    Attributes:
        dataset_id: under which the dataset is on this disk.
        sha256: content hash of the dataset that was pulled from; of all of it, where only some contexts were pulled.
        remote: the first one that had it, as it was given.
        size: bytes of the dataset that was pulled from.
        blocks: how many blocks came from remotes; the others were here already.
        received: bytes of files that came from remotes.
    """

    dataset_id: str
    sha256: str
    remote: str
    size: int
    blocks: int
    received: int


def pull(
    remote: Address | Sequence[Address],
    dataset_id: str | None = None,
    *,
    sha256: str | None = None,
    contexts: Any = None,
    new_id: str | None = None,
    overwrite: bool = False,
    timeout: float = 30.0,
    retries: int = 5,
    workers: int = 8,
    storage_options: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Pulled:
    """Pulls a dataset. It appears under its id when all of it is there and verified, and not before.

    After an interruption, the same call goes on; no block is fetched twice. Where the dataset is here already, nothing is
    fetched.

    Args:
        remote: a folder, or an address: https://..., s3://bucket/folder, gs://bucket/folder,
            hf://datasets/organisation/name; or several of these, which are tried in turn.
        dataset_id: which dataset; may be left out where the remote has one only, and can be listed.
        sha256: the content hash that it must have; None for the newest version.
        contexts: only these: numbers of contexts, values, names, an inequality or a function, as `load_dataset` takes them;
            None for all. A warning names the infos that such a part leaves out, as the layout has no place for them.
        new_id: the id on this disk; only with `contexts`.
        overwrite: replace a dataset of the same id and other content.
        timeout: seconds to wait for a connection, for its answer, and for bytes.
        retries: attempts after a cut connection, one after another without a new byte.
        workers: connections at once.
        storage_options: for fsspec, such as keys.
        progress: show a progress bar.

    Returns:
        What was done, with the content hash.

    Raises:
        DatasetError: no remote has the dataset, something differs from its hash, or the id is taken.

    Example::

        offctx.pull("https://example.org/datasets", "offctx/PendulumGoal/random-v0")
        dataset = offctx.load_dataset("offctx/PendulumGoal/random-v0")
    """
    patience = Patience(retries=count(retries, 0, "retries", DatasetError), workers=count(workers, 1, "workers", DatasetError))
    timeout = at_least(timeout, 0, "timeout", strictly=True, error=DatasetError)
    if new_id is not None and contexts is None:
        raise DatasetError("new_id is for a part of a dataset: give contexts too, or leave it out")
    _check_hash(sha256)
    remotes = open_remotes(remote, timeout, storage_options)
    wanted = only_dataset(remotes) if dataset_id is None else dataset_id
    target = wanted if new_id is None else new_id
    if contexts is not None:
        unused_dataset_folder(target)
    manifest, mirrors = find_manifest(remotes, wanted, sha256, patience)
    job = _Job(target, manifest, mirrors, patience, progress)
    remove_leftovers()
    if contexts is None and job.is_here():  # also where nothing can be written
        return job.done()
    with changing(target, "pulling", wait=True):
        if contexts is not None:
            return job.pull_part(contexts)
        return job.pull_all(overwrite)


@dataclass
class _Job:
    """A pull. What it changes, it changes under the lock of its id."""

    target: str
    manifest: Manifest
    mirrors: list[Mirror]
    patience: Patience
    progress: bool

    def __post_init__(self) -> None:
        self._fetched = Fetched()
        self._work = hidden_folder(dataset_folder(self.target), UNFINISHED_PULLS)
        self._folder = self._work / self.manifest.sha256[:32]

    def is_here(self) -> bool:
        """Whether the dataset that is wanted is on this disk."""
        try:
            return dataset_hash(self.target) == self.manifest.sha256
        except DatasetError:
            return False  # none, or one that is damaged or being changed

    def pull_all(self, overwrite: bool) -> Pulled:
        folder = dataset_folder(self.target)
        exists = os.path.lexists(folder)
        if exists and self.is_here():
            self._clean()
            return self.done()
        if exists and not (folder / "data").is_dir():
            raise DatasetError(f"{self.target} cannot be pulled: {folder} is no dataset; move it away")
        if exists and not overwrite:
            raise DatasetError(
                f"{self.target} is here already, with other content than {self.manifest.sha256[:12]}... at "
                f"{self.mirrors[0].remote.name}: overwrite it, or delete yours"
            )
        check_place(self.target)
        with self._files(self.manifest.files):
            read_raw_metadata(self._folder, self.target)
            for file in self.manifest.files:  # so that a crash of the machine leaves no half-written dataset under the id
                sync_to_disk(self._folder / file.path)
            if exists:
                replace_dataset(self.target, self._folder)
            else:
                publish_dataset(self.target, self._folder)
        self._clean()
        return self.done()

    def pull_part(self, contexts: Any) -> Pulled:
        source = self.manifest.dataset_id
        unused_dataset_folder(self.target)
        small = [file for file in self.manifest.files if file.path == METADATA_PATH]
        main = self.manifest.file(MAIN_PATH)
        assert main is not None  # the manifest was checked
        with self._files(small):
            header = read_header(self._folder, self.manifest)
            names = header.metadata.space().names if header.metadata else ()
            try:
                parts = chosen_parts(self.manifest.contexts, names, contexts, source)
            except OffctxError:
                self._clean()
                raise
            with self._bar(sum(end - begin for part in parts for begin, end in part.bytes)) as bar:
                fetch = self._fetch(main, bar, whole=False)
                write_part(self.target, fetch, self._folder / MAIN_PATH, parts, header, self.manifest)
        self._clean()
        return self.done()

    @contextlib.contextmanager
    def _files(self, files: Sequence[SharedFile]) -> Iterator[None]:
        """Fetches whole files into the folder of this job, small ones first. Errors of this disk become errors of ours."""
        try:
            self._discard_other_versions()
            self._record_state_of_target()
            with self._bar(sum(file.size for file in files)) as bar:
                for file in sorted(files, key=lambda file: file.size):
                    self._fetch(file, bar, whole=True).fetch()
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                self._clean()
                raise DatasetError(f"{self.target} cannot be pulled: it has {self.manifest.size} bytes, and {error}") from error
            raise DatasetError(f"{self.target} cannot be pulled: {error}") from error

    def _fetch(self, file: SharedFile, bar: Any, *, whole: bool) -> FileFetch:
        path = self._folder / file.path
        fresh = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as out:
            out.truncate(file.size)
            if whole and file.size and hasattr(os, "posix_fallocate"):
                with _where_supported():
                    os.posix_fallocate(out.fileno(), 0, file.size)
        return FileFetch(file, path, self.mirrors, self.patience, self._fetched, bar.update, fresh=fresh)

    def _discard_other_versions(self) -> None:
        """Blocks of a version that nobody pulls any more."""
        if self._work.is_dir():
            for entry in self._work.iterdir():
                if entry.name not in (self._folder.name, ABOUT_WORK):
                    shutil.rmtree(entry, ignore_errors=True)

    def _record_state_of_target(self) -> None:
        """Records what dataset has the id now. While that stays so, `remove_leftovers` keeps what this pull has fetched."""
        about = about_work(dataset_folder(self.target), None)
        path = self._work / ABOUT_WORK
        if not path.is_file() or path.read_text() != about:
            make_folder(self._work)
            write_file(path, about)

    def _clean(self) -> None:
        shutil.rmtree(self._work, ignore_errors=True)
        with contextlib.suppress(OSError):
            self._work.parent.rmdir()  # fails while there are other pulls

    def _bar(self, total: int) -> Any:
        return tqdm(total=total, desc="pulling", unit="B", unit_scale=True, disable=not self.progress)

    def done(self) -> Pulled:
        """What was done."""
        return Pulled(
            self.target,
            self.manifest.sha256,
            self.mirrors[0].remote.name,
            self.manifest.size,
            self._fetched.blocks,
            self._fetched.bytes,
        )


@contextlib.contextmanager
def _where_supported() -> Iterator[None]:
    """Suppresses the error of file systems that cannot reserve room."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS):
            raise


def _check_hash(sha256: Any) -> None:
    if sha256 is not None and not (isinstance(sha256, str) and len(sha256) == 64 and set(sha256) <= set("0123456789abcdef")):
        raise DatasetError(f"expected sha256 as 64 hexadecimal digits in lower case; found {sha256!r}")
