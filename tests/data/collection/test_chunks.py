"""Collection in chunks: the same bytes whoever plays them, and what is finished stays after an interruption."""

import copy
import dataclasses
import hashlib
import os
import pickle
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

import offctx
from offctx import Mixture
from offctx.data.collection import parts, task, write
from offctx.data.dataset import ContextualDataset
from offctx.data.storage.writer import DatasetWriter
from offctx.data.unread import UnreadDataset
from offctx.errors import DatasetError, OffctxWarning, PolicyError
from tests.data.collection.helpers import Leaning, collect

ENV, ID = "offctx/SimpleDirectionStochastic-v0", "test/x-v0"
CONTEXTS = [[0.5, -0.5], [1, 1], [0, 0.25]]
CHUNKS = 5


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch, datasets_path):
    """Twelve episodes of ten steps are five chunks."""
    monkeypatch.setattr(parts, "PART_TRANSITIONS", 24)


@pytest.fixture
def played(monkeypatch):
    """The numbers of the chunks that this process has played, those of the name of the task apart."""
    numbers, play = [], task.play_part

    def count(resolved, part, *arguments, **options):
        if resolved.horizon == 10:
            numbers.append(part.number)
        return play(resolved, part, *arguments, **options)

    monkeypatch.setattr(task, "play_part", count)
    return numbers


def run(policy="random", **options):
    return collect(ENV, contexts=CONTEXTS, episodes_per_context=4, policy=policy, **options)


def files(root):
    data = root / ID / "data"
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in data.iterdir()}


def drawing(observations, contexts, rng):
    return rng.uniform(-1, 1, (len(observations), 2)) * np.abs(contexts[:, :1])


class Failing:
    """Fails in the episodes whose first context coordinate is 0, the last chunks."""

    def __init__(self, error):
        self.error = error

    def __call__(self, observations, contexts, rng):
        if self.error is not None and (contexts[:, 0] == 0).any() and np.abs(observations).max() > 3:
            raise self.error
        return np.ones((len(observations), 2)) * np.sign(observations)


def clear(root):
    offctx.clean()
    for path in (root / "test").iterdir():
        if path.is_dir():
            os.rename(path, root / ".gone")
            break


@pytest.mark.parametrize("jobs", [2, pytest.param(8, marks=pytest.mark.slow)])
@pytest.mark.parametrize("gradients", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_number_of_workers_does_not_change_the_bytes(jobs, gradients, tmp_path, monkeypatch):
    found = []
    for n in (1, jobs):
        root = tmp_path / str(n)
        root.mkdir()
        monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))
        run(Mixture(["random", Leaning(2), drawing]), n_jobs=n, gradients=gradients, compression="gzip")
        found.append(files(root))
        assert {path.name for path in root.iterdir()} == {"test"}
    assert found[0] == found[1]


def test_ray_gives_the_same_bytes(tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed: pip install offctx[ray]")
    found = []
    for backend in ("loky", "ray"):
        root = tmp_path / backend
        root.mkdir()
        monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))
        run(n_jobs=1 if backend == "loky" else 2, backend=backend)
        found.append(files(root))
    assert found[0] == found[1]


def test_an_interruption_keeps_what_is_finished_and_the_same_call_goes_on(datasets_path, played):
    with pytest.raises(KeyboardInterrupt, match=r"3 of 5 chunks are kept, and the same call goes on"):
        run(Failing(KeyboardInterrupt()))
    assert played == [0, 1, 2, 3] and not (datasets_path / ID).exists()
    (extra,) = [each for each in offctx.clean(dry_run=True) if each.kind == "unfinished collection"]
    assert extra.dataset_id == ID and extra.size > 0
    played.clear()
    with pytest.raises(KeyboardInterrupt):
        run(Failing(KeyboardInterrupt()))  # the same call: it plays what is missing
    assert played == [3]


