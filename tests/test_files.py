"""Files appear when they are complete; whatever interrupts the writing leaves the old content and no temporary file."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from offctx.files import (
    check_regular_file,
    make_folder,
    read_file,
    replaced_on_success,
    staging_folder,
    sync_to_disk,
    write_file,
    write_files,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    for content, expected in ((b"old", b"old"), ("new: é", "new: é".encode())):
        write_file(path, content)
        assert path.read_bytes() == expected
    sync_to_disk(path)
    assert names(tmp_path) == ["report.json"]


def test_a_regular_file_is_read_through_links_and_within_its_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "link") == read_file(str(tmp_path / "file"), 3) == b"abc"
    with pytest.raises(OSError, match="it has 3 bytes; expected at most 2"):
        read_file(tmp_path / "file", 2)


@pytest.mark.parametrize("read", [read_file, check_regular_file])
def test_what_is_no_regular_file_is_not_waited_for(read: Callable[[Any], object], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    descriptors = len(os.listdir("/proc/self/fd"))
    for path, error, message in [
        (tmp_path / "fifo", OSError, "not a regular file"),
        (tmp_path / "link", OSError, "not a regular file"),
        ("/dev/zero", OSError, "not a regular file"),
        (tmp_path, IsADirectoryError, "directory"),
        (tmp_path / "nothing", FileNotFoundError, "No such file"),
        ("a\0b", OSError, "no file can have this name"),
        ("a\udfffb\ud800", OSError, "no file can have this name"),
    ]:
        with pytest.raises(error, match=message):
            read(path)
    assert len(os.listdir("/proc/self/fd")) == descriptors


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError, ValueError])
def test_a_fault_while_writing_leaves_the_old_file_and_nothing_else(fault: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "weights.npy"
    path.write_bytes(b"old")

    def half_write() -> None:
        with replaced_on_success(path) as temporary:
            temporary.write_bytes(b"ne")
            assert path.read_bytes() == b"old"
            raise fault

    with pytest.raises(fault):
        half_write()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["weights.npy"]


def test_a_file_that_was_never_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replaced_on_success(tmp_path / "weights.npy"):
        pass
    with pytest.raises(FileNotFoundError):
        write_file(tmp_path / "missing" / "report.json", b"")


def test_files_have_the_permissions_of_ordinary_files(tmp_path: Path) -> None:
    (tmp_path / "ordinary").write_bytes(b"")
    write_file(tmp_path / "replaced", b"")
    write_files(tmp_path / "folder", {"a": b""})
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_file()}
    assert len(modes) == 1


def test_files_of_a_folder_come_in_their_order_and_leave_others_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "new" / "report"
    moved, replace = [], os.replace

    def note(source: Any, target: Any) -> None:
        moved.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr(os, "replace", note)
    write_files(folder, {"b.png": b"1", "a.json": b"2"})
    (folder / "mine.txt").write_bytes(b"mine")
    write_files(folder, {"b.png": b"3", "a.json": b"4"})
    assert moved == ["b.png", "a.json"] * 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"b.png": b"3", "a.json": b"4", "mine.txt": b"mine"}
    assert names(folder.parent) == ["report"]


def test_no_file_of_a_folder_changes_unless_all_can_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    write_files(folder, {"a": b"old"})
    with pytest.raises(OSError, match="missing"):
        write_files(folder, {"a": b"new", "missing/b": b""})
    assert (folder / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["report"]


def test_a_staging_folder_goes_with_what_is_left_in_it(tmp_path: Path) -> None:
    def interrupted() -> None:
        with staging_folder(tmp_path, prefix=".staging-") as staging:
            assert staging.name.startswith(".staging-")
            (staging / "kept").mkdir()
            (staging / "left").write_bytes(b"")
            os.rename(staging / "kept", tmp_path / "kept")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == ["kept"]


def test_a_folder_that_others_delete_while_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process deletes it after `mkdir` has found it, and before `mkdir` has looked whether it is a folder."""
    folder, is_dir = tmp_path / "locks", Path.is_dir
    folder.mkdir()

    def deleted_before(path: Path) -> bool:
        if path == folder:
            monkeypatch.setattr(Path, "is_dir", is_dir)
            folder.rmdir()
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", deleted_before)
    make_folder(folder)
    assert folder.is_dir()


def test_a_folder_cannot_take_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("text")
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "locks")
