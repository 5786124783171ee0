"""validate: what loading lets pass and a publisher should not."""

import json

import h5py
import numpy as np
import pytest

import offctx
from offctx.data import transitions, validation
from offctx.data.validation import validate_dataset
from offctx.errors import DatasetError
from tests.data.storage.helpers import edit_offctx, unlabelled

ID = "test/x-v0"


@pytest.fixture(autouse=True, params=["in memory", "mapped, in several blocks"])
def way(request, monkeypatch):
    if request.param != "in memory":
        monkeypatch.setattr(validation, "_IN_MEMORY", 0)
        monkeypatch.setattr(transitions, "BLOCK_BYTES", 5000)
    return request.param


@pytest.fixture
def data(datasets_path):
    """The data folder of a small dataset without a checksum: what is changed in it is only seen by looking."""
    offctx.collect("offctx/PendulumGoal-v0", ID, episodes_per_context=2, seed=0, progress=False)
    folder = datasets_path / "test" / "x-v0" / "data"
    with h5py.File(folder / "main_data.hdf5", "a") as file:
        for group in file.values():
            del group["infos/dnext_observation_dcontext"], group["infos/dreward_dcontext"]
    unlabelled(folder)
    return folder


def change(folder, key, function):
    with h5py.File(folder / "main_data.hdf5", "a") as file:
        values = function(file[f"episode_1/{key}"][()])
        del file[f"episode_1/{key}"]
        file[f"episode_1/{key}"] = values


def test_a_sound_dataset_passes(data, way):
    found = validate_dataset(ID)
    assert len(found) == 400 and found.lazy == (way != "in memory")


@pytest.mark.parametrize(
    ("key", "function", "message"),
    [
        ("actions", lambda v: v + 50, r"actions row 200 is \[.*\], outside Box"),
        ("truncations", np.zeros_like, "episode 1 ends neither terminated nor truncated"),
        ("observations", lambda v: v * 3, "observations row .* outside Box"),
    ],
)
def test_faults_are_named(key, function, message, data):
    change(data, key, function)
    with pytest.raises(DatasetError, match=message):
        validate_dataset(ID)


def test_types_other_than_the_spaces(data):
    raw = json.loads((data / "metadata.json").read_text())
    raw["observation_space"] = raw["observation_space"].replace("float32", "float64")
    (data / "metadata.json").write_text(json.dumps(raw))
    with pytest.raises(DatasetError, match="observations are float32; their space says float64"):
        validate_dataset(ID)


def test_metadata_that_deny_the_derivatives(datasets_path):
    offctx.collect("offctx/PendulumGoal-v0", ID, seed=0, progress=False)
    edit_offctx(datasets_path / "test" / "x-v0" / "data", derivatives=None)
    with pytest.raises(DatasetError, match="metadata say derivatives are not there"):
        validate_dataset(ID)