def test_the_second_call_ends_with_the_bytes_of_one_that_was_never_interrupted(datasets_path, played, monkeypatch):
    run(drawing)
    expected = files(datasets_path)
    clear(datasets_path)
    played.clear()
    do = task.Task.do

    def interrupted(self, part, **options):
        if part.number == 2 and self.resolved.horizon == 10:
            raise KeyboardInterrupt
        return do(self, part, **options)

    with monkeypatch.context() as patch:
        patch.setattr(task.Task, "do", interrupted)
        with pytest.raises(KeyboardInterrupt, match="2 of 5 chunks"):
            run(drawing)
    run(drawing)
    assert played == [0, 1, 2, 3, 4]  # none twice
    assert files(datasets_path) == expected
    assert {path.name for path in datasets_path.iterdir()} <= {"test", ".gone"}


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 4},
        {"policy": "zero"},
        {"policy": Leaning(2)},
        {"gradients": False},
        {"episodes_per_context": 5},
        {"contexts": [[0.5, -0.5], [1, 1], [0, 0.5]]},
        {"env": "offctx/SimpleDirection-v0"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_call_does_not_use_the_chunks(other, datasets_path, played, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("offctx.data.collection.write.publish_dataset", _interrupt)
        with pytest.raises(KeyboardInterrupt, match="5 of 5 chunks are kept"):
            run()
    played.clear()
    arguments = {"env": ENV, "contexts": CONTEXTS, "episodes_per_context": 4} | other
    collect(**arguments)
    assert 0 in played and len(played) >= CHUNKS
    assert not (datasets_path / ".offctx-work").exists()


class Walled(offctx.envs.SimpleDirectionStochastic):
    """An environment with a setting of its own, which shows late in an episode."""

    def __init__(self, wall):
        super().__init__()
        self.wall = wall

    def terminated(self, state, context):
        return state[..., 0].abs() > self.wall


def test_another_setting_of_the_environment_does_not_use_the_chunks(played, monkeypatch):
    def walled(wall):
        collect(lambda: TimeLimit(Walled(wall), 10), contexts=CONTEXTS, episodes_per_context=4)

    with monkeypatch.context() as patch:
        patch.setattr("offctx.data.collection.write.publish_dataset", _interrupt)
        with pytest.raises(KeyboardInterrupt, match="5 of 5 chunks are kept"):
            walled(1e6)
    played.clear()
    with monkeypatch.context() as patch:
        patch.setattr("offctx.data.collection.write.publish_dataset", _interrupt)
        with pytest.raises(KeyboardInterrupt, match="5 of 5 chunks are kept"):
            walled(1e6)
    assert played == []
    walled(1e5)
    assert played == list(range(CHUNKS))


def _interrupt(*_):
    raise KeyboardInterrupt


def test_an_error_of_ours_says_what_is_kept(datasets_path):
    with pytest.raises(PolicyError, match=r"bad: .*; 3 of 5 chunks are kept") as caught:
        run(Failing(PolicyError("bad: x")))
    assert isinstance(caught.value.__cause__, PolicyError)


def test_another_error_is_raised_as_it_is_and_a_warning_says_what_is_kept(datasets_path):
    with pytest.warns(OffctxWarning, match="3 of 5 chunks are kept"), pytest.raises(ZeroDivisionError):
        run(Failing(ZeroDivisionError()))


@pytest.mark.usefixtures("no_new_files")
def test_nothing_is_left_where_no_chunk_is_finished(datasets_path):
    def failing(observations, contexts, rng):
        if np.abs(observations).max() > 3:
            raise PolicyError("at once")
        return np.ones((len(observations), 2)) * np.sign(observations)

    with pytest.raises(PolicyError, match=r"at once$"):
        run(failing)


def test_a_damaged_chunk_is_done_again(datasets_path, played, monkeypatch):
    run(drawing)
    expected = files(datasets_path)
    clear(datasets_path)
    with monkeypatch.context() as patch:
        patch.setattr("offctx.data.collection.write.publish_dataset", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(drawing)
    (one, two, three) = sorted((datasets_path / ".offctx-work").rglob("*.chunk"))[1:4]
    one.write_bytes(one.read_bytes()[:-100])
    content = bytearray(two.read_bytes())
    content[len(content) // 2] ^= 4
    two.write_bytes(content)
    three.write_bytes(one.with_name("0.chunk").read_bytes())
    played.clear()
    run(drawing)
    assert played == [1, 2, 3]
    assert files(datasets_path) == expected


def test_a_chunk_that_is_damaged_after_it_was_written_to_the_dataset_is_done_again(datasets_path, played, monkeypatch):
    run(drawing)
    expected = files(datasets_path)
    clear(datasets_path)
    finish = DatasetWriter.finish

    def damage(*arguments, **options):
        path = sorted((datasets_path / ".offctx-work").rglob("*.chunk"))[2]
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 4
        path.write_bytes(content)
        return finish(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(DatasetWriter, "finish", damage)
        with pytest.raises(DatasetError, match=r"2\.chunk was damaged or deleted after it was read; 5 of 5 chunks are kept"):
            run(drawing)
    played.clear()
    run(drawing)
    assert played == [2] and files(datasets_path) == expected


@pytest.mark.usefixtures("no_new_files")
def test_a_policy_that_cannot_be_compared_begins_anew(datasets_path):
    lock = threading.Lock()

    def policy(observations, contexts, rng):
        with lock:
            return Failing(KeyboardInterrupt())(observations, contexts, rng)

    with pytest.raises(KeyboardInterrupt, match="nothing was written"):
        run(policy)


@pytest.mark.usefixtures("no_new_files")
def test_a_policy_that_cannot_be_sent_is_named(datasets_path):
    lock = threading.Lock()

    def guarded(observations, contexts, rng):
        with lock:
            return drawing(observations, contexts, rng)

    with pytest.raises(PolicyError, match=r"policy 'guarded' cannot be sent to worker processes.*n_jobs=1"):
        run(Mixture(["random", guarded]), n_jobs=2)


def test_a_worker_that_dies_is_an_error_of_ours(datasets_path):
    this_process = os.getpid()

    def dying(observations, contexts, rng):
        if os.getpid() != this_process and np.abs(observations).max() > 2:
            os._exit(3)
        return drawing(observations, contexts, rng)

    with pytest.raises(DatasetError, match="a worker process ended unexpectedly"):
        run(dying, n_jobs=2)
    assert not (datasets_path / ID).exists()
    assert {path.name for path in datasets_path.iterdir()} <= {".offctx-work"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_jobs": 0}, "n_jobs must be a whole number of at least 1, or -1"),
        ({"n_jobs": 1.5}, "n_jobs must be"),
        ({"n_jobs": True}, "n_jobs must be"),
        ({"backend": "dask"}, 'backend must be "loky"'),
    ],
)
@pytest.mark.usefixtures("no_new_files")
def test_bad_workers_are_refused(options, message, datasets_path):
    with pytest.raises(DatasetError, match=message):
        run(**options)


def test_the_arrays_of_a_large_dataset_are_read_when_they_are_used(datasets_path):
    found = run()
    assert type(found) is UnreadDataset and len(found) == 120 and found.num_episodes == 12
    assert not (datasets_path / ".offctx-cache").exists()  # nothing was read
    loaded = offctx.load_dataset(ID)
    assert found.metadata == loaded.metadata and found.context_space == loaded.context_space
    np.testing.assert_array_equal(found.dnext_observation_dcontext, loaded.dnext_observation_dcontext)
    assert type(found) is ContextualDataset and len(found) == 120 and found.num_episodes == 12
    assert dataclasses.replace(run(dataset_id="test/x-v1"), dataset_id="other").observations.shape == (120, 2)


def test_an_unread_dataset_is_never_another_one(datasets_path):
    first = run(seed=0)
    metadata = first.metadata
    clear(datasets_path)
    other = run(seed=1)
    for _ in range(2):
        with pytest.raises(
            DatasetError, match=r"x-v0 was replaced since: .*load_dataset\('test/x-v0'\) reads the dataset that"
        ):
            first.actions  # noqa: B018
    assert first.metadata == metadata and len(first) == 120
    assert len(other.actions) == 120
    shutil.rmtree(datasets_path / ID)
    again = run(seed=0)
    np.testing.assert_array_equal(first.actions, again.actions)  # the very same data


def test_an_unread_dataset_keeps_its_folder_of_datasets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", "one")
    first = run()
    found = [first, pickle.loads(pickle.dumps(first)), copy.deepcopy(first)]
    assert [type(each) for each in found] == [UnreadDataset] * 3
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run(seed=1)  # another dataset of this id, in elsewhere/one
    monkeypatch.setenv("MINARI_DATASETS_PATH", "two")
    arrays = [each.actions for each in found]
    part = found[0].select(episodes=[1])
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "one"))
    loaded = offctx.load_dataset(ID)
    for actions in arrays:
        np.testing.assert_array_equal(actions, loaded.actions)
    np.testing.assert_array_equal(part.rewards, loaded.select(episodes=[1]).rewards)


def test_an_unread_dataset_is_found_where_its_folder_was_moved(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "one"))
    found = run()
    os.rename(tmp_path / "one", tmp_path / "two")
    with pytest.raises(DatasetError, match=r"no dataset 'test/x-v0' in .*one"):
        found.actions  # noqa: B018
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "two"))
    np.testing.assert_array_equal(found.actions, offctx.load_dataset(ID).actions)


