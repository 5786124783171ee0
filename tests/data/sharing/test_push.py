"""Pushing to folders: atomic for readers, and nothing is sent twice."""

import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

import offctx
from offctx.data.sharing.manifest import parse_manifest
from offctx.data.sharing.remotes.folder import FolderRemote
from offctx.data.storage.hdf5 import LAYOUT_MARK
from offctx.data.storage.summary import SUMMARY
from offctx.errors import DatasetError

ID = "test/pendulum-v0"


@pytest.fixture
def own(library, datasets_path: Path) -> Path:
    """A dataset that may be changed: its folder."""
    shutil.copytree(library.root / ID, datasets_path / ID)
    return datasets_path / ID


def test_a_second_push_sends_nothing(own: Path, tmp_path: Path, tree) -> None:
    first = offctx.push(ID, tmp_path / "remote", cards=False, progress=False)
    before = tree(tmp_path / "remote")
    second = offctx.push(ID, tmp_path / "remote", cards=False, progress=False)
    assert first.sent == first.size and second.sent == 0 and second.sha256 == first.sha256
    assert tree(tmp_path / "remote") == before
    assert offctx.push(ID, tmp_path / "remote", force=True, cards=False, progress=False).sent == first.size


def test_a_damaged_file_of_the_remote_is_sent_again(own: Path, tmp_path: Path) -> None:
    offctx.push(ID, tmp_path / "remote", cards=False, progress=False)
    (file,) = (tmp_path / "remote").rglob("main_data.hdf5")
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)
    assert offctx.push(ID, tmp_path / "remote", cards=False, progress=False).sent == len(content)


def test_a_full_remote_leaves_no_flat_copy(own: Path, datasets_path: Path, tmp_path: Path, monkeypatch, tree) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (datasets_path / ID / SUMMARY).unlink()  # with it, no flat copy is made
    before = tree(datasets_path)
    with monkeypatch.context() as patch:
        patch.setattr(FolderRemote, "_write", full)
        with pytest.raises(DatasetError, match="No space left"):
            offctx.push(ID, tmp_path / "remote", progress=False)
    assert {name: content for name, content in tree(datasets_path).items() if content is not None} == {
        name: content for name, content in before.items() if content is not None
    }
    offctx.push(ID, tmp_path / "remote", progress=False)
    assert len(tree(datasets_path)) > len(before)


@pytest.mark.parametrize("place", ["", "remote", ID, "a link", "file://"])
def test_a_remote_in_the_folder_of_datasets_is_refused(
    own: Path, datasets_path: Path, tmp_path: Path, tree, place: str
) -> None:
    (tmp_path / "link").symlink_to(datasets_path)
    remote = {"a link": tmp_path / "link" / "remote", "file://": f"file://{datasets_path}"}.get(place, datasets_path / place)
    before = tree(datasets_path)
    with pytest.raises(DatasetError, match=r"it is in the folder of datasets, .*; choose a folder outside of it"):
        offctx.push(ID, remote, progress=False)
    assert tree(datasets_path) == before


def test_the_manifest_comes_last(own: Path, tmp_path: Path, monkeypatch) -> None:
    written = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda source, target: (written.append(Path(target).name), replace(source, target)))
    offctx.push(ID, tmp_path / "remote", cards=False, progress=False)
    assert written[-1] == "manifest.json" and {"main_data.hdf5", "metadata.json"} <= set(written[:-2])


def test_a_dataset_that_changes_meanwhile_gets_no_manifest(own: Path, tmp_path: Path, monkeypatch) -> None:
    write = FolderRemote._write

    def change(self, target, content):
        (own / "data" / "metadata.json").write_text((own / "data" / "metadata.json").read_text() + " ")
        write(self, target, content)

    monkeypatch.setattr(FolderRemote, "_write", change)
    with pytest.raises(DatasetError, match="changed while it was read"):
        offctx.push(ID, tmp_path / "remote", cards=False, progress=False)
    assert not list((tmp_path / "remote").rglob("manifest.json"))


