"""load_dataset and select: some contexts, episodes or splits, from the flat copy, from HDF5 and from memory."""

import shutil

import gymnasium
import h5py
import numpy as np
import pytest

import offctx
from offctx.data.storage import read_episodes
from offctx.data.storage.blocks import BLOCK, CheckedArray
from offctx.data.storage.episode_checksums import change_checksums
from offctx.errors import ContextError, DatasetError
from tests.conftest import RUNNER_CONTEXTS
from tests.data.helpers import assert_equal
from tests.data.plain_minari import record_pendulum

WAYS = ("flat copy", "hdf5", "memory")
RUNNER = "test/runner-v0"  # 3 contexts, 4 episodes of each


def part(way, **asked):
    if way == "memory":
        return offctx.load_dataset(RUNNER).select(**asked)
    return offctx.load_dataset(RUNNER, cache=way == "flat copy", **asked)


def expected(runner, episodes):
    rows = np.concatenate([np.arange(runner.episode_starts[e], runner.episode_ends[e]) for e in episodes])
    names = [name for name, value in vars(runner).items() if isinstance(value, np.ndarray) and len(value) == len(runner)]
    return {name: getattr(runner, name)[rows] for name in names if name != "context_ids"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("asked", "episodes"),
    [
        ({"episodes": 3}, [3]),
        ({"episodes": slice(2, 6)}, [2, 3, 4, 5]),
        ({"episodes": [-1, 0, 5]}, [0, 5, 11]),
        ({"contexts": 1}, [4, 5, 6, 7]),
        ({"contexts": {"speed": [0.5, 0.9]}}, [0, 1, 2, 3, 8, 9, 10, 11]),
        ({"contexts": [RUNNER_CONTEXTS[2]], "episodes": slice(0, 10)}, [8, 9]),
        ({"contexts": "wind > 0", "episodes_per_context": 2}, [0, 1, 8, 9]),
        ({"contexts": lambda c: c["speed"] > 0.6}, list(range(4, 12))),
        ({"episodes_per_context": 1}, [0, 4, 8]),
    ],
)
def test_a_part(way, asked, episodes, library_path, runner):
    found = part(way, **asked)
    for name, array in expected(runner, episodes).items():
        np.testing.assert_array_equal(getattr(found, name), array, err_msg=name)
        assert getattr(found, name).dtype == array.dtype and not getattr(found, name).flags.writeable
    assert found.episode_numbers.tolist() == episodes
    lengths = runner.episode_ends - runner.episode_starts
    np.testing.assert_array_equal(found.episode_ends - found.episode_starts, lengths[episodes])
    np.testing.assert_array_equal(found.episode_seeds, runner.episode_seeds[episodes])
    np.testing.assert_array_equal(found.episode_last_states, runner.episode_last_states[episodes])
    np.testing.assert_array_equal(found.unique_contexts[found.context_ids], found.contexts)
    about = found.metadata.recipe["part_of"]
    assert about["dataset_id"] == RUNNER and about["sha256"] == runner.metadata.sha256
    assert [e for begin, end in about["episodes"] for e in range(begin, end)] == episodes
    assert "part" in repr(found)


@pytest.mark.parametrize("way", WAYS)
def test_everything_is_the_dataset_itself(way, library_path, runner):
    assert part(way, episodes=slice(None)).metadata == runner.metadata
    assert_equal(part(way, contexts=slice(None)), runner)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"episodes": 12}, DatasetError, r"test/runner-v0 has episodes 0 to 11; found 12"),
        ({"episodes": slice(5, 5)}, DatasetError, "none of them is chosen by episodes"),
        ({"episodes": 1.5}, DatasetError, "whole numbers"),
        ({"contexts": 3}, DatasetError, "has contexts 0 to 2; found 3"),
        ({"contexts": {"mass": 1}}, ContextError, "unknown context name 'mass'"),
        ({"contexts": 1, "episodes": 0}, DatasetError, "no episode satisfies all of contexts=1, episodes=0"),
        ({"split": "test"}, DatasetError, r"no split 'test'; its context space has train, sweep_speed, sweep_wind"),
        ({"split": "train"}, DatasetError, r"no episode is in a context of train; .*train 0 of 1"),
        ({"split": []}, DatasetError, "name of a split"),
        ({"split": 1}, DatasetError, "expected the name of a split, or several; found 1"),
        ({"split": True}, DatasetError, "expected the name of a split, or several; found True"),
        ({"split": [1]}, DatasetError, "no split 1"),
        ({"episodes": np.ma.array([0, 1], mask=[0, 1])}, DatasetError, "without a mask, which would be ignored"),
        ({"contexts": np.ma.array([0, 1], mask=[1, 0])}, DatasetError, "without a mask"),
        ({"contexts": {"speed": np.ma.array([0.5, 2.0], mask=[0, 1])}}, DatasetError, "without a mask"),
        ({"episodes_per_context": 0}, DatasetError, "episodes_per_context"),
    ],
)
def test_what_is_refused(way, asked, error, message, library_path):
    with pytest.raises(error, match=message):
        part(way, **asked)