def test_what_collect_returns_is_what_it_has_written(datasets_path, monkeypatch):
    publish = write.publish_dataset

    def published_then_replaced(dataset_id, complete):
        publish(dataset_id, complete)
        shutil.rmtree(datasets_path / ID)
        shutil.copytree(datasets_path / "test/y-v0", datasets_path / ID)

    for size in (1000, 24):  # of one chunk, and of several
        monkeypatch.setattr(parts, "PART_TRANSITIONS", size)
        shutil.rmtree(datasets_path / "test", ignore_errors=True)
        run(seed=1, dataset_id="test/y-v0")
        monkeypatch.setattr(write, "publish_dataset", published_then_replaced)
        with pytest.raises(DatasetError, match="x-v0 was replaced since"):
            run(seed=0)
        monkeypatch.setattr(write, "publish_dataset", publish)


def test_the_first_chunk_is_that_of_an_uncut_dataset(datasets_path, monkeypatch):
    cut = run()
    monkeypatch.setattr(parts, "PART_TRANSITIONS", 1000)
    whole = run(dataset_id="test/x-v1")
    np.testing.assert_array_equal(cut.noise, whole.noise)  # of each episode, by its own seed
    assert not np.array_equal(cut.actions, whole.actions)


_MEASURE = """
import re, offctx
from pathlib import Path
found = offctx.collect("offctx/PendulumGoal-v0", "test/large-v0", episodes_per_context=10_000, seed=0, progress=False)
assert len(found) == 2_000_000
status = Path("/proc/self/status").read_text()  # ru_maxrss would begin with the memory of the process that started this one
print(int(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1]) / 1000)
"""


@pytest.mark.slow
def test_two_million_transitions_take_at_most_500_megabytes(datasets_path):
    environment = os.environ | {"PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", _MEASURE], check=True, capture_output=True, text=True, env=environment)
    assert float(done.stdout) <= 500
