"""attach_derivatives: the same arrays as collecting with them, and nothing else is touched."""

import json
import tracemalloc

import h5py
import minari
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

import offctx
from offctx.data import episode_contexts, transitions
from offctx.data.derivatives import attach as module
from offctx.data.derivatives import compute
from offctx.data.storage import read_episodes
from offctx.data.validation import validate_dataset
from offctx.envs import SimpleDirection
from offctx.errors import DatasetError
from tests.data.derivatives.helpers import ID, NEW, attach, collect, contents, edit_metadata, file_of
from tests.data.helpers import assert_equal


@pytest.mark.parametrize(
    "env",
    ["offctx/SimpleDirection-v0", "offctx/SimpleDirectionStochastic-v0", "offctx/PendulumGoal-v0", "testing/Chooser-v0"],
)
@pytest.mark.parametrize("new_id", [None, NEW])
def test_collecting_then_attaching_is_collecting_with_derivatives(env, new_id, datasets_path):
    expected = collect("test/with-v0", env, gradients=True)
    collect(env=env)
    before = contents(file_of(datasets_path))
    found = attach(env=env if env.startswith("testing") else None, new_id=new_id, batch_size=7)
    assert_equal(expected, found)
    assert_equal(expected, offctx.load_dataset(new_id or ID, cache=False))
    assert found.metadata.sha256 == expected.metadata.sha256
    assert found.metadata.derivatives == expected.metadata.derivatives
    assert contents(file_of(datasets_path, new_id or ID)) == contents(file_of(datasets_path, "test/with-v0"))
    if new_id:
        assert contents(file_of(datasets_path)) == before
    validate_dataset(new_id or ID)
    assert {path.name for path in datasets_path.iterdir()} <= {"test", ".offctx-cache"}


def _but_derivatives(found):
    """Without derivatives, and without the checksums of an episode's arrays, which cover them."""
    return {
        key: {name: each for name, each in value.items() if name != "offctx_crc32"} if key.endswith("attributes") else value
        for key, value in found.items()
        if "derivative" not in key and "dcontext" not in key
    }


def test_all_else_stays_and_minari_opens_it(datasets_path):
    collect()
    file = file_of(datasets_path)
    with h5py.File(file, "a") as data:
        data.attrs["about"] = "theirs"
        data["episode_1"].attrs["grade"] = 3
        data["episode_1/infos/extra/deep"] = np.arange(5)
    edit_metadata(datasets_path, author="someone")
    file.with_name("notes.txt").write_text("more")
    file.chmod(0o444)
    before = contents(file)

    attach(new_id=NEW)
    copy = file_of(datasets_path, NEW)
    after = contents(copy)
    assert _but_derivatives(after) == _but_derivatives(before)
    assert copy.with_name("notes.txt").read_text() == "more"
    with h5py.File(copy) as data:
        assert data.attrs["about"] == "theirs"
    opened = minari.load_dataset(NEW)
    assert opened.id == NEW and json.loads(copy.with_name("metadata.json").read_text())["author"] == "someone"
    np.testing.assert_array_equal(opened[1].infos["extra"]["deep"], np.arange(5))
    assert opened[2].infos["dnext_observation_dcontext"].shape == (11, 2, 2)
    assert set(minari.list_local_datasets()) == {ID, NEW}


def test_overwrite_replaces_what_is_there(datasets_path):
    expected = collect(gradients=True)
    with h5py.File(file_of(datasets_path), "a") as data:
        for group in data.values():
            group["infos/dreward_dcontext"][1:] += 1
    edit_metadata(datasets_path, offctx=None)
    assert (offctx.load_dataset(ID).dreward_dcontext == expected.dreward_dcontext + 1).all()
    with pytest.raises(DatasetError, match="has derivatives already: overwrite=True"):
        attach()
    assert_equal(attach(overwrite=True), expected)


@pytest.mark.parametrize("cached", [True, False])
def test_memory_does_not_grow_with_the_dataset(cached, datasets_path, monkeypatch):
    """8 MB of arrays, of which blocks of 64 kB are in memory at a time; checksums of files are made of blocks of 1 MB."""
    collect(env=lambda: TimeLimit(SimpleDirection(), 1000), episodes_per_context=120)
    for patched in (read_episodes, transitions, compute):
        monkeypatch.setattr(patched, "BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr(episode_contexts, "_BLOCK", 1 << 12)
    monkeypatch.setattr(module, "READ_AT_ONCE", 1000)
    collect("test/small-v0")
    attach("test/small-v0", batch_size=500)  # imports and first uses
    if cached:
        offctx.load_dataset(ID)
    tracemalloc.start()
    try:
        found = attach(ID, SimpleDirection(), batch_size=2000)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found) == 120_000 and most < 3e6, most
    monkeypatch.undo()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(datasets_path))
    arrays = [found.observations, found.contexts, found.states, found.dnext_observation_dcontext, found.dreward_dcontext]
    assert sum(array.nbytes for array in arrays) > 7e6
