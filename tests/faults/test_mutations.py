"""Every file of a dataset, damaged: the original data, or an error of ours. Never other data, a crash or a hang."""

import functools
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

import offctx
from offctx.data.metadata import LAYOUT_VERSION
from offctx.data.sharing.folders import dataset_stamps, hash_files
from offctx.data.storage.summary import SUMMARY, read_summary
from offctx.errors import OffctxError
from tests.faults.damage import cut, flip, same_dataset, swap, swap_values, zero
from tests.faults.datasets import ID, collect
from tests.faults.processes import run
from tests.faults.scale import rounds

_BATCH = 50  # mutations in one process


@pytest.fixture
def pristine(datasets_path, tmp_path):
    """A dataset with its flat copy, kept whole elsewhere."""
    collect()
    expected = offctx.load_dataset(ID)
    shutil.copytree(datasets_path, tmp_path / "pristine")
    return tmp_path / "pristine", expected


def _try_batch(pristine, root, expected, names, ways, seed, options):
    cache = options.get("cache", True)
    rng = np.random.default_rng(seed)
    shutil.rmtree(root)
    shutil.copytree(pristine, root)
    if cache:
        offctx.load_dataset(ID)  # the flat copy of these very files
    contents = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    for _ in range(_BATCH):
        name, way = names[rng.integers(len(names))], ways[rng.integers(len(ways))]
        path = next(root.glob(name))
        path.write_bytes(way(contents[path], rng))
        signal.alarm(60)
        try:
            found = offctx.load_dataset(ID, **options)
            assert same_dataset(found, expected), (name, way.__name__)
        except OffctxError:
            assert not cache, (name, way.__name__)  # a damaged flat copy costs time, and nothing else
        signal.alarm(0)
        for other in [path for path in contents if "cache" in str(path)] if cache else [path]:
            other.parent.mkdir(parents=True, exist_ok=True)
            other.write_bytes(contents[other])


_WAYS = [flip, cut, zero, swap]
DATA, FLAT_COPY = "test/x-v0/data/main_data.hdf5", ".offctx-cache/*/*"
CASES = {  # the files, the ways, how the dataset is loaded, and how many mutations: 10,000 of each file
    "data": (DATA, _WAYS, {"cache": False}, 3_400),
    "data, a part": (DATA, _WAYS, {"cache": False, "episodes": slice(1, 4)}, 3_300),
    "data, a part by contexts": (DATA, _WAYS, {"cache": False, "contexts": [0, 2]}, 3_300),
    "metadata": ("test/x-v0/data/metadata.json", [*_WAYS, swap_values, swap_values], {"cache": False}, 10_000),
    "flat copy": (FLAT_COPY, _WAYS, {}, 4_500),
    "flat copy, a part": (FLAT_COPY, _WAYS, {"contexts": [0, 2]}, 4_500),
    "flat copy, lazy": (FLAT_COPY, _WAYS, {"lazy": True}, 1_000),  # each is slow: the copy is made again
}


def test_mutations_of_the_summary(datasets_path):
    """A push tells of a dataset what was written with it, or what its data say: a damaged summary is none."""
    collect()
    data = datasets_path / ID / "data"
    files = hash_files(data.parent, dataset_stamps(data.parent, ID), ID)
    hashes = {Path(file.path).name: file.sha256 for file in files}
    assert read_summary(data, hashes) is not None
    path = data.with_name(SUMMARY)
    content = path.read_bytes()
    for k in rounds(2, 10_000 // _BATCH):
        rng = np.random.default_rng(k)
        for _ in range(_BATCH):
            damaged = _WAYS[rng.integers(len(_WAYS))](content, rng)
            path.write_bytes(damaged)
            assert (read_summary(data, hashes) is None) == (damaged != content)


@pytest.mark.parametrize("case", CASES)
def test_mutations(case, pristine, datasets_path):
    if case == "metadata" and LAYOUT_VERSION < 2:
        pytest.skip("layout version 1 has no checksum of the metadata")
    kept, expected = pristine
    pattern, ways, options, mutations = CASES[case]
    if options.keys() - {"cache"}:
        expected = offctx.load_dataset(ID, **options)
    names = sorted(str(path.relative_to(kept)) for path in kept.glob(pattern))
    assert names
    for k in rounds(1, mutations // _BATCH):
        batch = functools.partial(_try_batch, kept, datasets_path, expected, names, ways, [k, len(case)], options)
        assert run(batch) == 0, (case, k)
