"""Reading: every way of damaging the files of a dataset has its own DatasetError, and nothing that they name is run."""

import json
import os

import gymnasium
import numpy as np
import pytest

import offctx
from offctx.errors import DatasetError, OffctxError
from tests.data.helpers import assert_equal
from tests.data.storage.helpers import ID, edit_metadata, edit_offctx, load, unlabelled


@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("cached", [False, True])
def test_a_truncated_file(fraction, cached, data):
    if cached:
        load()
    file = data / "main_data.hdf5"
    os.truncate(file, int(fraction * file.stat().st_size))
    with pytest.raises(DatasetError, match=r"test/x-v0: cannot open main_data\.hdf5, which is truncated"):
        load()


def test_a_garbage_file(data):
    (data / "main_data.hdf5").write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(DatasetError, match=r"test/x-v0: cannot open main_data\.hdf5"):
        load()


def test_no_data_file(data):
    (data / "main_data.hdf5").unlink()
    with pytest.raises(DatasetError, match=r"test/x-v0.*main_data\.hdf5"):
        load()


def test_flipped_bytes_are_found_or_harmless(data):
    """No damage gives wrong numbers or an error that is not offctx's own."""
    expected = load(cache=False)
    file = data / "main_data.hdf5"
    content = file.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for position in rng.choice(len(content), 150, replace=False):
        damaged = bytearray(content)
        damaged[position] ^= int(rng.integers(1, 256))
        file.write_bytes(damaged)
        try:
            found = load(cache=False)
        except OffctxError as error:
            refused += 1
            assert ID in str(error)
        else:
            assert_equal(found, expected)
    assert refused > 10


@pytest.mark.parametrize("space", ["observation_space", "action_space"])
def test_metadata_without_spaces_never_make_the_environment(space, data, monkeypatch):
    edit_metadata(data, **{space: None})

    def made(*_, **__):
        raise AssertionError("gymnasium.make was called")

    monkeypatch.setattr(gymnasium, "make", made)
    with pytest.raises(DatasetError, match=f"test/x-v0: the metadata describe no {space}"):
        load()


def test_an_entry_point_in_the_metadata_is_not_imported(data, tmp_path, monkeypatch):
    (tmp_path / "evil_entry_point.py").write_text(f"open({str(tmp_path / 'trace')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    spec = json.loads(json.loads((data / "metadata.json").read_text())["env_spec"])
    evil = json.dumps(spec | {"entry_point": "evil_entry_point:Env", "id": "offctx/Evil-v0"})
    unlabelled(data)
    edit_metadata(data, env_spec=evil)
    with pytest.raises(DatasetError, match="does not say what its contexts are"):
        load()
    edit_metadata(data, env_spec=evil, observation_space=None)
    with pytest.raises(DatasetError, match="describe no observation_space"):
        load()
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "3", "\x00\xff"])
def test_metadata_that_are_no_table(content, data):
    (data / "metadata.json").write_text(content)
    with pytest.raises(DatasetError, match=r"test/x-v0: .*metadata\.json"):
        load()


def test_no_metadata(data):
    (data / "metadata.json").unlink()
    with pytest.raises(DatasetError, match=r"test/x-v0: cannot read metadata\.json"):
        load()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"total_episodes": 5}, "total_steps"),  # one episode fewer: the steps betray it
        ({"total_episodes": 7}, r"episode_6"),
        ({"total_episodes": 0}, "holds no episode"),
        ({"total_episodes": -1}, "holds no episode"),
        ({"total_episodes": None}, "total_episodes"),
        ({"total_episodes": "many"}, "many"),
        ({"total_episodes": {}}, "damaged|total_episodes"),
        ({"total_steps": 3}, "total_steps 3, the data hold 30"),
        ({"total_steps": None}, "total_steps None"),
        ({"data_format": "stone"}, "stone"),
        ({"data_format": None}, "data_format|None"),
        ({"observation_space": 3}, "observation_space"),
        ({"action_space": "{"}, "action_space"),
        ({"observation_space": json.dumps({"type": "Discrete", "n": 3, "start": 0})}, "1-D Box observations"),
    ],
    ids=str,
)
def test_metadata_that_do_not_fit(changes, message, data):
    edit_metadata(data, **changes)
    with pytest.raises(DatasetError, match=message) as caught:
        load()
    assert ID in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("behaviour", {"policies": ["random"], "weights": ["heavy"], "context": "append"}, "offctx/behaviour/weights/0"),
        ("horizon", "long", "offctx/horizon"),
        ("sha256", None, "offctx/sha256"),
        ("layout_version", None, "offctx/layout_version"),
        ("layout_version", 3, "layout version 3; this offctx reads up to 2: update offctx"),
        ("context_space", {}, "offctx/context_space"),
        ("context_space", {"names": ["a"]}, "offctx/context_space"),
    ],
)
def test_malformed_or_newer_offctx_metadata(key, value, message, data):
    edit_offctx(data, **{key: value})
    with pytest.raises(DatasetError, match=f"test/x-v0.*{message}"):
        load()


@pytest.mark.parametrize("value", [3, [], "layout"])
def test_offctx_metadata_that_are_no_table(value, data):
    edit_metadata(data, offctx=value)
    with pytest.raises(DatasetError, match="test/x-v0: metadata offctx"):
        load()


def test_a_context_space_with_other_coordinates_than_the_data(data):
    other = offctx.ContextSpace(["g"], -5.0, 5.0, 0.0).to_dict()
    edit_offctx(data, context_space=other)
    with pytest.raises(DatasetError, match="test/x-v0: its contexts do not fit its context space"):
        load()
