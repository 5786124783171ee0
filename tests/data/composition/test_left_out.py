"""What saved parts, combined datasets and pulled contexts leave out is said in a warning."""

import warnings

import h5py
import numpy as np
import pytest

import offctx
from offctx.errors import OffctxWarning
from tests.data.plain_minari import record_pendulum

pytestmark = pytest.mark.filterwarnings("ignore:`.*` is set to None:UserWarning")  # Minari asks for authors
SPACE = offctx.ContextSpace(["g"], 0, 20, 10)


def load(dataset_id, **options):
    """A dataset of 3 episodes, loaded without the warnings of loading."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OffctxWarning)
        given = {"contexts": [9.0], "context_space": SPACE} if "plain" in dataset_id else {}
        return offctx.load_dataset(dataset_id, **given | options)


def collect(root):
    options = {"contexts": [[0.5, 0], [1, 1], [0, 1]], "episodes_per_context": 1, "seed": 0, "progress": False}
    offctx.collect("offctx/SimpleDirection-v0", "test/ours-v0", **options)
    return root / "test" / "ours-v0" / "data" / "main_data.hdf5"


def record(root):
    record_pendulum("test/plain-v0", 3)
    return root / "test" / "plain-v0" / "data" / "main_data.hdf5"


def add_success(path):
    with h5py.File(path, "r+") as file:
        steps = file["episode_2/rewards"].shape[0]
        file["episode_2/infos/success"] = np.arange(steps + 1.0)  # not in episode 0
        file["episode_0"].attrs["options/level"] = 3


@pytest.mark.parametrize("make", [collect, record])
@pytest.mark.parametrize("cache", [True, False])
def test_infos_and_options_that_the_layout_does_not_name(datasets_path, make, cache):
    path = make(datasets_path)
    add_success(path)
    dataset_id = f"test/{path.parent.parent.name}"
    ways = {
        "saved": lambda new: load(dataset_id, cache=cache).save(new, progress=False),
        "selected": lambda new: load(dataset_id, cache=cache).select(episodes=[0, 2]).save(new, progress=False),
        "loaded": lambda new: load(dataset_id, cache=cache, episodes=[0, 2]).save(new, progress=False),
        "combined": lambda new: offctx.combine([load(dataset_id, cache=cache)], new, progress=False),
    }
    if make is collect:
        ways["by-id"] = lambda new: offctx.combine([dataset_id], new, progress=False)
    for name, way in ways.items():
        with pytest.warns(OffctxWarning) as caught:
            way(f"test/{name}-v0")
        said = [str(each.message) for each in caught]
        assert f"{dataset_id}: infos that the layout does not name are left out: success" in said, name
        assert f"{dataset_id}: options of resets that the layout does not name are left out: level" in said, name


def test_pulled_contexts(datasets_path, tmp_path):
    path = collect(datasets_path)
    with h5py.File(path, "r+") as file:
        file["episode_1/infos/success"] = np.arange(11.0)
    offctx.push("test/ours-v0", str(tmp_path / "remote"), cards=False, progress=False)
    with pytest.warns(OffctxWarning, match="infos that the layout does not name are left out: success"):
        offctx.pull(str(tmp_path / "remote"), "test/ours-v0", contexts=1, new_id="test/part-v0", progress=False)


def test_a_dataset_of_the_layout_is_saved_without_a_warning(datasets_path):
    collect(datasets_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = offctx.load_dataset("test/ours-v0")
        whole.save("test/saved-v0", progress=False)
        offctx.combine(["test/saved-v0", whole.select(contexts=0)], "test/both-v0", progress=False)


@pytest.mark.parametrize("seeds", [(7, None, 9), (7, -1, 0), (-1, None, None)])
@pytest.mark.parametrize("options", [{"cache": False}, {}, {"lazy": True}])
def test_seeds_that_only_some_episodes_have(datasets_path, seeds, options):
    path = record(datasets_path)
    with h5py.File(path, "r+") as file:
        for e, seed in enumerate(seeds):
            del file[f"episode_{e}"].attrs["seed"]
            if seed is not None:
                file[f"episode_{e}"].attrs["seed"] = seed
    with pytest.warns(OffctxWarning, match="test/plain-v0: episode_seeds are left out: some episodes have no seed, or a neg"):
        dataset = offctx.load_dataset("test/plain-v0", contexts=[9.0], context_space=SPACE, **options)
    assert dataset.episode_seeds is None
    seeded = sum(seed is not None for seed in seeds)
    with pytest.warns(OffctxWarning, match=f"test/plain-v0: the seeds of {seeded} of its 3 episodes are left out"):
        dataset.save("test/saved-v0", progress=False)


def test_seeds_of_at_least_zero_are_kept(datasets_path):
    record(datasets_path)
    saved = load("test/plain-v0").save("test/saved-v0", progress=False)
    assert saved.episode_seeds.tolist() == load("test/saved-v0").episode_seeds.tolist() == [0, 1, 2]
