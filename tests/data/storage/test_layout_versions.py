"""Layout version 2 covers the metadata by its checksum; version 1 is read as it was."""

import json
import zipfile
from pathlib import Path

import h5py
import minari
import pytest

import offctx
from offctx.data.validation import validate_dataset
from offctx.errors import DatasetError, OffctxError
from tests.data.helpers import assert_equal
from tests.data.storage.helpers import ID, load, unmark

FIRST = "test/layout1-v0"  # pendulum, 2 contexts, 2 episodes of 5 steps each, written by offctx 0.4 with layout version 1
FIRST_SHA256 = "885dbfeafeba19b305c1a3ce5de091b68a01a23debea96fb6652977f9b353ccf"


@pytest.fixture
def first(datasets_path) -> Path:
    """The data folder of a dataset of layout version 1."""
    folder = datasets_path / FIRST / "data"
    with zipfile.ZipFile(Path(__file__).with_name("layout_1.zip")) as packed:
        packed.extractall(folder)
    return folder


def test_a_dataset_of_version_1_is_read_and_verified_by_its_own_rule(first):
    dataset = validate_dataset(FIRST)
    assert dataset.metadata.layout_version == 1 and dataset.metadata.sha256 == FIRST_SHA256
    assert len(dataset) == 20 and dataset.rewards.sum() == pytest.approx(-86.03516777994156)
    assert_equal(dataset, offctx.load_dataset(FIRST))
    changed = json.loads((first / "metadata.json").read_text())
    changed["offctx"]["sha256"] = "0" + FIRST_SHA256[1:]
    (first / "metadata.json").write_text(json.dumps(changed))
    with pytest.raises(DatasetError, match="do not fit their checksum"):
        offctx.load_dataset(FIRST)


@pytest.mark.parametrize("attached", [False, True])
def test_a_part_of_a_dataset_of_version_1_is_verified_with_all_of_it(attached, first):
    """Its episodes have no checksums of their own, also where derivatives were attached since."""
    if attached:
        offctx.attach_derivatives(FIRST, "offctx/PendulumGoal-v0", overwrite=True, progress=False)
    assert len(offctx.load_dataset(FIRST, contexts=0, cache=False)) == 10
    with h5py.File(first / "main_data.hdf5", "a") as file:
        file["episode_0/rewards"][2] += 1
    for part in ({"contexts": 0}, {"episodes": [0]}, {"episodes": [3]}):
        with pytest.raises(DatasetError, match="do not fit their checksum"):
            offctx.load_dataset(FIRST, cache=False, **part)


def test_an_episode_that_has_lost_its_checksum_is_refused(data):
    with h5py.File(data / "main_data.hdf5", "a") as file:
        del file["episode_1"].attrs["offctx_crc32"]
    assert len(offctx.load_dataset(ID, episodes=[2], cache=False)) > 0
    with pytest.raises(DatasetError, match="episode 1 has lost its checksum"):
        offctx.load_dataset(ID, episodes=[1, 2], cache=False)


def test_attaching_to_a_dataset_of_version_1_writes_version_2(first):
    before = offctx.load_dataset(FIRST)
    after = offctx.attach_derivatives(FIRST, overwrite=True, progress=False)
    assert after.metadata.layout_version == 2
    assert_equal(before, validate_dataset(FIRST))
    assert minari.load_dataset(FIRST).total_episodes == 4


def leaves(value, path=()):
    """The path of every value in JSON data."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for k, inner in enumerate(value):
            yield from leaves(inner, (*path, k))
    else:
        yield path


def other(value):
    """Another value of the same type where there is one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    return f"{value}x" if isinstance(value, str) else "x"


def changed(raw, path, change):
    """A copy of JSON data in which the value at a path is changed."""
    raw = json.loads(json.dumps(raw))
    inner = raw
    for step in path[:-1]:
        inner = inner[step]
    change(inner, path[-1])
    return raw


def set_other(inner, key):
    inner[key] = other(inner[key])


def delete(inner, key):
    del inner[key]


@pytest.mark.parametrize("change", [set_other, delete])
@pytest.mark.parametrize("cached", [False, True])
def test_every_changed_value_of_the_metadata_is_noticed(change, cached, data):
    file = data / "metadata.json"
    raw = json.loads(file.read_text())
    if cached:
        load()
    paths = [path for path in leaves(raw) if path not in [("dataset_id",), ("dataset_size",)]]
    assert len(paths) > 40
    for path in paths:
        file.write_text(json.dumps(changed(raw, path, change)))
        with pytest.raises(OffctxError):
            load()
    file.write_text(json.dumps(raw))
    load()


