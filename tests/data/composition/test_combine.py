"""Datasets made of datasets: saved parts and combined ones keep everything, and families that differ are refused."""

import dataclasses
import shutil
import tracemalloc

import gymnasium
import h5py
import minari
import numpy as np
import pytest

import offctx
from offctx.data.composition import combine as module
from offctx.data.composition.combine import write_combined
from offctx.data.storage import read_episodes
from offctx.data.validation import validate_dataset
from offctx.errors import DatasetError, OffctxWarning
from tests.conftest import RUNNER_CONTEXTS
from tests.data.helpers import assert_equal

pytestmark = pytest.mark.filterwarnings("ignore:`.*` is set to None:UserWarning")  # Minari asks for authors


def collect(name="whole", env="testing/Runner-v0", contexts=RUNNER_CONTEXTS, **options):
    options = {"episodes_per_context": 4, "seed": 7, "progress": False, "author": "Ada"} | options
    return offctx.collect(env, f"test/{name}-v0", contexts=contexts, **options)


def combine(*names, **options):
    return offctx.combine(list(names), "test/both-v0", progress=False, **options)


def test_a_saved_part_is_the_part(datasets_path):
    whole = collect()
    part = whole.select(contexts=[0, 2], episodes_per_context=3)
    saved = part.save("test/part-v0", progress=False)
    loaded = validate_dataset("test/part-v0")
    assert_equal(saved, loaded)
    for name, array in vars(part).items():
        if isinstance(array, np.ndarray) and name != "episode_numbers":
            np.testing.assert_array_equal(getattr(loaded, name), array, err_msg=name)
    assert loaded.metadata == saved.metadata and loaded.metadata.sha256 == part.checksum
    assert loaded.metadata.recipe["part_of"]["episodes"] == [[0, 3], [8, 11]]
    assert loaded.metadata.behaviour == whole.metadata.behaviour and loaded.about.author == ("Ada",)
    assert loaded.episode_numbers is None
    minari_dataset = minari.load_dataset("test/part-v0")
    assert minari_dataset.total_episodes == 6
    assert next(iter(minari_dataset.storage.get_episode_metadata([3])))["seed"] == whole.episode_seeds[8]


def test_parts_combined_again_are_the_whole(datasets_path):
    whole = collect()
    for k in range(3):
        whole.select(contexts=k).save(f"test/part{k}-v0", progress=False)
    found = combine("test/part0-v0", "test/part1-v0", whole.select(contexts=2))
    assert found.checksum == whole.checksum
    assert_equal(validate_dataset("test/both-v0"), whole)
    parts = found.metadata.recipe["combined"]
    assert [each["dataset_id"] for each in parts] == ["test/part0-v0", "test/part1-v0", "test/whole-v0"]
    assert [each["episodes"] for each in parts] == [4, 4, 4]
    assert parts[2]["recipe"]["part_of"]["episodes"] == [[8, 12]]
    assert all(len(each["sha256"]) == 64 for each in parts)
    with h5py.File(datasets_path / "test" / "both-v0" / "data" / "main_data.hdf5") as file:
        assert file["episode_9"].attrs["seed"] == whole.episode_seeds[9]
        assert file["episode_9"].attrs["options/context"].tolist() == list(RUNNER_CONTEXTS[2])


def test_behaviours_authors_and_derivatives_of_all(datasets_path):
    one = collect("one", license="MIT", author=["Ada", "Bob"])
    two = collect("two", policy="zero", episodes_per_context=2, seed=8, author="Cem", license="MIT")
    found = combine("test/one-v0", "test/two-v0")
    behaviour = found.metadata.behaviour
    assert dict(zip(behaviour.policies, behaviour.weights, strict=True)) == pytest.approx({"random": 2 / 3, "zero": 1 / 3})
    assert found.about.author == ("Ada", "Bob", "Cem") and found.about.license == "MIT"
    assert found.about.description == "Combined from test/one-v0, test/two-v0."
    assert found.metadata.derivatives == one.metadata.derivatives
    np.testing.assert_array_equal(found.dreward_dcontext[len(one) :], two.dreward_dcontext)
    assert found.unique_contexts.tolist() == one.unique_contexts.tolist()


