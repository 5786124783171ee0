"""The lock file, and datasets that must have a hash."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest

import offctx
from offctx.data.sharing.lock_file import pin
from offctx.errors import DatasetError

ID = "test/pendulum-v0"


def test_pins_are_read_back_and_keep_each_other(tmp_path: Path) -> None:
    path = tmp_path / "offctx.lock"
    pin("test/b-v0", "b" * 64, ["https://user:password@example.org/x"], path)
    pin("test/a-v0", "a" * 64, [tmp_path / "remote"], path)
    pins = offctx.read_lock(path)
    assert list(pins) == ["test/a-v0", "test/b-v0"] and pins["test/b-v0"].remotes == ["https://example.org/x"]
    assert pins["test/a-v0"].sha256 == "a" * 64


def test_what_cannot_be_read_again_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "offctx.lock"
    pin("test/a-v0", "a" * 64, ["remote"], path)
    before = path.read_bytes()
    with pytest.raises(DatasetError, match="cannot pin"):
        pin("test/b-v0", "b" * 64, [os.fsdecode(b"/media/\xff")], path)
    assert path.read_bytes() == before


def test_a_fifo_in_the_place_of_a_lock_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "offctx.lock")
    with pytest.raises(DatasetError, match="not a regular file"):
        offctx.read_lock(tmp_path / "offctx.lock")


def _pin(path: Path, number: int) -> None:
    pin(f"test/x{number}-v0", "a" * 64, ["remote"], path)


def test_no_pin_is_lost_where_processes_pin_at_once(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=_pin, args=(tmp_path / "offctx.lock", k)) for k in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len(offctx.read_lock(tmp_path / "offctx.lock")) == 8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "malformed"),
        ("{}", "lock_version"),
        ('{"lock_version": 2, "datasets": {}}', "lock_version"),
        ('{"lock_version": 1, "datasets": {"test/x-v0": {"sha256": "1", "remotes": []}}}', "sha256"),
        (json.dumps({"lock_version": 1, "datasets": {"../x-v0": {"sha256": "a" * 64, "remotes": []}}}), "malformed dataset id"),
        ("[" * 100_000, "malformed"),
    ],
)
def test_malformed_lock_files_are_errors(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "offctx.lock").write_text(content)
    with pytest.raises(DatasetError, match=message):
        offctx.read_lock(tmp_path / "offctx.lock")
    with pytest.raises(DatasetError, match=message):
        pin(ID, "a" * 64, [], tmp_path / "offctx.lock")
    assert (tmp_path / "offctx.lock").read_text() == content
    with pytest.raises(DatasetError, match="no lock file"):
        offctx.read_lock(tmp_path / "absent")


def test_loading_refuses_what_differs(library_path: Path, remote: Path) -> None:
    content_hash = json.loads((remote / ID / "manifest.json").read_bytes())["sha256"]
    own = offctx.load_dataset(ID, sha256=content_hash, cache=False).metadata.sha256
    offctx.load_dataset(ID, sha256=own, cache=False)
    with pytest.raises(DatasetError, match=r"not the dataset that is asked for: expected 0000"):
        offctx.load_dataset(ID, sha256="0" * 64, cache=False)
    with pytest.raises(DatasetError, match="is not the dataset"):
        offctx.load_dataset("test/runner-v0", sha256=content_hash, cache=False)
