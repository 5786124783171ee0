"""Files of arrays with checksums: they are read as they were written, or not at all."""

import hashlib
import json
import os

import numpy as np
import pytest

from offctx.data.storage.sealed_file import read_sealed, write_sealed

ARRAYS = {
    "real": np.linspace(0, 1, 6).reshape(2, 3),
    "float32": np.float32([1.5, -0.0]),
    "whole": np.array([2**64 - 1], np.uint64),
    "flags": np.array([True, False, True]),
    "none": np.zeros((0, 4)),
    "one": np.array(7),
    "other order": np.arange(6).reshape(2, 3).T,
    "highest byte first": np.array([1, 2], ">i4"),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a file"
    write_sealed(path, "name", ARRAYS)
    return path


def equal(arrays, expected):
    assert list(arrays) == list(expected)
    for name, array in expected.items():
        assert arrays[name].dtype == array.dtype and arrays[name].shape == array.shape and arrays[name].flags.writeable
        np.testing.assert_array_equal(arrays[name], array)


def test_arrays_are_read_as_they_were_written(path):
    equal(read_sealed(path, "name"), ARRAYS)
    equal(read_sealed(path, "name", only=["whole", "none", "nobody"]), {name: ARRAYS[name] for name in ("whole", "none")})
    write_sealed(path, "name", {})
    assert read_sealed(path, "name") == {}
    assert [entry.name for entry in path.parent.iterdir()] == ["a file"]


def test_every_flipped_bit_is_noticed(path):
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        assert read_sealed(path, "name") is None, place


def test_a_file_of_another_length_is_noticed(path):
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        assert read_sealed(path, "name") is None, size
    for more in (b"\0", content):
        path.write_bytes(content + more)
        assert read_sealed(path, "name") is None


def test_an_array_is_verified_alone(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # in the last array
    equal(read_sealed(path, "name", only=["real"]), {"real": ARRAYS["real"]})
    assert read_sealed(path, "name", only=["highest byte first"]) is None


def test_a_file_under_another_name_or_that_is_no_file_is_not_read(path, tmp_path):
    assert read_sealed(path, "another name") is None
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "fifo")
    for other in ("link", "fifo", "nothing", "."):
        assert read_sealed(tmp_path / other, "name") is None


def test_objects_are_neither_written_nor_read(path):
    with pytest.raises(TypeError):
        write_sealed(path, "name", {"object": np.array([{}])})
    index = json.dumps([["object", "|O", [1], hashlib.sha256(bytes(8)).hexdigest()]]).encode()
    seal = hashlib.sha256(b"name\0" + index).digest()
    path.write_bytes(len(index).to_bytes(8, "little") + index + seal + bytes(8))
    assert read_sealed(path, "name") is None


def test_a_file_that_cannot_be_written_leaves_the_old_one(path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("offctx.files.os.replace", full)
    with pytest.raises(OSError, match="No space"):
        write_sealed(path, "name", {"x": np.zeros(3)})
    equal(read_sealed(path, "name"), ARRAYS)
    assert [entry.name for entry in path.parent.iterdir()] == ["a file"]
