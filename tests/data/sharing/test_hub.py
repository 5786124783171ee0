"""Pushing to and pulling from a dataset repository by huggingface_hub's own client, against the endpoints that it calls."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import offctx
from offctx.errors import DatasetError
from tests.data.helpers import assert_equal
from tests.data.sharing.hub_server import Hub, hub_server

ID = "test/pendulum-v0"
REMOTE = "hf://datasets/team/data"

pytest.importorskip("huggingface_hub")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_server() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)  # Git LFS: Xet's server cannot be had
        monkeypatch.setenv("HF_TOKEN", "secret")
        yield served


def test_a_dataset_travels_through_the_hub(hub: Hub, library_path: Path, pendulum, tmp_path: Path, monkeypatch) -> None:
    pushed = offctx.push(ID, REMOTE, progress=False)
    assert pushed.sent == pushed.size and len(hub.commits) == 2  # the repository was made, then all came in one commit
    assert hub.files["README.md"].startswith(b"---") and REMOTE.encode() in hub.files["README.md"]
    assert offctx.push(ID, REMOTE, progress=False).sent == 0
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    pulled = offctx.pull(REMOTE, progress=False)
    assert pulled.sha256 == pushed.sha256 and pulled.received == pushed.size
    assert_equal(offctx.load_dataset(ID, sha256=pushed.sha256), pendulum)
    offctx.pull(REMOTE, ID, contexts=[1], new_id="test/part-v0", progress=False)
    assert len(offctx.load_dataset("test/part-v0")) == len(pendulum) // 4


def test_a_pull_reads_one_commit_whatever_is_pushed_meanwhile(
    hub: Hub, library_path: Path, tmp_path: Path, monkeypatch
) -> None:
    from offctx.data.sharing.remotes.hub import HubRemote

    offctx.push(ID, f"{REMOTE}/shelf", cards=False, progress=False)
    remote = HubRemote(f"{REMOTE}/shelf", timeout=10)
    before = remote.read(f"{ID}/manifest.json", 10**7)
    hub.add({path: b"" for path in hub.files})
    assert remote.read(f"{ID}/manifest.json", 10**7) == before
    assert HubRemote(f"{REMOTE}@{hub.commits[1][0]}/shelf", timeout=10).read(f"{ID}/manifest.json", 10**7) == before


def test_a_file_with_other_bytes_on_the_hub_is_sent_again(hub: Hub, library_path: Path) -> None:
    pushed = offctx.push(ID, REMOTE, cards=False, progress=False)
    before = dict(hub.files)
    for name in ("main_data.hdf5", "metadata.json"):
        (path,) = (path for path in before if path.endswith(name))
        hub.add({**before, path: before[path][:-1] + b"?"})
        assert offctx.push(ID, REMOTE, cards=False, progress=False).sent == len(before[path]) < pushed.size
        assert hub.files == before


@pytest.mark.parametrize("small", [10_000_000, 0], ids=["small files", "large files"])
def test_a_dataset_that_changes_while_it_is_pushed_makes_no_commit(
    hub: Hub, library, datasets_path: Path, monkeypatch, small: int
) -> None:
    from offctx.data.sharing.remotes import hub as module

    shutil.copytree(library.root / ID, datasets_path / ID)
    files = module.HubRemote._all_files

    def changed(self: module.HubRemote) -> dict[str, object]:
        path = datasets_path / ID / "data" / "main_data.hdf5"
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        return files(self)

    monkeypatch.setattr(module, "_SMALL", small)
    monkeypatch.setattr(module.HubRemote, "_all_files", changed)
    with pytest.raises(DatasetError, match=r"main_data.hdf5 changed while it was read"):
        offctx.push(ID, REMOTE, cards=False, progress=False)
    assert hub.files == {}


def test_what_the_hub_refuses_is_an_error_of_ours(hub: Hub, library_path: Path, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(DatasetError, match=r"cannot (read|list)"):
        offctx.pull(REMOTE, ID, retries=0, progress=False)
    offctx.push(ID, REMOTE, cards=False, progress=False)
    hub.token = "another"
    for call in (
        lambda: offctx.push(ID, REMOTE, cards=False, progress=False),
        lambda: offctx.pull(REMOTE, ID, retries=0, progress=False),
    ):
        with pytest.raises(DatasetError, match="hf auth login"):
            call()


def test_the_client_is_named_where_it_is_missing(library_path: Path) -> None:
    code = f"""
import sys
sys.modules["huggingface_hub"] = None
import offctx
try:
    offctx.pull("{REMOTE}", "{ID}")
except offctx.OffctxError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "needs the package huggingface_hub: pip install 'offctx[remotes]'" in said
