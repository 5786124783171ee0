"""Storage: the flat copy never goes stale, and every way of damaging a dataset has its own DatasetError."""

import builtins
import errno
import json
import os
import pickle
import shutil
import tempfile
from pathlib import Path

import gymnasium
import h5py
import minari
import numpy as np
import pytest

import offctx
from offctx.data.storage import read
from offctx.errors import DatasetError, OffctxError

ID = "test/x-v0"


@pytest.fixture
def data(datasets_path) -> Path:
    """The data folder of a small collected dataset: 3 contexts, 2 episodes of each. It has no flat copy yet."""
    contexts = [(0.5, 0.2), (2.0, -0.4), (0.9, 0.7)]
    offctx.collect("testing/Runner-v0", ID, contexts=contexts, episodes_per_context=2, seed=0, progress=False)
    shutil.rmtree(datasets_path / ".offctx-cache", ignore_errors=True)
    return datasets_path / "test" / "x-v0" / "data"


def load(**options):
    return offctx.load_dataset(ID, **options)


def assert_equal(one, other):
    for name, value in vars(one).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(other, name), err_msg=name)
            assert value.dtype == getattr(other, name).dtype


def edit_metadata(data: Path, **changes):
    """Change keys of metadata.json; None removes one."""
    raw = json.loads((data / "metadata.json").read_text()) | changes
    (data / "metadata.json").write_text(json.dumps({key: value for key, value in raw.items() if value is not None}))


def edit_offctx(data: Path, **changes):
    raw = json.loads((data / "metadata.json").read_text())
    edit_metadata(data, offctx=raw["offctx"] | changes)


def replace(data: Path, key: str, change):
    """Replace one HDF5 dataset by `change` of its value."""
    with h5py.File(data / "main_data.hdf5", "a") as file:
        value = change(file[key][()])
        del file[key]
        file.create_dataset(key, data=value)


def unlabelled(data: Path):
    """Without offctx metadata there is no checksum, so that other checks are reached."""
    edit_metadata(data, offctx=None)


# --- the flat copy -----------------------------------------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch):
    """How often episodes are read from the dataset itself."""
    counted = []
    read_episodes = read._read_episodes
    monkeypatch.setattr(read, "_read_episodes", lambda *a: counted.append(1) or read_episodes(*a))
    return counted


def test_the_second_load_reads_the_flat_copy_and_gives_equal_arrays(data, reads):
    first, second = load(), load()
    assert len(reads) == 1
    assert_equal(first, second)
    assert first.has_derivatives and second.has_derivatives


def test_cache_false_neither_reads_nor_writes_the_flat_copy(data, datasets_path, reads):
    load(cache=False)
    assert not (datasets_path / ".offctx-cache").exists()
    load()
    load(cache=False)
    assert len(reads) == 3


def test_minari_does_not_list_the_flat_copy(data):
    load()
    assert list(minari.list_local_datasets()) == [ID]


def test_a_replaced_dataset_is_read_again(data, datasets_path):
    old = load()
    shutil.rmtree(data.parent)
    new = offctx.collect("testing/Runner-v0", ID, contexts=[(0.5, 0.2)], episodes_per_context=6, seed=1, progress=False)
    assert_equal(load(), new)
    assert len(load()) != len(old)


def test_a_dataset_changed_in_place_is_read_again(data):
    unlabelled(data)
    space = gymnasium.make("testing/Runner-v0").unwrapped.context_space
    before = load(context_space=space)
    replace(data, "episode_0/rewards", lambda rewards: rewards + 1)
    after = load(context_space=space)
    np.testing.assert_allclose(after.rewards[:6], before.rewards[:6] + 1)


def test_metadata_changed_in_place_are_read_again(data):
    load()
    edit_metadata(data, total_steps=7)
    with pytest.raises(DatasetError, match="total_steps 7"):
        load()


def test_a_dataset_replaced_while_it_is_read_does_not_leave_a_stale_copy(data, tmp_path, monkeypatch):
    fresh = tmp_path / "fresh"
    shutil.copytree(data, fresh)
    replace(fresh, "episode_0/rewards", lambda rewards: rewards + 1)
    for folder in (data, fresh):
        unlabelled(folder)
    space = gymnasium.make("testing/Runner-v0").unwrapped.context_space
    read_episodes = read._read_episodes

    def read_then_replace(*arguments):
        found = read_episodes(*arguments)
        for file in fresh.iterdir():
            shutil.copy(file, data / file.name)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(read, "_read_episodes", read_then_replace)
        load(context_space=space)
    assert_equal(load(context_space=space), load(context_space=space, cache=False))


