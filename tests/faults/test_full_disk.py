"""A disk that is full, or a file that may not grow, at many sizes: an error of ours, never a signal, and nothing left."""

import os
import resource
import shutil
import subprocess

import numpy as np
import pytest

from offctx.errors import OffctxError
from tests.faults.datasets import ID, attach, check_whole, collect, contents
from tests.faults.processes import run
from tests.faults.scale import rounds, scale

_REFUSED = 3  # exit status of a process that got an error of ours


def _sizes(largest: int) -> list[int]:
    """Sizes from the largest, which is enough, to zero."""
    return [int(size) for size in np.linspace(largest, 0, scale(5, 65))]


def _refused(function, prepare):
    """The function in a process of its own, prepared; returns how it ended."""

    def call():
        prepare()
        try:
            function()
        except OffctxError:
            os._exit(_REFUSED)

    return run(call)


def _limit(size):
    def prepare():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return prepare


def _largest_file(root) -> int:
    return max(path.stat().st_size for path in root.rglob("*") if path.is_file())


def test_collect_with_files_that_may_not_grow(datasets_path):
    assert run(collect) == 0
    expected = contents(datasets_path)
    sizes = _sizes(_largest_file(datasets_path / ID) + 4096)
    for k in rounds(len(sizes), len(sizes)):
        shutil.rmtree(datasets_path)
        datasets_path.mkdir()
        status = _refused(collect, _limit(sizes[k]))
        assert status in (0, _REFUSED) if k else status == 0, sizes[k]
        if status == 0:
            check_whole(datasets_path, expected)
        else:
            assert list(datasets_path.iterdir()) == []


def test_attach_with_files_that_may_not_grow(datasets_path, tmp_path):
    collect(gradients=False)
    before = contents(datasets_path)
    shutil.copytree(datasets_path, tmp_path / "bare")
    assert run(attach) == 0
    after = contents(datasets_path)
    sizes = _sizes(_largest_file(datasets_path / ID) + 4096)
    for k in rounds(len(sizes), len(sizes)):
        shutil.rmtree(datasets_path)
        shutil.copytree(tmp_path / "bare", datasets_path)
        status = _refused(attach, _limit(sizes[k]))
        assert status in (0, _REFUSED) if k else status == 0, sizes[k]
        check_whole(datasets_path, after if status == 0 else before)


@pytest.fixture
def small_disk(tmp_path, monkeypatch):
    """Mounts a disk of a given size in kilobytes as the folder of datasets. Skips where mounting is not allowed."""
    root = tmp_path / "disk"
    root.mkdir()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))

    def mount(kilobytes):
        unmount()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(root)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("a small disk cannot be mounted here")
        return root

    def unmount():
        while root.is_mount():
            subprocess.run(["umount", str(root)], check=True)

    yield mount
    unmount()


def test_collect_on_a_small_disk(small_disk):
    root = small_disk(100_000)
    assert run(collect) == 0
    expected = contents(root)
    used = sum(path.stat().st_blocks * 512 for path in root.rglob("*")) // 1024
    sizes = [4 * (1 + size // 4) for size in _sizes(2 * used + 64)]
    for k in rounds(len(sizes), len(sizes)):
        root = small_disk(sizes[k])
        status = _refused(collect, lambda: None)
        assert status in (0, _REFUSED) if k else status == 0, sizes[k]
        if status == 0:
            assert contents(root) == expected
        else:
            assert [path.name for path in root.iterdir() if not path.name.startswith(".offctx-cache")] == []
