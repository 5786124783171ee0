"""Every file of a dataset, damaged: the original data, or an error of ours. Never other data, a crash or a hang."""

import functools
import shutil
import signal

import numpy as np
import pytest

import offctx
from offctx.data.metadata import LAYOUT_VERSION
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
            assert same_dataset(found, expected), (name, way.__name__)
        except OffctxError:
            assert not cache, (name, way.__name__)  # a damaged flat copy costs time, and nothing else
        signal.alarm(0)


CASES = {
    "data": ("test/x-v0/data/main_data.hdf5", [flip, cut, zero, swap], False),
    "metadata": ("test/x-v0/data/metadata.json", [flip, cut, zero, swap, swap_values, swap_values], False),
    "flat copy": (".offctx-cache/*/*", [flip, cut, zero, swap], True),
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
