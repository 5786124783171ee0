"""A full disk is an error of ours that leaves nothing behind, and never a signal."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from offctx.data.storage.checked_file import CheckedFile
from offctx.data.storage.episode_file import EpisodeFile

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


@pytest.mark.parametrize("writes", [0, 1, 7, 300, 1000])
def test_hdf5_closes_in_good_order_whenever_writing_begins_to_fail(writes, tmp_path, monkeypatch):
    raw = CheckedFile(tmp_path / "x.hdf5", create=True)
    pwrite, calls = os.pwrite, []

    def full(*arguments):
        calls.append(1)
        if len(calls) > writes:
            raise OSError(28, "No space left on device")
        return pwrite(*arguments)

    monkeypatch.setattr(os, "pwrite", full)
    write(raw)
    with pytest.raises(OSError, match="No space left"):
        raw.check()
    assert len(calls) == writes + 1
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