def test_flagged_derivatives_are_counted(datasets_path):
    env = gymnasium.make("offctx/HopperPhysics-v0", max_episode_steps=8)
    one, two = (collect(n, env, None, seed=s) for s, n in enumerate(("one", "two")))
    found = combine("test/one-v0", two)
    flagged = [each.metadata.derivatives.flagged for each in (one, two, found)]
    assert flagged[2] == flagged[0] + flagged[1]
    validate_dataset("test/both-v0")


FAMILIES = {
    "environment": ({"env": "testing/Precise-v0"}, "the environment: testing/Precise-v0 and testing/Runner-v0"),
    "limit": ({"env": lambda: gymnasium.make("testing/Runner-v0", max_episode_steps=3)}, "the time limit: 3 and 6"),
    "derivatives": ({"gradients": False}, "having derivatives: False and True"),
}


@pytest.mark.parametrize("case", FAMILIES)
def test_families_that_differ_are_refused(case, datasets_path, tree):
    options, message = FAMILIES[case]
    env = options.pop("env", "testing/Runner-v0")
    collect("one")
    collect("two", env() if callable(env) else env, **options)
    before = {name for name in tree(datasets_path)}
    with pytest.raises(DatasetError, match=f"test/two-v0 cannot be combined with test/one-v0, as they differ in {message}"):
        combine("test/one-v0", "test/two-v0")
    assert {name for name in tree(datasets_path)} == before


def test_context_spaces_and_arrays_that_differ(datasets_path):
    one, two = collect("one"), collect("two")
    space = {**two.metadata.context_space, "high": [3.0, 2.0]}
    other = dataclasses.replace(two, context_space=offctx.ContextSpace.from_dict(space))
    with pytest.raises(DatasetError, match="differ in the high of the context space"):
        combine(one, other)
    stateless = dataclasses.replace(two, states=None)
    with pytest.raises(DatasetError, match="differ in infos/state: none and "):
        combine(one, stateless)
    assert not (datasets_path / "test" / "both-v0").exists()
    assert not list(datasets_path.glob(".offctx-staging*"))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "expected a list"),
        ("test/one-v0", "expected a list"),
        ([3], "expected dataset ids, or datasets; found 3"),
        (["test/one-v0", "test/one-v0"], "named twice"),
        (["test/one-v0", "test/nothing-v0"], "no dataset 'test/nothing-v0'"),
    ],
)
def test_what_is_refused(names, message, datasets_path):
    collect("one")
    with pytest.raises(DatasetError, match=message):
        offctx.combine(names, "test/both-v0")
    with pytest.raises(DatasetError, match="taken"):
        offctx.combine(["test/one-v0"], "test/one-v0")
    with pytest.raises(DatasetError, match="taken"):
        offctx.load_dataset("test/one-v0").select(episodes=0).save("test/one-v0")


@pytest.mark.parametrize("checksums", [True, False])
def test_a_damaged_dataset_is_not_combined(checksums, datasets_path):
    collect("one")
    collect("two")
    with h5py.File(datasets_path / "test" / "two-v0" / "data" / "main_data.hdf5", "a") as file:
        file["episode_7/rewards"][1] += 1
        for e in range(12 if not checksums else 0):
            del file[f"episode_{e}"].attrs["offctx_crc32"]
    with pytest.raises(DatasetError, match="do not fit their checksum"):
        combine("test/one-v0", "test/two-v0")
    assert not (datasets_path / "test" / "both-v0").exists()


def test_a_dataset_replaced_meanwhile_is_noticed(datasets_path, monkeypatch):
    collect("one")
    read = read_episodes.read_numbers

    def replace_then_read(*arguments, **options):
        monkeypatch.setattr(read_episodes, "read_numbers", read)  # what replaces the dataset reads episodes too
        offctx.attach_derivatives("test/one-v0", "testing/Runner-v0", overwrite=True, progress=False)
        return read(*arguments, **options)

    monkeypatch.setattr(read_episodes, "read_numbers", replace_then_read)
    with pytest.raises(DatasetError, match="was replaced while it was read"):
        combine("test/one-v0")


