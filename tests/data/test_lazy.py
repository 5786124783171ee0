"""Lazy datasets: arrays mapped from the flat copy, made with the memory of a block; parts and buffers of them in files."""

import os
import shutil

import d3rlpy
import gymnasium
import h5py
import numpy as np
import pytest

import offctx
from offctx.data import transitions
from offctx.data.memory_limit import memory_limit, parse_bytes
from offctx.data.storage import read_episodes
from offctx.errors import DatasetError
from tests.data.helpers import assert_equal

RUNNER = "test/runner-v0"


def mapped(array) -> bool:
    """Whether an array is a view of a file."""
    while array is not None and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


@pytest.fixture(params=["runner", "chooser", "pendulum"])
def both(request, library, datasets_path, monkeypatch):
    """A dataset in memory and lazy, whose flat copy is made in several blocks."""
    monkeypatch.setattr(read_episodes, "BLOCK_BYTES", 2000)
    monkeypatch.setattr(transitions, "BLOCK_BYTES", 1000)
    name = f"test/{request.param}-v0"
    shutil.copytree(library.root / name, datasets_path / name)
    return library.datasets[request.param], offctx.load_dataset(name, lazy=True)


def test_arrays_are_mapped_and_the_same(both, datasets_path):
    whole, lazy = both
    assert_equal(whole, lazy)
    assert lazy.lazy and not whole.lazy and lazy.metadata == whole.metadata
    assert all(mapped(getattr(lazy, name)) for name in ("observations", "rewards", "contexts", "context_ids", "states"))
    assert type(lazy.observations) is np.ndarray and not lazy.observations.flags.writeable
    assert lazy.checksum == whole.checksum and len(list(datasets_path.glob(".offctx-cache/*/stamp.json"))) == 1
    again = offctx.load_dataset(lazy.dataset_id)
    assert_equal(again, whole)
    assert not again.lazy and not mapped(again.observations)


@pytest.mark.parametrize("asked", [{"contexts": 1}, {"episodes": [0, 2, 3, 7]}, {"episodes": [5]}])
def test_parts(asked, both):
    whole, lazy = both
    for part in (lazy.select(**asked), offctx.load_dataset(lazy.dataset_id, lazy=True, **asked)):
        assert_equal(whole.select(**asked), part)
        assert part.lazy and mapped(part.observations) and part.metadata == whole.select(**asked).metadata


BUFFERS = {
    "append": {},
    "CSE": {"augmentation": offctx.CSE(radius=0.1)},
    "hidden": {"context": "hidden"},
    "anonymous": {"context": "anonymous", "seed": 3},
    "withheld": {"context": "withheld", "seed": 3},
    "history": {"context": "hidden", "history": offctx.History(length=4, within="context")},
    "steps": {"transition_picker": d3rlpy.dataset.MultiStepTransitionPicker(n_steps=3, gamma=0.9)},
}


@pytest.mark.parametrize("kind", BUFFERS)
def test_batches_are_the_same_to_the_last_bit(kind, both):
    whole, lazy = (dataset.replay_buffer(**{"seed": 1} | BUFFERS[kind]) for dataset in both)
    assert mapped(lazy._episodes.table["rewards"]) and not mapped(whole._episodes.table["rewards"])
    assert repr(whole) == repr(lazy)
    for _ in range(3):
        one, other = whole.sample_transition_batch(32), lazy.sample_transition_batch(32)
        for name, value in vars(one).items():
            if isinstance(value, np.ndarray):
                assert value.tobytes() == getattr(other, name).tobytes(), name
                assert not mapped(getattr(other, name))
        if one.history is not None:
            assert one.history.observations.tobytes() == other.history.observations.tobytes()


def test_it_is_a_citizen_of_d3rlpy(both, tmp_path):
    whole, lazy = (dataset.replay_buffer(context="hidden", seed=0) for dataset in both)
    for one, other in zip(whole.episodes, lazy.episodes, strict=True):
        np.testing.assert_array_equal(one.observations, other.observations)
    batch = lazy.sample_trajectory_batch(4, 3)
    np.testing.assert_array_equal(batch.observations, whole.sample_trajectory_batch(4, 3).observations)
    with (tmp_path / "buffer.h5").open("w+b") as file:
        lazy.dump(file)
    scalers = [d3rlpy.preprocessing.StandardObservationScaler() for _ in range(2)]
    for scaler, buffer in zip(scalers, (whole, lazy), strict=True):
        scaler.fit_with_transition_picker(buffer.episodes, buffer.transition_picker)
    np.testing.assert_array_equal(scalers[0].mean, scalers[1].mean)


def test_training_gives_the_same_weights(library, datasets_path):
    shutil.copytree(library.root / RUNNER, datasets_path / RUNNER)
    weights = []
    for lazy in (False, True):
        d3rlpy.seed(0)
        agent = d3rlpy.algos.TD3PlusBCConfig(batch_size=32).create()
        buffer = offctx.load_dataset(RUNNER, lazy=lazy).replay_buffer(seed=0)
        agent.fit(
            buffer, n_steps=5, n_steps_per_epoch=5, logger_adapter=d3rlpy.logging.NoopAdapterFactory(), show_progress=False
        )
        weights.append(np.concatenate([p.detach().numpy().ravel() for p in agent.impl.modules.policy.parameters()]))
    np.testing.assert_array_equal(*weights)


