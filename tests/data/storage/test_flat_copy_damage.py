"""Any damage to the flat copy is noticed: the data are the original ones, and the copy is made again."""

import json
import shutil

import numpy as np
import pytest

import offctx
from offctx.data.storage import read
from offctx.data.storage.blocks import BLOCK, CheckedArray, Damaged, block_checksums
from tests.data.helpers import assert_equal
from tests.data.storage.helpers import ID, load


@pytest.fixture
def copy(data, datasets_path):
    """The folder of the flat copy."""
    load()
    return next((datasets_path / ".offctx-cache").rglob("stamp.json")).parent


def mutate(folder, rng):
    """Damages one file in one way, or exchanges two."""
    files = sorted(folder.iterdir())
    file = files[rng.integers(len(files))]
    content = bytearray(file.read_bytes())
    kind = rng.integers(6)
    if kind == 0:
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    elif kind == 1:
        content = content[: rng.integers(len(content))]
    elif kind == 2:
        content += rng.bytes(int(rng.integers(1, 100)))
    elif kind == 3:
        begin = int(rng.integers(len(content)))
        content[begin : begin + 8] = rng.bytes(len(content[begin : begin + 8]))
    elif kind == 4:
        content = bytearray(rng.bytes(int(rng.integers(0, 2000))))
    else:
        content = bytearray(files[rng.integers(len(files))].read_bytes())
    file.write_bytes(content)


@pytest.mark.parametrize("mutations", [120, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_damaged_copy_is_noticed_and_never_gives_other_data(mutations, copy, tmp_path, monkeypatch):
    whole = tmp_path / "whole"
    shutil.copytree(copy, whole)
    expected = load(cache=False)
    monkeypatch.setattr(read.FlatCopy, "save", lambda *_: None)
    rng = np.random.default_rng(0)
    for _ in range(mutations):
        mutate(copy, rng)
        assert_equal(load(), expected)
        shutil.rmtree(copy)
        shutil.copytree(whole, copy)


@pytest.mark.parametrize("file", ["0.npy", "stamp.json"])
def test_a_damaged_copy_is_made_again(file, copy):
    content = (copy / file).read_bytes()
    (copy / file).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    load()
    assert (copy / file).read_bytes() == content


def test_a_copy_of_another_dataset_is_not_taken(copy, datasets_path):
    expected = load(cache=False)
    other = offctx.collect("testing/Runner-v0", "test/y-v0", contexts=[0.5, 0.2], seed=1, progress=False)
    folders = {path.parent for path in (datasets_path / ".offctx-cache").rglob("stamp.json")}
    (second,) = folders - {copy}
    aside = copy.with_name("aside")
    copy.rename(aside)
    second.rename(copy)
    aside.rename(second)
    assert_equal(load(), expected)
    assert_equal(offctx.load_dataset("test/y-v0"), other)


def test_a_changed_value_of_the_stamp_is_noticed(copy):
    stamp = json.loads((copy / "stamp.json").read_text())
    stamp["arrays"][0]["name"], stamp["arrays"][1]["name"] = stamp["arrays"][1]["name"], stamp["arrays"][0]["name"]
    (copy / "stamp.json").write_text(json.dumps(stamp))
    assert read.FlatCopy(read.dataset_folder(ID) / "data").open() is None


def test_only_the_blocks_that_are_asked_for_are_checked(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(4 * BLOCK // 8))
    size, checksums = path.stat().st_size, block_checksums(path)
    assert len(checksums) == 5
    with path.open("r+b") as file:
        file.seek(3 * BLOCK + 5)
        file.write(b"\xff")
    array = CheckedArray(path, size, checksums)
    rows = BLOCK // 8
    array.check_ranges(np.array([0]), np.array([2 * rows]))
    array.check_ranges(np.array([5, rows]), np.array([10, 3 * rows - 100]))
    np.testing.assert_array_equal(array.array[:rows], np.arange(rows))
    with pytest.raises(Damaged, match="block 3"):
        array.check_ranges(np.array([0, 3 * rows]), np.array([1, 3 * rows + 1]))
    with pytest.raises(Damaged, match="block 3"):
        array.check()
    with pytest.raises(Damaged):
        CheckedArray(path, size - 1, checksums)
    with pytest.raises(Damaged):
        CheckedArray(path, size, checksums[:-1])