def swap_names(part):
    part["context_space"]["names"].reverse()


def widen(part):
    part["context_space"]["high"][0] += 1


def rename_units(part):
    part["context_space"]["units"][0] = "lbf"


def constrain(part):
    part["context_space"]["constraints"] = []


def add_split(part):
    part["context_space"]["splits"] = {"test": [[0.5, 0.2]]}


@pytest.mark.parametrize("change", [swap_names, widen, rename_units, constrain, add_split])
def test_a_context_space_that_was_changed_is_noticed(change, data):
    raw = json.loads((data / "metadata.json").read_text())
    before = json.dumps(raw)
    change(raw["offctx"])
    if json.dumps(raw) == before:
        pytest.skip("nothing to change in this family")
    (data / "metadata.json").write_text(json.dumps(raw))
    for read in (load, lambda: validate_dataset(ID)):
        with pytest.raises(DatasetError, match=r"metadata.json does not fit its checksum"):
            read()


ABOUT = {
    "description": "For a test.",
    "author": ["Ada", "Alan"],
    "author_email": "ada@example.org",
    "license": "CC-BY-4.0",
    "code_permalink": "https://example.org/code",
}


def test_authors_and_license_are_in_minaris_own_keys(datasets_path):
    dataset = offctx.collect("testing/Runner-v0", ID, seed=0, progress=False, **ABOUT)
    metadata = minari.load_dataset(ID).storage.metadata
    assert metadata["author"] == {"Ada", "Alan"} and metadata["author_email"] == {"ada@example.org"}
    assert [metadata[key] for key in ("description", "license", "code_permalink")] == [
        ABOUT[key] for key in ("description", "license", "code_permalink")
    ]
    assert dataset.about.author == ("Ada", "Alan") and load().about == dataset.about


@pytest.mark.parametrize("wrong", [{"author": 3}, {"author": [""]}, {"license": ["MIT"]}, {"description": 1}])
@pytest.mark.usefixtures("no_new_files")
def test_authors_and_license_are_text(wrong, datasets_path):
    with pytest.raises(DatasetError, match=f"{next(iter(wrong))} must be a text"):
        offctx.collect("testing/Runner-v0", ID, seed=0, progress=False, **wrong)


@pytest.mark.parametrize("key", ["dataset_id", "dataset_size"])
def test_what_does_not_tell_what_the_data_are_is_validated_only(key, data):
    raw = json.loads((data / "metadata.json").read_text())
    (data / "metadata.json").write_text(json.dumps(raw | {key: {"dataset_id": "test/y-v0", "dataset_size": 77.0}[key]}))
    load()
    with pytest.raises(DatasetError, match=key):
        validate_dataset(ID)


def test_without_the_offctx_part_the_data_are_refused(data):
    raw = json.loads((data / "metadata.json").read_text())
    raw["offctX"] = raw.pop("offctx")
    (data / "metadata.json").write_text(json.dumps(raw))
    with pytest.raises(DatasetError, match="has lost its part 'offctx'"):
        load()
    del raw["offctX"]["metadata_sha256"]
    first = raw | {"offctx": raw["offctX"] | {"layout_version": 1}}
    (data / "metadata.json").write_text(json.dumps(first))
    with pytest.raises(DatasetError, match="has lost its part 'offctx'"):
        load()
    (data / "metadata.json").write_text(json.dumps(raw))
    unmark(data)
    with pytest.raises(DatasetError, match="does not say what its contexts are"):
        load()


def test_the_checksum_of_the_data_does_not_depend_on_id_description_or_compression(data):
    one = load()
    contexts = [(0.5, 0.2), (2.0, -0.4), (0.9, 0.7)]
    other = offctx.collect(
        "testing/Runner-v0",
        "test/z-v0",
        contexts=contexts,
        episodes_per_context=2,
        seed=0,
        progress=False,
        compression="gzip",
    )
    described = offctx.collect(
        "testing/Runner-v0",
        "test/w-v0",
        contexts=contexts,
        episodes_per_context=2,
        seed=0,
        progress=False,
        description="Described.",
    )
    assert one.metadata.sha256 == other.metadata.sha256 == described.metadata.sha256
    assert one.metadata.metadata_sha256 == other.metadata.metadata_sha256 != described.metadata.metadata_sha256