def _deny(*_, **__):
    raise OSError(errno.EROFS, "Read-only file system")


@pytest.mark.parametrize("how", ["mkdir", "mkdtemp", "rename", "file in the way"])
def test_a_root_that_cannot_be_written_costs_speed_only(how, data, datasets_path, monkeypatch, tree):
    expected = load(cache=False)
    if how == "mkdir":
        monkeypatch.setattr(Path, "mkdir", _deny)
    elif how == "mkdtemp":
        monkeypatch.setattr(tempfile, "mkdtemp", _deny)
    elif how == "rename":
        monkeypatch.setattr(os, "rename", _deny)
    else:
        (datasets_path / ".offctx-cache").write_text("not a folder")
    assert_equal(load(), expected)
    assert_equal(load(), expected)
    assert not [name for name in tree(datasets_path) if "staging" in name]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_root(data, datasets_path):
    expected = load(cache=False)
    datasets_path.chmod(0o555)
    try:
        assert_equal(load(), expected)
    finally:
        datasets_path.chmod(0o755)


def copies(datasets_path: Path) -> list[Path]:
    return sorted((datasets_path / ".offctx-cache").rglob("*.npy"))


class Trap:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return builtins.open, (str(self.trace), "w")


def test_the_trap_works(tmp_path):
    pickle.loads(pickle.dumps(Trap(tmp_path / "trace"))).close()
    assert (tmp_path / "trace").exists()


def test_a_pickle_in_the_flat_copy_is_not_unpickled(data, datasets_path, tmp_path):
    expected = load()
    assert len(copies(datasets_path)) > 8
    for file in copies(datasets_path):
        np.save(file, np.array([Trap(tmp_path / "trace")] * 3, dtype=object), allow_pickle=True)
    assert_equal(load(), expected)
    assert not (tmp_path / "trace").exists()


def test_a_bare_pickle_in_the_flat_copy_is_not_unpickled(data, datasets_path, tmp_path):
    expected = load()
    for file in copies(datasets_path):
        file.write_bytes(pickle.dumps(Trap(tmp_path / "trace")))
    assert_equal(load(), expected)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("left", [0, 5, 100, 200])
def test_a_flat_copy_cut_short_falls_back_to_the_dataset(left, data, datasets_path):
    expected = load()
    for file in copies(datasets_path):
        os.truncate(file, min(left, file.stat().st_size - 1))
    assert_equal(load(), expected)


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        "{",
        "null",
        "[]",
        "3",
        '"files"',
        "{}",
        '{"files": 1}',
        '{"arrays": ["lengths"]}',
    ],
)
def test_a_damaged_stamp_falls_back_to_the_dataset(stamp, data, datasets_path):
    expected = load()
    (file,) = (datasets_path / ".offctx-cache").rglob("stamp.json")
    file.write_text(stamp)
    assert_equal(load(), expected)


def test_a_stamp_that_lacks_an_array_falls_back_to_the_dataset(data, datasets_path):
    expected = load()
    (file,) = (datasets_path / ".offctx-cache").rglob("stamp.json")
    stamp = json.loads(file.read_text())
    file.write_text(json.dumps(stamp | {"arrays": stamp["arrays"][:2]}))
    assert_equal(load(), expected)


# --- damaged data ------------------------------------------------------------------------------------------------------


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
    edit_metadata(data, env_spec=evil, offctx=None)
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
        ("layout_version", 2, "layout version 2; this offctx reads up to 1: update offctx"),
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


@pytest.mark.parametrize(
    "key", ["rewards", "observations", "actions", "infos/context", "infos/dreward_dcontext", "infos/state"]
)
def test_tampered_numbers_do_not_fit_the_checksum(key, data):
    load()
    with h5py.File(data / "main_data.hdf5", "a") as file:
        values = file[f"episode_3/{key}"]
        values[-1] = np.nextafter(values[-1], np.inf)
    with pytest.raises(DatasetError, match="test/x-v0: the data do not fit their checksum"):
        load()