def test_splits(datasets_path):
    space = offctx.envs.PendulumGoal.context_space
    contexts = np.concatenate([space.splits["train"], space.splits["sweep_g"][:2]])
    env = gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=5)
    offctx.collect(env, "test/p-v0", contexts=contexts, episodes_per_context=2, seed=0, progress=False)
    for cache in (True, False):
        assert offctx.load_dataset("test/p-v0", split="train", cache=cache).num_episodes == 2
        found = offctx.load_dataset("test/p-v0", split=["sweep_g"], cache=cache)
        assert {tuple(row) for row in found.unique_contexts} <= {tuple(row) for row in space.splits["sweep_g"]}
    with pytest.raises(DatasetError, match=r"no episode satisfies all of contexts=\{'g': 0.5\}, split='train'"):
        offctx.load_dataset("test/p-v0", split="train", contexts={"g": 0.5})


def test_a_part_of_a_part_names_the_whole(library_path, runner):
    half = offctx.load_dataset(RUNNER, episodes=slice(2, 9))
    found = half.select(episodes=[0, 3])
    assert found.episode_numbers.tolist() == [2, 5]
    assert found.metadata.recipe["part_of"] == runner.select(episodes=[2, 5]).metadata.recipe["part_of"]
    assert found.checksum == runner.select(episodes=[2, 5]).checksum != runner.checksum


def test_successive_episodes_are_not_copied(runner):
    assert np.shares_memory(runner.select(contexts=1).observations, runner.observations)
    assert runner.select(episodes=slice(None)) is runner


def test_a_foreign_dataset_in_part(datasets_path):
    record_pendulum("foreign/x-v0", 4, author="x", author_email="x", code_permalink="x")
    space = offctx.ContextSpace(["g"], 1.0, 20.0, [10.0])
    contexts = np.array([[9.0], [5.0], [9.0], [7.0]])
    for cache in (False, True, True):
        found = offctx.load_dataset("foreign/x-v0", contexts=contexts, context_space=space, episodes=[1, 2], cache=cache)
        assert found.unique_contexts.tolist() == [[5.0], [9.0]] and len(found) == 10 and found.metadata is None
        found = offctx.load_dataset("foreign/x-v0", relabel=contexts, context_space=space, contexts={"g": 9}, cache=cache)
        assert found.episode_numbers.tolist() == [0, 2]
        assert len(offctx.load_dataset("foreign/x-v0", contexts=[9.8], context_space=space, cache=cache)) == 20


@pytest.fixture
def many(datasets_path):
    contexts = np.linspace(0.5, 2.5, 40)[:, None] * [1, 0.1]
    offctx.collect("testing/Runner-v0", "test/many-v0", contexts=contexts, episodes_per_context=5, seed=0, progress=False)
    shutil.rmtree(datasets_path / ".offctx-cache")
    return datasets_path / "test" / "many-v0" / "data" / "main_data.hdf5"


def test_only_the_episodes_asked_for_are_read_from_hdf5(many, datasets_path, monkeypatch):
    opened, read_groups = [], read_episodes.read_groups
    monkeypatch.setattr(read_episodes, "read_groups", lambda groups, *a: opened.append(len(groups)) or read_groups(groups, *a))
    visited, own_group = [], read_episodes.own_group

    def count(file, name, *a, **b):
        visited.append(name)
        return own_group(file, name, *a, **b)

    monkeypatch.setattr(read_episodes, "own_group", count)
    offctx.load_dataset("test/many-v0", episodes=slice(10, 13))
    assert opened == [3] and len(visited) == 3
    assert not list((datasets_path).glob(".offctx-cache/*/stamp.json"))
    offctx.load_dataset("test/many-v0", contexts=[0, 7])
    assert opened == [3, 10] and len(visited) == 3 + 200 + 10


def test_a_damaged_episode_is_noticed_where_it_is_read(many):
    with h5py.File(many, "a") as file:
        file["episode_11/rewards"][2] += 1e-9
        file["episode_12"].attrs["seed"] += 1
        file["episode_13/infos/state"][0] *= 2
    for episode, name in ((11, "rewards"), (12, "reset"), (13, "infos/state")):
        with pytest.raises(DatasetError, match=f"{name} of episode {episode} do not fit their checksum"):
            offctx.load_dataset("test/many-v0", episodes=slice(episode, episode + 3))
    assert offctx.load_dataset("test/many-v0", episodes=slice(14, 20)).num_episodes == 6