def test_plain_minari_data_get_metadata(datasets_path):
    collector = minari.DataCollector(gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=5), record_infos=True)
    for e in range(4):
        collector.reset(seed=e, options={"context": [1.0 + e % 2, 1, 1, 0]})
        for _ in range(5):
            collector.step(collector.action_space.sample())
    collector.create_dataset("plain/x-v0")
    plain = offctx.load_dataset("plain/x-v0", contexts={"g": 2})
    saved = plain.save("test/part-v0", progress=False)
    assert saved.metadata.env == "offctx/PendulumGoal-v0" and saved.metadata.horizon == 5
    assert saved.metadata.recipe["part_of"]["episodes"] == [[1, 2], [3, 4]]
    assert_equal(validate_dataset("test/part-v0"), saved)
    found = offctx.combine(["plain/x-v0", "test/part-v0"], "test/both-v0", progress=False)
    assert found.num_episodes == 6 and found.metadata.behaviour.policies == ["unknown"]


def test_other_infos_are_left_out_with_a_warning(datasets_path):
    collect("one")
    with h5py.File(datasets_path / "test" / "one-v0" / "data" / "main_data.hdf5", "a") as file:
        for e in range(12):
            file[f"episode_{e}/infos/qpos"] = np.zeros(3)
    with pytest.warns(OffctxWarning, match="left out: qpos"):
        combine("test/one-v0")
    validate_dataset("test/both-v0")


def test_compression(datasets_path):
    whole = collect("one", env=gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=200), contexts=None)
    combine("test/one-v0", compression="gzip")
    sizes = [(datasets_path / "test" / f"{name}-v0/data/main_data.hdf5").stat().st_size for name in ("one", "both")]
    assert sizes[1] < sizes[0] and offctx.load_dataset("test/both-v0").checksum == whole.checksum


def test_the_arrays_of_a_large_dataset_are_read_when_they_are_first_used(datasets_path, monkeypatch):
    whole, read = collect(), []
    load = module.load_dataset
    monkeypatch.setattr(module, "READ_AT_ONCE", len(whole) - 1)
    monkeypatch.setattr(module, "load_dataset", lambda *names, **options: read.append(options) or load(*names, **options))
    found = combine("test/whole-v0")
    assert len(found) == len(whole) and found.num_episodes == whole.num_episodes and read == []
    assert_equal(whole, found)
    assert type(found) is offctx.ContextualDataset and [set(options) for options in read] == [{"memory_budget"}]


@pytest.mark.parametrize("read_at_once", [0, 1000])
def test_a_combined_dataset_is_never_another_one(read_at_once, datasets_path, monkeypatch):
    collect()
    collect("other", seed=8)
    monkeypatch.setattr(module, "READ_AT_ONCE", read_at_once)
    found = combine("test/whole-v0")
    expected = found.actions if read_at_once else None
    shutil.rmtree(datasets_path / "test/both-v0")
    combine("test/other-v0")
    if read_at_once:
        np.testing.assert_array_equal(found.actions, expected)
    else:
        with pytest.raises(DatasetError, match="both-v0 was replaced since"):
            found.actions  # noqa: B018


def test_memory_does_not_grow_with_the_datasets(datasets_path, monkeypatch):
    monkeypatch.setattr(read_episodes, "BLOCK_BYTES", 1 << 16)
    env = gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=100)
    one = collect("one", env, None, episodes_per_context=300)
    collect("two", env, None, episodes_per_context=300, seed=8)
    size = sum(value.nbytes for value in vars(one).values() if isinstance(value, np.ndarray))
    del one
    write_combined(["test/one-v0"], "test/warm-v0", progress=False)
    tracemalloc.start()
    write_combined(["test/one-v0", "test/two-v0"], "test/both-v0", progress=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 2