def test_what_is_no_dataset_is_refused(own: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no dataset"):
        offctx.push("test/absent-v0", tmp_path / "remote", cards=False, progress=False)
    with pytest.raises(DatasetError, match="web servers are read only"):
        offctx.push(ID, "http://127.0.0.1:1", cards=False, progress=False)
    (own / "data" / "link").symlink_to("/etc/passwd")
    with pytest.raises(DatasetError, match="neither a file nor a folder"):
        offctx.push(ID, tmp_path / "remote", cards=False, progress=False)
    assert not (tmp_path / "remote").exists()


def test_a_place_that_cannot_be_written_is_an_error(own: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot write to"):
        offctx.push(ID, tmp_path / "file", cards=False, progress=False)


def test_plain_minari_data_travel_too(own: Path, tmp_path: Path, datasets_path: Path) -> None:
    import h5py

    with h5py.File(own / "data" / "main_data.hdf5", "r+") as file:
        del file.attrs[LAYOUT_MARK.decode()]
    path = own / "data" / "metadata.json"
    raw = json.loads(path.read_text())
    del raw["offctx"]
    path.write_text(json.dumps(raw))
    offctx.push(ID, tmp_path / "remote", cards=False, progress=False)
    manifest = parse_manifest((tmp_path / "remote" / ID / "manifest.json").read_bytes(), "it")
    assert manifest.layout_version is None
    shutil.rmtree(own)
    assert offctx.pull(tmp_path / "remote", progress=False).sha256 == manifest.sha256
    assert json.loads(path.read_text()) == raw


def test_cards_stand_beside_the_manifest(own: Path, tmp_path: Path) -> None:
    import json

    offctx.push(ID, tmp_path / "remote", progress=False)
    place = tmp_path / "remote" / ID
    described = json.loads((place / "croissant.json").read_bytes())
    urls = [row["contentUrl"] for row in described["distribution"] if "contentUrl" in row]
    assert urls and all((place / url).is_file() for url in urls)
    assert (place / "README.md").read_text().startswith("---") and (place / "returns.png").is_file()
    assert str(tmp_path) not in (place / "README.md").read_text()  # nobody else has this folder


def test_cards_and_manifest_are_of_one_version_where_two_push_at_once(own: Path, tmp_path: Path, monkeypatch) -> None:
    offctx.collect("offctx/PendulumGoal-v0", "test/other-v0", episodes_per_context=1, seed=1, progress=False)
    metadata = own.with_name("other-v0") / "data" / "metadata.json"
    metadata.write_text(metadata.read_text().replace("test/other-v0", ID))
    remote, write, begun, swapped = tmp_path / "remote", FolderRemote._write, threading.Event(), threading.Event()

    def slow(self, target, content):
        write(self, target, content)
        if target.name == "README.md" and not begun.is_set():
            begun.set()
            swapped.wait(60)
            time.sleep(0.5)

    with monkeypatch.context() as patch:
        patch.setattr(FolderRemote, "_write", slow)
        first = threading.Thread(target=lambda: offctx.push(ID, remote, progress=False))
        first.start()
        assert begun.wait(60)
        shutil.rmtree(own)
        os.rename(own.with_name("other-v0"), own)
        swapped.set()
        offctx.push(ID, remote, progress=False)
        first.join()
    pages = ("manifest.json", "README.md", "croissant.json")
    version = [(remote / ID / page).read_bytes() for page in pages]
    offctx.push(ID, tmp_path / "alone", progress=False)
    assert version == [(tmp_path / "alone" / ID / page).read_bytes() for page in pages]


def test_a_damaged_dataset_is_not_pushed(own: Path, tmp_path: Path) -> None:
    path = own / "data" / "main_data.hdf5"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    content[len(content) // 3] ^= 255
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=ID):
        offctx.push(ID, tmp_path / "remote", progress=False)
    assert not list((tmp_path / "remote").rglob("manifest.json"))