def test_a_link_to_elsewhere_is_refused_where_it_would_be_read(many, tmp_path):
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["rewards"] = np.zeros(6)
    with h5py.File(many, "a") as file:
        del file["episode_3/rewards"]
        file["episode_3/rewards"] = h5py.ExternalLink(str(tmp_path / "other.hdf5"), "rewards")
        del file["episode_4"]
        file["episode_4"] = h5py.SoftLink("/episode_5")
    for episode in (3, 4):
        with pytest.raises(DatasetError, match="link to elsewhere"):
            offctx.load_dataset("test/many-v0", episodes=episode)
    with pytest.raises(DatasetError, match="link to elsewhere"):
        offctx.load_dataset("test/many-v0", contexts=2)
    assert offctx.load_dataset("test/many-v0", episodes=5).num_episodes == 1


def test_attached_derivatives_have_checksums_too(datasets_path):
    offctx.collect("testing/Runner-v0", "test/x-v0", episodes_per_context=4, seed=0, gradients=False, progress=False)
    whole = offctx.attach_derivatives("test/x-v0", progress=False, env="testing/Runner-v0")
    found = offctx.load_dataset("test/x-v0", episodes=[1, 2], cache=False)
    np.testing.assert_array_equal(found.dreward_dcontext, whole.select(episodes=[1, 2]).dreward_dcontext)
    with h5py.File(datasets_path / "test" / "x-v0" / "data" / "main_data.hdf5", "a") as file:
        file["episode_1/infos/dreward_dcontext"][2] += 1
    with pytest.raises(DatasetError, match="infos/dreward_dcontext of episode 1 do not fit"):
        offctx.load_dataset("test/x-v0", episodes=[1, 2], cache=False)


def test_only_the_blocks_of_the_part_are_checked(datasets_path, monkeypatch):
    env = gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=1000)
    offctx.collect(env, "test/p-v0", episodes_per_context=60, seed=0, progress=False)
    checked, check = [], CheckedArray._check_blocks
    monkeypatch.setattr(
        CheckedArray, "_check_blocks", lambda self, numbers: checked.append(len(numbers)) or check(self, numbers)
    )
    whole = offctx.load_dataset("test/p-v0")
    every = sum(checked)
    checked.clear()
    found = offctx.load_dataset("test/p-v0", episodes=slice(7, 9))
    np.testing.assert_array_equal(found.dreward_dcontext, whole.dreward_dcontext[7000:9000])
    assert sum(checked) < every and whole.dnext_observation_dcontext.nbytes > 2 * BLOCK


def _other_context(file):
    file["episode_1"].attrs.modify("options/context", file["episode_1"].attrs["options/context"] + 0.125)


def _other_seed(file):
    file["episode_1"].attrs.modify("seed", file["episode_1"].attrs["seed"] + np.uint64(1))


def _swapped(file):
    file.move("episode_1", "aside")
    file.move("episode_4", "episode_1")
    file.move("aside", "episode_4")


@pytest.mark.parametrize("damage", [_other_context, _other_seed, _swapped])
@pytest.mark.parametrize("asked", [{"contexts": 0}, {"contexts": "speed < 1"}, {"episodes": [1, 2]}], ids=str)
def test_damage_outside_of_what_is_read_changes_no_part(damage, asked, library_path, datasets_path, monkeypatch):
    """Which episodes are in a context is read from all of them; so it is verified in all of them."""
    shutil.copytree(library_path / RUNNER, datasets_path / RUNNER)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(datasets_path))
    assert len(offctx.load_dataset(RUNNER, cache=False, **asked)) > 0
    with h5py.File(datasets_path / RUNNER / "data" / "main_data.hdf5", "a") as file:
        damage(file)
    with pytest.raises(DatasetError, match=r"does not fit its checksum|do not fit their checksum|another one|disagree"):
        offctx.load_dataset(RUNNER, cache=False, **asked)


def test_a_part_of_a_pinned_dataset_is_verified_as_the_whole_is(library_path, datasets_path, monkeypatch, runner):
    """CRC-32 in the file finds damage; whoever forges data makes it fit."""
    shutil.copytree(library_path / RUNNER, datasets_path / RUNNER)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(datasets_path))
    pinned = {"sha256": runner.metadata.sha256, "contexts": 0, "cache": False}
    assert len(offctx.load_dataset(RUNNER, **pinned)) > 0
    with h5py.File(datasets_path / RUNNER / "data" / "main_data.hdf5", "a") as file:
        rewards = file["episode_1/rewards"][:] + 1
        file["episode_1/rewards"][...] = rewards
        change_checksums(file["episode_1"].id, {"rewards": rewards})
    assert len(offctx.load_dataset(RUNNER, contexts=0, cache=False)) > 0
    with pytest.raises(DatasetError, match="do not fit their checksum"):
        offctx.load_dataset(RUNNER, **pinned)
