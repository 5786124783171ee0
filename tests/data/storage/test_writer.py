"""The writer: the same bytes in whatever parts, small files, and all that unmodified Minari does with them."""

from dataclasses import replace
from itertools import pairwise

import gymnasium
import minari
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer

import offctx
from offctx.data.storage.read import read_dataset
from offctx.data.storage.summary import SUMMARY
from offctx.data.storage.writer import DatasetWriter
from offctx.errors import DatasetError
from tests.data.storage.helpers import ID


@pytest.fixture
def stored(data):
    return read_dataset(ID)


def cut(episodes, begin, end):
    """Episodes begin to end of `episodes`."""
    steps, rows = (np.concatenate([[0], ends]) for ends in (episodes.step_ends, episodes.row_ends))
    step, row, own = slice(steps[begin], steps[end]), slice(rows[begin], rows[end]), slice(begin, end)
    parts = {name: getattr(episodes, name)[step] for name in ("actions", "rewards", "terminations", "truncations")}
    return replace(
        episodes,
        lengths=episodes.lengths[own],
        observations=episodes.observations[row],
        infos={name: array[row] for name, array in episodes.infos.items()},
        seeds=episodes.seeds[own],
        options_context=episodes.options_context[own],
        **parts,
    )


def write(folder, stored, bounds, **options):
    """Writes the episodes in parts, whose bounds are given; returns the files."""
    with DatasetWriter(folder, stored.metadata.space(), **options) as writer:
        for begin, end in pairwise(bounds):
            writer.append(cut(stored.episodes, begin, end))
        writer.finish(ID, stored.metadata, stored.observation_space, stored.action_space)
    assert {path.name for path in folder.iterdir()} == {"data", SUMMARY}
    return [(folder / name).read_bytes() for name in ("data/main_data.hdf5", "data/metadata.json", SUMMARY)]


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_the_same_bytes_in_whatever_parts(compression, stored, tmp_path):
    whole = write(tmp_path / "a", stored, [0, 6], compression=compression)
    for name, bounds in {"b": [0, 1, 2, 3, 4, 5, 6], "c": [0, 4, 6]}.items():
        assert write(tmp_path / name, stored, bounds, compression=compression) == whole


def test_other_arrays_than_those_before_are_refused(stored, tmp_path):
    first, second = cut(stored.episodes, 0, 3), cut(stored.episodes, 3, 6)
    with DatasetWriter(tmp_path / "a", stored.metadata.space()) as writer:
        writer.append(first)
        with pytest.raises(DatasetError, match=r"rewards is float32 with rows of shape \(\); it was float64"):
            writer.append(replace(second, rewards=second.rewards.astype(np.float32)))
        with pytest.raises(DatasetError, match="closed"):
            writer.append(second)
        with pytest.raises(DatasetError, match="failed"):
            writer.finish(ID, stored.metadata, stored.observation_space, stored.action_space)


def test_nothing_to_finish(stored, tmp_path):
    with (
        DatasetWriter(tmp_path / "a", stored.metadata.space()) as writer,
        pytest.raises(DatasetError, match="has no episode"),
    ):
        writer.finish(ID, stored.metadata, stored.observation_space, stored.action_space)


@pytest.mark.parametrize("options", [{"compression": "zip"}, {"level": 0}, {"level": 10}, {"level": "high"}])
def test_an_unknown_compression(options, stored, tmp_path):
    with pytest.raises(DatasetError, match="compression"):
        DatasetWriter(tmp_path / "a", stored.metadata.space(), **options)


def short_episodes(compression=None, episodes=30, steps=20):
    """A dataset of many short episodes; returns bytes of its file over bytes of its arrays."""
    env = gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=steps)
    options = {"episodes_per_context": episodes, "seed": 0, "progress": False, "compression": compression}
    offctx.collect(env, "test/short-v0", contexts=env.unwrapped.context_space.mesh(g=[1.0, 2.0]), **options)
    stored = read_dataset("test/short-v0")
    return stored, sum(array.nbytes for array in stored.episodes.arrays().values())


def test_short_episodes_take_at_most_twice_their_arrays(datasets_path):
    _, size = short_episodes()
    assert (datasets_path / "test/short-v0/data/main_data.hdf5").stat().st_size < 1.7 * size


def test_compression_makes_the_file_smaller_and_the_data_are_the_same(datasets_path):
    stored, size = short_episodes("gzip", episodes=2, steps=400)
    assert (datasets_path / "test/short-v0/data/main_data.hdf5").stat().st_size < 0.8 * size
    assert minari.load_dataset("test/short-v0")[1].rewards.tolist() == stored.episodes.rewards[400:800].tolist()


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_what_minari_does_with_it(compression, datasets_path):
    stored, _ = short_episodes(compression, episodes=3, steps=60)
    dataset = minari.load_dataset("test/short-v0")
    for e, episode in enumerate(dataset.iterate_episodes()):
        expected = cut(stored.episodes, e, e + 1)
        np.testing.assert_array_equal(episode.observations, expected.observations)
        assert set(episode.infos) == set(expected.infos)
        for name, array in expected.infos.items():
            np.testing.assert_array_equal(episode.infos[name], array)
    assert len(list(dataset.sample_episodes(4))) == 4
    assert len(dataset.filter_episodes(lambda episode: episode.id > 2)) == 3
    assert [len(part) for part in minari.split_dataset(dataset, [2, 4])] == [2, 4]
    combined = minari.combine_datasets([dataset, dataset], "test/twice-v0")
    assert (combined.total_episodes, combined.total_steps) == (12, 720)
    metadata = next(iter(dataset.storage.get_episode_metadata([5])))
    assert metadata["id"] == 5 and metadata["total_steps"] == 60 and metadata["seed"] == stored.episodes.seeds[5]
    np.testing.assert_array_equal(metadata["options"]["context"], stored.episodes.options_context[5])
    first = dataset[0]
    more = {name: getattr(first, name) for name in ("observations", "actions", "rewards", "terminations", "truncations")}
    dataset.update_dataset_from_buffer([EpisodeBuffer(id=None, infos=first.infos, **more)])
    assert minari.load_dataset("test/short-v0").total_episodes == 7
    with pytest.raises(DatasetError, match=r"metadata\.json does not fit its checksum"):
        offctx.load_dataset("test/short-v0")
