"""Arrays outside the checksum: what is no number, is beyond float32, or beyond memory, is an error at load."""

import h5py
import numpy as np
import pytest

import offctx
from offctx.data.storage import read_part
from offctx.errors import DatasetError
from tests.data.storage.helpers import ID, load, replace, unlabelled

SPACE = offctx.ContextSpace(["speed", "wind"], (0.25, -1.0), (3.0, 1.0), (0.5, 0.0))
WRONG = {
    "text": lambda a: np.full(a.shape, b"1.0"),
    "variable text": lambda a: np.array(["1.0"] * a.size, dtype=object).reshape(a.shape),
    "complex": lambda a: a.astype(np.complex128),
    "compound": lambda a: np.zeros(a.shape, [("x", "f8"), ("y", "f8")]),
    "long double": lambda a: a.astype(np.longdouble),
    "opaque": lambda a: np.zeros(a.shape, np.dtype("V8")),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("key", ["rewards", "actions", "observations", "terminations", "infos/context", "infos/state"])
def test_what_is_no_number_is_refused(key, wrong, data):
    unlabelled(data)
    for e in range(6):
        replace(data, f"episode_{e}/{key}", WRONG[wrong])
    with pytest.raises(DatasetError, match=r"expected numbers of at most 64 bits|is damaged or foreign"):
        load(context_space=SPACE)


@pytest.mark.parametrize("value", [1e39, -1e200, np.inf, np.nan])
@pytest.mark.parametrize("key", ["rewards", "actions", "infos/context"])
def test_a_number_beyond_float32_is_refused(key, value, data):
    unlabelled(data)
    for e in range(6):
        replace(data, f"episode_{e}/{key}", lambda a: np.full(a.shape, value, np.float64))
    with pytest.raises(DatasetError, match=rf"{key} of episode 0 holds a number that is not finite, or beyond float32"):
        load(context_space=SPACE)


def test_episodes_of_different_types_are_read_in_the_wider_one(data):
    unlabelled(data)
    before = load(context_space=SPACE, cache=False)
    replace(data, "episode_0/rewards", lambda a: np.ones(a.shape, np.int64))
    after = load(context_space=SPACE, cache=False)
    first = int(after.episode_ends[0])
    assert after.rewards.dtype == np.float64 and (after.rewards[:first] == 1).all()
    np.testing.assert_array_equal(after.rewards[first:], before.rewards[first:])


@pytest.mark.parametrize("chunked", [False, True])
def test_a_small_file_that_declares_large_arrays_is_refused(chunked, data, monkeypatch):
    unlabelled(data)
    rows = 10**8
    with h5py.File(data / "main_data.hdf5", "a") as file:
        for key in ("rewards", "terminations", "truncations"):
            dtype = file[f"episode_0/{key}"].dtype
            del file[f"episode_0/{key}"]
            chunks = {"chunks": (10**6,), "compression": "gzip"} if chunked else {}
            file.create_dataset(f"episode_0/{key}", (rows,), dtype, **chunks)
    with pytest.raises(DatasetError, match=r"take .* [GM]B, more than the limit of 268\.4 MB: raise it with max_bytes="):
        load(context_space=SPACE)


def test_a_chunk_that_is_larger_than_the_limit_is_refused(data):
    unlabelled(data)
    with h5py.File(data / "main_data.hdf5", "a") as file:
        rewards = file["episode_0/rewards"][()]
        del file["episode_0/rewards"]
        options = {"chunks": (2 * 10**8,), "maxshape": (None,), "compression": "gzip"}
        file.create_dataset("episode_0/rewards", rewards.shape, rewards.dtype, **options)
    with pytest.raises(DatasetError, match=r"a chunk of rewards of episode 0 has more than"):
        load(context_space=SPACE)


def test_the_limit_is_the_callers(data, monkeypatch):
    expected = load(cache=False)
    with pytest.raises(DatasetError, match="more than the limit"):
        load(cache=False, max_bytes=100)
    monkeypatch.setenv("OFFCTX_MAX_BYTES", "100")
    with pytest.raises(DatasetError, match="more than the limit"):
        load(cache=False)
    assert len(load(cache=False, max_bytes=10**6)) == len(expected)
    for setting in ("much", "0", "9" * 5000, "\u0663"):
        monkeypatch.setenv("OFFCTX_MAX_BYTES", setting)
        with pytest.raises(DatasetError, match="OFFCTX_MAX_BYTES must be a whole number"):
            load(cache=False)
    monkeypatch.setenv("OFFCTX_MAX_BYTES", "9" * 30)
    assert len(load(cache=False)) == len(expected)


def test_the_limit_is_the_same_with_a_flat_copy(data, monkeypatch):
    limit = 500
    with pytest.raises(DatasetError, match="more than the limit of 500 bytes"):
        load(max_bytes=limit)
    expected = load()  # makes the flat copy
    monkeypatch.setattr(read_part, "read_and_verify", None)  # what is read now is the flat copy
    for part in ({}, {"lazy": True}, {"episodes": [0, 1, 2]}):
        with pytest.raises(DatasetError, match=f"the arrays of {ID} take .* more than the limit of 500 bytes"):
            load(max_bytes=limit, **part)
    monkeypatch.setenv("OFFCTX_MAX_BYTES", "500")
    with pytest.raises(DatasetError, match="more than the limit of 500 bytes"):
        load()
    assert len(load(max_bytes=10**6)) == len(expected)
