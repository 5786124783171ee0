"""A full disk is an error of ours that leaves nothing behind, and never a signal."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from offctx.data.storage.checked_file import CheckedFile
from offctx.data.storage.episode_file import EpisodeFile
from offctx.data.storage.write_buffer import BLOCK

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are Unix's")


@pytest.mark.parametrize("sizes", [5, pytest.param(65, marks=pytest.mark.slow)])
def test_every_size_at_which_writing_may_fail(sizes, tmp_path):
    program = Path(__file__).with_name("full_disk.py")
    env = {**os.environ, "MINARI_DATASETS_PATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, program, tmp_path, str(sizes)], env=env, capture_output=True, text=True, timeout=600, check=False
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert len(lines) == 2 * sizes
    assert [line for line in lines if not line.endswith(" 1 []")] == []


def write(raw):
    """Writes some episodes; returns what a reader would see of the last."""
    file = EpisodeFile(raw, None, 4)
    for e in range(200):
        file.append(f"episode_{e}", {"id": e}, {"rewards": np.full(50, float(e)), "infos/context": np.ones((51, 2))})
    file.close()


@pytest.fixture
def failing(monkeypatch):
    """Lets writing to the disk fail after some writes; returns the list of calls."""
    pwrite = os.pwrite

    def fail_after(writes, error):
        calls = []

        def write_or_fail(*arguments):
            calls.append(1)
            if len(calls) > writes:
                raise error
            return pwrite(*arguments)

        monkeypatch.setattr(os, "pwrite", write_or_fail)
        return calls

    return fail_after


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt("No space left")])
def test_hdf5_closes_in_good_order_whenever_writing_begins_to_fail(error, tmp_path, failing):
    whole = CheckedFile(tmp_path / "whole.hdf5", create=True)
    calls = failing(10**9, error)
    write(whole)
    whole.sync()
    number = len(calls)
    assert number > 10
    for writes in range(number):
        raw = CheckedFile(tmp_path / f"{writes}.hdf5", create=True)
        calls = failing(writes, error)
        write(raw)
        with pytest.raises(type(error), match="No space left"):
            raw.sync()
        assert len(calls) == writes + 1
        content = bytearray(whole.seek(0, os.SEEK_END))
        raw.seek(0)
        raw.readinto(content)
        assert content == (tmp_path / "whole.hdf5").read_bytes()
        raw.close()


def test_a_full_disk_is_noticed_before_all_is_written(tmp_path, failing):
    raw = CheckedFile(tmp_path / "x.hdf5", create=True)
    failing(0, OSError(28, "No space left on device"))
    while raw.error is None:
        raw.write(memoryview(bytes(50_000)))
        assert raw.tell() < 6 * BLOCK
    with pytest.raises(OSError, match="No space left"):
        raw.check()
    raw.close()


def test_blocks_that_cannot_be_read_are_an_error_of_the_file_and_not_of_hdf5(tmp_path, monkeypatch):
    path = tmp_path / "x.hdf5"
    path.write_bytes(bytes(3 * BLOCK))
    raw = CheckedFile(path, create=False)

    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", fail)
    for position in (10, 20, 30):
        raw.seek(position)
        assert raw.write(memoryview(b"abc")) == 3
    with pytest.raises(OSError, match="Input/output"):
        raw.sync()
    raw.close()


def test_a_disk_that_takes_a_part_of_each_write(tmp_path, monkeypatch):
    whole = CheckedFile(tmp_path / "x.hdf5", create=True)
    write(whole)
    whole.close()
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, content, position: pwrite(file, content[:7], position))
    parts = CheckedFile(tmp_path / "y.hdf5", create=True)
    write(parts)
    parts.sync()
    parts.close()
    assert (tmp_path / "y.hdf5").read_bytes() == (tmp_path / "x.hdf5").read_bytes()


@pytest.mark.skipif(os.geteuid() != 0 or not sys.platform.startswith("linux"), reason="only root mounts a file system")
def test_a_file_system_that_is_really_full(tmp_path):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("this machine mounts no file system")
    try:
        raw = CheckedFile(tmp_path / "x.hdf5", create=True)
        write(raw)
        with pytest.raises(OSError, match="No space left"):
            raw.sync()
        raw.close()
    finally:
        subprocess.run(["umount", tmp_path], check=True)
