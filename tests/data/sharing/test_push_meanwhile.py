"""Pushing a dataset that another process replaces meanwhile: what is stored under a hash has that hash, or is not there."""

import hashlib
import importlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

import offctx
from offctx.data.sharing.folders import dataset_hash
from offctx.data.sharing.manifest import SharedFile, parse_manifest
from offctx.data.sharing.remotes.remote import Upload
from offctx.data.sharing.source import Source
from offctx.data.storage.block_hashes import hash_blocks, hash_of_file
from offctx.errors import DatasetError

push_module = importlib.import_module("offctx.data.sharing.push")  # the package gives the function of this name
ID = "test/pendulum-v0"
MEMORY = "memory://meanwhile"


@pytest.fixture
def own(library, datasets_path: Path) -> Path:
    """A dataset that may be changed: its folder."""
    shutil.copytree(library.root / ID, datasets_path / ID)
    return datasets_path / ID


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """The store behind `MEMORY`."""
    files = fsspec.filesystem("memory")
    yield files
    if files.exists("/meanwhile"):
        files.rm("/meanwhile", recursive=True)


@pytest.fixture
def replaced_after_hashing(own: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and the next push finds other bytes of the same sizes in the dataset's folder once it has hashed all."""

    def upload(*arguments: object) -> Upload:
        for file in (own / "data").iterdir():
            content = bytearray(file.read_bytes())
            content[-3] ^= 1
            file.rename(file.with_name("old"))
            file.write_bytes(content)
            file.with_name("old").unlink()
        return Upload(*arguments)  # type: ignore[arg-type]

    return lambda: monkeypatch.setattr(push_module, "Upload", upload)


def _push(remote: Path | str, **options: bool) -> Any:
    return offctx.push(ID, remote, cards=False, progress=False, **options)


def _block_hash(path: Path) -> str:
    return hash_of_file(path, path.stat().st_size)


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_keeps_the_version_that_was_published(
    own: Path, datasets_path: Path, tmp_path: Path, replaced_after_hashing: Callable[[], None], force: bool, tree
) -> None:
    published = _push(tmp_path / "remote")
    before = tree(tmp_path / "remote")
    replaced_after_hashing()
    with pytest.raises(DatasetError, match="changed while it was read"):
        _push(tmp_path / "remote", force=force)
    assert tree(tmp_path / "remote") == before
    shutil.rmtree(own)
    assert offctx.pull(tmp_path / "remote", ID, progress=False).sha256 == published.sha256


def test_an_empty_folder_gets_no_file_of_other_bytes(
    own: Path, tmp_path: Path, replaced_after_hashing: Callable[[], None]
) -> None:
    replaced_after_hashing()
    with pytest.raises(DatasetError, match="changed while it was read"):
        _push(tmp_path / "remote")
    hashes = {path.parent.name: path for path in (tmp_path / "remote").rglob("files/*/*")}
    assert all(_block_hash(path) == name for name, path in hashes.items())
    assert not list((tmp_path / "remote").rglob("manifest.json")) and not list((tmp_path / "remote").glob(".offctx-parts/*"))


def test_a_file_is_compared_with_its_hash_on_its_way(own: Path, tmp_path: Path) -> None:
    path = own / "data" / "main_data.hdf5"
    size = path.stat().st_size
    blocks = hash_blocks(path, size)
    source = Source(path, SharedFile(path="data/main_data.hdf5", size=size, block_size=4096, sha256="0" * 64, blocks=blocks))
    source.copy(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == path.read_bytes() == source.read()
    content = bytearray(path.read_bytes())
    content[size // 2] ^= 1
    path.write_bytes(content)
    for read in (source.read, source.sha256, lambda: source.copy(tmp_path / "copy")):
        with pytest.raises(DatasetError, match=r"main_data.hdf5 changed while it was read.*: push again"):
            read()
    path.unlink()
    for read in (source.read, lambda: source.copy(tmp_path / "copy")):
        with pytest.raises(DatasetError, match=r"main_data.hdf5 changed while it was read"):
            read()


def test_a_store_gets_no_file_of_other_bytes(
    own: Path, memory: fsspec.AbstractFileSystem, replaced_after_hashing: Callable[[], None]
) -> None:
    memory.pipe_file("/meanwhile/other", b"")
    replaced_after_hashing()
    with pytest.raises(DatasetError, match="changed while it was read"):
        _push(MEMORY)
    assert memory.find("/meanwhile") == ["/meanwhile/other"]


def test_a_store_is_trusted_only_where_a_push_has_verified_the_object(
    own: Path, datasets_path: Path, memory: fsspec.AbstractFileSystem
) -> None:
    pushed = _push(MEMORY)
    assert pushed.sent == pushed.size and _push(MEMORY).sent == 0
    (path,) = (path for path in memory.find("/meanwhile") if path.endswith("main_data.hdf5"))
    content = bytearray(memory.cat_file(path))
    content[100] ^= 1
    memory.pipe_file(path, bytes(content))  # the same path and size
    assert _push(MEMORY).sent == len(content)
    memory.rm_file(f"{path}.verified")
    assert _push(MEMORY).sent == len(content)
    shutil.rmtree(own)
    assert offctx.pull(MEMORY, ID, progress=False).sha256 == pushed.sha256 == dataset_hash(ID)


def test_cards_are_those_of_the_manifest_wherever_a_push_ends_early(own: Path, tmp_path: Path, monkeypatch) -> None:
    """Every write of the remote fails in turn. Until manifest.json is replaced, cards stay; afterwards a push repairs them."""

    def cards_beside(dataset_id: str, folder: Path, files: list[SharedFile], *_: object) -> dict[str, bytes]:
        return {name: f"{name} of {files}".encode() for name in ("README.md", "croissant.json", "returns.png")}

    monkeypatch.setattr(push_module, "cards_beside", cards_beside)
    remote = tmp_path / "remote"
    offctx.push(ID, remote, progress=False)
    place = remote / ID
    cards = {name: (place / name).read_bytes() for name in ("README.md", "croissant.json", "returns.png")}
    old = (place / "manifest.json").read_bytes()
    metadata = own / "data" / "metadata.json"
    metadata.write_text(metadata.read_text() + " ")

    def replace(source: Path, target: Path) -> None:
        if Path(target).is_relative_to(remote):
            if len(written) == stop:
                raise OSError(5, "Input/output error")
            written.append(target)
        original(source, target)

    original, stop, completed = os.replace, -1, False
    while not completed:
        stop += 1
        written: list[Path] = []  # what was renamed to its place in this push
        with monkeypatch.context() as patch:
            patch.setattr("offctx.data.sharing.remotes.folder.os.replace", replace)
            try:
                offctx.push(ID, remote, progress=False)
                completed = True
            except DatasetError as error:
                assert "Input/output error" in str(error)
        now = {name: (place / name).read_bytes() for name in cards}
        if (place / "manifest.json").read_bytes() == old:
            assert now == cards
    named = parse_manifest((place / "manifest.json").read_bytes(), "it").cards
    assert stop > 3 and now != cards and named == {name: hashlib.sha256(card).hexdigest() for name, card in now.items()}


@pytest.mark.parametrize("place", ["a folder", "a store"])
def test_without_cards_those_of_another_version_go(
    own: Path, tmp_path: Path, memory: fsspec.AbstractFileSystem, place: str
) -> None:
    remote = tmp_path / "remote" if place == "a folder" else MEMORY
    files = fsspec.filesystem("file" if place == "a folder" else "memory")
    root = f"{remote}/{ID}" if place == "a folder" else f"/meanwhile/{ID}"
    _push(remote)
    offctx.push(ID, remote, progress=False)
    files.pipe_file(f"{root}/returns.png", b"a picture of somebody else")
    metadata = own / "data" / "metadata.json"
    metadata.write_text(metadata.read_text() + " ")
    _push(remote)
    assert not files.exists(f"{root}/README.md") and not files.exists(f"{root}/croissant.json")
    assert files.cat_file(f"{root}/returns.png") == b"a picture of somebody else"
