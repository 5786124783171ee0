"""Arrays in files without a name, and the memory of mapped arrays that the system may take back."""

import re
from pathlib import Path

import numpy as np
import pytest

from offctx.data.storage.scratch import on_disk, release


def mapped_megabytes() -> float:
    """Of mapped files in the memory of this process."""
    found = re.search(r"^RssFile:\s+(\d+) kB", Path("/proc/self/status").read_text(), flags=re.MULTILINE)
    assert found
    return int(found[1]) / 1000


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells how much memory is mapped")
def test_released_arrays_leave_memory_and_keep_their_content(datasets_path):
    array = on_disk((8, 1 << 20), np.float32)  # 34 MB
    before = mapped_megabytes()
    array[:] = np.arange(8)[:, None]
    assert mapped_megabytes() > before + 30
    release(array[2:4, ::2])  # a view of it will do
    assert mapped_megabytes() < before + 10
    np.testing.assert_array_equal(array, np.repeat(np.arange(8.0)[:, None], 1 << 20, axis=1))


def test_what_is_not_mapped_or_is_private_stays(tmp_path):
    path = tmp_path / "array.npy"
    np.save(path, np.zeros(5000))
    private = np.load(path, mmap_mode="c")
    private[:] = 1  # in this process alone: letting it go would lose it
    plain = np.ones(3)
    release(private, plain)
    assert private.all() and plain.all() and not np.load(path).any()