def test_swapped_episodes_do_not_fit_the_checksum(data):
    with h5py.File(data / "main_data.hdf5", "a") as file:
        file.move("episode_0", "aside")
        file.move("episode_1", "episode_0")
        file.move("aside", "episode_1")
    with pytest.raises(DatasetError, match="checksum"):
        load()


DAMAGES = {
    "context one row short": ("infos/context", lambda v: v[:-1], r"infos/context of episode 1 has shape \(6, 2\)"),
    "derivative one row long": (
        "infos/dreward_dcontext",
        lambda v: np.concatenate([v, v[-1:]]),
        r"infos/dreward_dcontext of episode 1 has shape \(8, 2\); expected \(7, 2\)",
    ),
    "observations one row short": ("observations", lambda v: v[:-1], r"observations of episode 1 has shape \(6, 3\)"),
    "actions one row short": ("actions", lambda v: v[:-1], r"actions of episode 1 has shape \(5, 1\)"),
    "NaN reward": ("rewards", lambda v: v * np.nan, "rewards of episode 1 holds a number that is not finite"),
    "infinite observation": ("observations", lambda v: v + np.inf, "observations of episode 1 holds a number"),
    "NaN in infos": ("infos/state", lambda v: v * np.nan, "infos/state of episode 1 holds a number"),
    "context that changes": (
        "infos/context",
        lambda v: v + np.linspace(0, 0.1, len(v))[:, None],
        "infos/context changes within episode 1",
    ),
    "context other than asked": ("infos/context", lambda v: v + 0.1, "options/context of episode 1 disagree"),
    "goes on after its end": (
        "terminations",
        lambda v: np.array([True, *v[1:]]),
        "episode 1 goes on after a step that terminated",
    ),
    "derivatives in row 0": ("infos/dreward_dcontext", lambda v: v + 1, "row 0 of infos/dreward_dcontext must be zero"),
    "no steps": ("rewards", lambda v: v[:0], "episode 1 has no step"),
    "rewards that are one number": ("rewards", lambda v: v[0], "rewards|damaged"),
    "rewards that are text": ("rewards", lambda v: v.astype("S8"), "rewards|damaged"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_damaged_arrays_are_named(case, data):
    key, change, message = DAMAGES[case]
    unlabelled(data)
    replace(data, f"episode_1/{key}", change)
    with pytest.raises(DatasetError, match=f"test/x-v0.*({message})"):
        load(context_space=gymnasium.make("testing/Runner-v0").unwrapped.context_space)


def test_contexts_of_one_number_a_step_are_refused_or_read_as_one_coordinate(data):
    unlabelled(data)
    with h5py.File(data / "main_data.hdf5", "a") as file:
        for group in file.values():
            values = group["infos/context"][:, 0]
            del group["infos/context"], group["infos/dreward_dcontext"], group["infos/dnext_observation_dcontext"]
            del group.attrs["options/context"]
            group["infos/context"] = values
    space = offctx.ContextSpace(["speed"], 0.0, 3.0, 1.0)
    try:
        found = load(context_space=space)
    except DatasetError as error:
        assert "infos/context" in str(error)
    else:
        assert found.unique_contexts.tolist() == [[0.5], [2.0], [0.9]]


def test_an_actions_array_of_the_wrong_width(data):
    unlabelled(data)
    for e in range(6):
        replace(data, f"episode_{e}/actions", lambda v: np.repeat(v, 3, axis=1))
    with pytest.raises(DatasetError, match=r"actions.*shape"):
        load(context_space=gymnasium.make("testing/Runner-v0").unwrapped.context_space)


def test_an_observations_array_of_the_wrong_width(data):
    unlabelled(data)
    for e in range(6):
        replace(data, f"episode_{e}/observations", lambda v: v[:, :2])
    with pytest.raises(DatasetError, match=r"observations.*shape"):
        load(context_space=gymnasium.make("testing/Runner-v0").unwrapped.context_space)


def test_no_such_dataset(datasets_path):
    with pytest.raises(DatasetError, match=r"no dataset 'test/nothing-v0'.*minari list local"):
        offctx.load_dataset("test/nothing-v0")


@pytest.mark.parametrize("dataset_id", ["", "x", "../x-v0", "/etc/x-v0", "a b-v0", "test/x-v", None, 3])
def test_a_malformed_id(dataset_id, datasets_path):
    with pytest.raises(DatasetError, match="malformed dataset id"):
        offctx.load_dataset(dataset_id)
