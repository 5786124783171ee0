"""Every file of a dataset, damaged: the original data, or an error of ours. Never other data, a crash or a hang."""

import dataclasses
import functools
import json
import shutil
import signal

import numpy as np
import pytest

import offctx
from offctx.data.metadata import LAYOUT_VERSION
from offctx.errors import OffctxError
from tests.faults.datasets import ID, collect
from tests.faults.processes import run
from tests.faults.scale import rounds

_BATCH = 50  # mutations in one process


def _same(found, expected) -> bool:
    """Whether two datasets are equal, in arrays, spaces, contexts and metadata."""
    for field in dataclasses.fields(expected):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(other, np.ndarray):
            if one is None or one.dtype != other.dtype or not np.array_equal(one, other):
                return False
        elif field.name == "context_space":
            if one.to_dict() != other.to_dict():
                return False
        elif one != other:
            return False
    return True


def _flip(content: bytes, rng) -> bytes:
    damaged = bytearray(content)
    for position in rng.integers(0, len(content), rng.choice([1, 1, 1, 3])):
        damaged[position] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def _cut(content: bytes, rng) -> bytes:
    return content[: int(rng.integers(len(content)))]


def _zero(content: bytes, rng) -> bytes:
    begin = int(rng.integers(len(content)))
    length = int(rng.integers(1, 600))
    return content[:begin] + bytes(len(content[begin : begin + length])) + content[begin + length :]


def _swap(content: bytes, rng) -> bytes:
    """Two blocks in each other's place."""
    size = int(rng.integers(1, max(2, min(200, len(content) // 3))))
    one, other = sorted(int(k) for k in rng.integers(0, max(1, len(content) - 2 * size), 2))
    end = other + size
    first, between, second = content[one : one + size], content[one + size : end], content[end : end + size]
    return content[:one] + second + between + first + content[end + size :]


def _leaves(value, path=()):
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _leaves(value[key], (*path, key))
    else:
        yield path, value


def _set(tree, path, value):
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = value


def _swap_values(content: bytes, rng) -> bytes:
    """Two values of JSON in each other's place, or one changed."""
    tree = json.loads(content)
    leaves = list(_leaves(tree))
    path, value = leaves[rng.integers(len(leaves))]
    alike = [(p, v) for p, v in leaves if type(v) is type(value) and v != value]
    if alike and rng.random() < 0.7:
        other_path, other = alike[rng.integers(len(alike))]
        _set(tree, path, other)
        _set(tree, other_path, value)
    else:
        _set(tree, path, value + 1 if isinstance(value, int | float) else f"{value}x")
    return json.dumps(tree).encode()


@pytest.fixture
def pristine(datasets_path, tmp_path):
    """A dataset with its flat copy, kept whole elsewhere."""
    collect()
    expected = offctx.load_dataset(ID)
    shutil.copytree(datasets_path, tmp_path / "pristine")
    return tmp_path / "pristine", expected


def _try_batch(pristine, root, expected, names, ways, seed, cache):
    rng = np.random.default_rng(seed)
    for _ in range(_BATCH):
        name, way = names[rng.integers(len(names))], ways[rng.integers(len(ways))]
        shutil.rmtree(root)
        shutil.copytree(pristine, root)
        if cache:
            offctx.load_dataset(ID)  # the flat copy of these very files
        path = next(root.glob(name))
        path.write_bytes(way(path.read_bytes(), rng))
        signal.alarm(60)
        try:
            found = offctx.load_dataset(ID, cache=cache)
            assert _same(found, expected), (name, way.__name__)
        except OffctxError:
            assert not cache, (name, way.__name__)  # a damaged flat copy costs time, and nothing else
        signal.alarm(0)


CASES = {
    "data": ("test/x-v0/data/main_data.hdf5", [_flip, _cut, _zero, _swap], False),
    "metadata": ("test/x-v0/data/metadata.json", [_flip, _cut, _zero, _swap, _swap_values, _swap_values], False),
    "flat copy": (".offctx-cache/*/*", [_flip, _cut, _zero, _swap], True),
}


@pytest.mark.parametrize("case", CASES)
def test_mutations(case, pristine, datasets_path):
    if case == "metadata" and LAYOUT_VERSION < 2:
        pytest.skip("layout version 1 has no checksum of the metadata")
    kept, expected = pristine
    pattern, ways, cache = CASES[case]
    names = sorted(str(path.relative_to(kept)) for path in kept.glob(pattern))
    assert names
    for k in rounds(1, 3400 // _BATCH):
        batch = functools.partial(_try_batch, kept, datasets_path, expected, names, ways, [k, len(case)], cache)
        assert run(batch) == 0, (case, k)