def test_a_lazy_buffer_grows(both):
    whole, lazy = (dataset.replay_buffer(seed=0) for dataset in both)
    episode = whole.episodes[0]
    for buffer in (whole, lazy):
        buffer.append_episode(episode)
    assert len(lazy.episodes) == len(whole.episodes) and mapped(lazy._episodes.table["rewards"])
    np.testing.assert_array_equal(whole.table["observations"], lazy.table["observations"])
    with pytest.raises(DatasetError, match="capacity"):
        type(lazy)(both[1], capacity=3)
    assert mapped(type(lazy)(both[1], capacity=1000)._episodes.table["rewards"])


def test_files_without_names_leave_nothing(both, datasets_path, tree):
    _, lazy = both
    before = tree(datasets_path)
    lazy.select(episodes=[0, 2]).replay_buffer(context="withheld").sample_transition_batch(8)
    assert tree(datasets_path) == before


def test_given_contexts_and_a_saved_part(both):
    whole, lazy = both
    given = np.repeat(whole.context_space.default[None], whole.num_episodes, axis=0)
    found = offctx.load_dataset(lazy.dataset_id, relabel=given, lazy=True)
    assert (found.contexts == given[0]).all() and mapped(found.contexts) and (found.context_ids == 0).all()
    saved = lazy.select(contexts=[0]).save("test/part-v0", progress=False)
    assert offctx.load_dataset("test/part-v0").checksum == whole.select(contexts=[0]).checksum == saved.checksum


def test_a_budget_decides(library, datasets_path):
    shutil.copytree(library.root / RUNNER, datasets_path / RUNNER)
    size = sum(v.nbytes for v in vars(offctx.load_dataset(RUNNER)).values() if isinstance(v, np.ndarray))
    assert offctx.load_dataset(RUNNER, memory_budget="1kB").lazy
    assert not offctx.load_dataset(RUNNER, memory_budget=4 * size).lazy
    assert not offctx.load_dataset(RUNNER, memory_budget=int(0.8 * size), contexts=1).lazy
    assert [parse_bytes(text, "x") for text in (5, "2GB", "1.5 GiB", "500mb", "7", "2k")] == [
        5, 2 * 10**9, 3 * 2**29, 5 * 10**8, 7, 2000,
    ]  # fmt: skip
    for wrong in ("two", "2 XB", "2iB", -1, 1.5, True, "9" * 40):
        with pytest.raises(DatasetError, match="memory_budget must be"):
            memory_limit(False, wrong)
    with pytest.raises(DatasetError, match="lazy must be True or False"):
        offctx.load_dataset(RUNNER, lazy=1)


@pytest.fixture
def data(library, datasets_path):
    shutil.copytree(library.root / RUNNER, datasets_path / RUNNER)
    return datasets_path / RUNNER / "data"


@pytest.mark.parametrize("checksums", [True, False])
def test_a_damaged_dataset_is_not_mapped(checksums, data, datasets_path):
    with h5py.File(data / "main_data.hdf5", "a") as file:
        file["episode_3/rewards"][1] += 1
        for e in range(12 if not checksums else 0):
            del file[f"episode_{e}"].attrs["offctx_crc32"]
    with pytest.raises(DatasetError, match="do not fit their checksum"):
        offctx.load_dataset(RUNNER, lazy=True)
    assert not list(datasets_path.glob(".offctx-cache/*"))


def test_a_damaged_flat_copy_is_made_again(data, datasets_path):
    whole = offctx.load_dataset(RUNNER)
    for file in sorted(datasets_path.glob(".offctx-cache/*/*.npy")):
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
        assert_equal(offctx.load_dataset(RUNNER, lazy=True), whole)


def test_what_cannot_be_mapped(data, monkeypatch):
    with pytest.raises(DatasetError, match="expected cache=True"):
        offctx.load_dataset(RUNNER, lazy=True, cache=False)
    with pytest.raises(DatasetError, match="max_bytes"):
        offctx.load_dataset(RUNNER, lazy=True, max_bytes=2000)
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(DatasetError, match=r"cannot be written to .*No space left"):
        offctx.load_dataset(RUNNER, lazy=True)


def test_memory_does_not_grow_with_the_dataset(datasets_path):
    import tracemalloc

    env = gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=500)
    offctx.collect(env, "test/p-v0", episodes_per_context=400, seed=0, progress=False)
    shutil.rmtree(datasets_path / ".offctx-cache")
    offctx.load_dataset("test/p-v0", episodes=slice(0, 2), lazy=True)  # imports
    shutil.rmtree(datasets_path / ".offctx-cache")
    tracemalloc.start()
    dataset = offctx.load_dataset("test/p-v0", lazy=True)
    buffer = dataset.replay_buffer(augmentation=offctx.CSE(radius=0.1))
    buffer.sample_transition_batch(256)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    size = sum(value.nbytes for value in vars(dataset).values() if isinstance(value, np.ndarray))
    assert size > 30e6 and peak < 50e6, (size, peak)
