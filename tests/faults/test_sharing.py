"""Pushing and pulling a dataset: kill -9, several processes at once, and remotes whose files are damaged."""

import functools
import json
import shutil
import signal

import numpy as np
import pytest

import offctx
from offctx.errors import OffctxError
from tests.faults.damage import cut, flip, same_dataset, swap, swap_values, zero
from tests.faults.datasets import ID, check_whole, collect, travelling
from tests.faults.processes import calls_of, killed_after, killed_at_call, run, together
from tests.faults.scale import moments, rounds, seconds_of, some_calls

_BATCH = 25  # mutations in one process


@pytest.fixture
def remote(datasets_path, tmp_path):
    """A folder with the pushed dataset, and the files of the dataset as it was pushed."""
    collect()
    shutil.rmtree(datasets_path / ".offctx-cache", ignore_errors=True)
    offctx.push(ID, tmp_path / "remote", progress=False)
    return tmp_path / "remote", travelling(datasets_path)


def _push(remote):
    offctx.push(ID, remote, cards=False, progress=False)


def _pull(remote, **options):
    return offctx.pull(remote, ID, progress=False, **options)


def _delete_all(root):
    for path in root.iterdir():
        shutil.rmtree(path)


def _check_remote(remote, root, expected):
    """A reader of the remote gets the dataset, or hears that there is none; a second push completes it."""
    kept = root.with_name("kept")
    root.rename(kept)
    root.mkdir()
    try:
        _pull(remote)
        assert travelling(root) == expected
    except OffctxError as error:
        assert "has no" in str(error), error
    shutil.rmtree(root)
    kept.rename(root)
    _push(remote)
    left = [path for path in remote.rglob("*") if ".offctx-parts" in path.parts]
    assert not left, left
    manifest = json.loads((remote / ID / "manifest.json").read_bytes())
    stored = {path.parent.name for path in (remote / ID / "files").rglob("*") if path.is_file()}
    assert stored == {file["sha256"] for file in manifest["files"]}


def _check_pull(remote, root, expected):
    """The dataset is whole or absent; a second pull completes it and leaves nothing else."""
    if (root / ID).exists():
        check_whole(root, expected)
    else:
        _pull(remote)
    check_whole(root, expected)
    assert {path.name for path in root.iterdir()} <= {"test", ".offctx-cache"}


def test_push_before_every_call(datasets_path, tmp_path):
    collect()
    expected = travelling(datasets_path)
    calls = some_calls(calls_of(functools.partial(_push, tmp_path / "counted")))
    for k in rounds(len(calls), len(calls)):
        remote = tmp_path / f"remote-{k}"
        assert killed_at_call(functools.partial(_push, remote), calls[k]) == -9
        _check_remote(remote, datasets_path, expected)


def test_push_at_random_moments(datasets_path, tmp_path):
    collect()
    expected = travelling(datasets_path)
    times = moments(seconds_of(functools.partial(_push, tmp_path / "timed")), 2, 500)
    for k in rounds(len(times), len(times)):
        remote = tmp_path / f"remote-{k}"
        killed_after(functools.partial(_push, remote), times[k])
        _check_remote(remote, datasets_path, expected)
        shutil.rmtree(remote)


def test_pull_before_every_call(remote, datasets_path):
    place, expected = remote
    _delete_all(datasets_path)
    calls = some_calls(calls_of(functools.partial(_pull, place)))
    for k in rounds(len(calls), len(calls)):
        _delete_all(datasets_path)
        assert killed_at_call(functools.partial(_pull, place), calls[k]) == -9
        _check_pull(place, datasets_path, expected)


def test_pull_at_random_moments(remote, datasets_path):
    place, expected = remote
    _delete_all(datasets_path)
    times = moments(seconds_of(functools.partial(_pull, place)), 2, 500)
    for k in rounds(len(times), len(times)):
        _delete_all(datasets_path)
        killed_after(functools.partial(_pull, place), times[k])
        _check_pull(place, datasets_path, expected)


def test_killed_pull_fetches_only_what_is_missing(remote, datasets_path):
    """Over all calls, a block is fetched once more at most where the process was killed between fetching and writing it."""
    place, expected = remote
    _delete_all(datasets_path)
    number = calls_of(functools.partial(_pull, place))
    blocks = json.loads((place / ID / "manifest.json").read_bytes())["files"]
    wanted = sum(len(file["blocks"]) for file in blocks)
    _delete_all(datasets_path)
    assert killed_at_call(functools.partial(_pull, place), number - 1) == -9
    assert _pull(place).blocks == 0 < wanted  # all of them were there
    assert travelling(datasets_path) == expected


@pytest.mark.parametrize(("processes", "reduced", "full"), [(2, 2, 250), (3, 1, 150), (8, 1, 100)])
def test_pulling_together(processes, reduced, full, remote, datasets_path):
    place, expected = remote
    for _ in rounds(reduced, full):
        shutil.rmtree(datasets_path)
        datasets_path.mkdir()
        assert set(together(*[functools.partial(_pull, place)] * processes)) == {0}
        check_whole(datasets_path, expected)


@pytest.mark.parametrize(("processes", "reduced", "full"), [(2, 1, 250), (3, 1, 150), (8, 1, 100)])
def test_pushing_together(processes, reduced, full, datasets_path, tmp_path):
    collect()
    expected = travelling(datasets_path)
    for k in rounds(reduced, full):
        remote = tmp_path / f"remote-{k}"
        assert set(together(*[functools.partial(_push, remote)] * processes)) == {0}
        _check_remote(remote, datasets_path, expected)
        shutil.rmtree(remote)


def _pull_damaged(kept, place, expected, seed):
    rng = np.random.default_rng(seed)
    root = offctx.data.storage.ids.datasets_root()
    paths = sorted(path.relative_to(kept) for path in kept.rglob("*") if path.is_file())
    shutil.rmtree(place)
    shutil.copytree(kept, place)
    for _ in range(_BATCH):
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        path = place / paths[rng.integers(len(paths))]
        content = path.read_bytes()
        ways = [flip, cut, zero, swap] + [swap_values] * 2 * (path.suffix == ".json")
        way = ways[rng.integers(len(ways))]
        path.write_bytes(way(content, rng))
        signal.alarm(60)
        try:
            _pull(place, retries=0)
            assert same_dataset(offctx.load_dataset(ID), expected), (path.name, way.__name__)
        except OffctxError:
            assert not (root / ID).exists(), (path.name, way.__name__)
        signal.alarm(0)
        path.write_bytes(content)


@pytest.mark.parametrize("part", range(4))  # so that several processes share the work
def test_damaged_remotes(part, remote, tmp_path):
    place, _ = remote
    expected = offctx.load_dataset(ID)
    kept = tmp_path / "kept"
    shutil.copytree(place, kept)
    for k in rounds(1, 10_000 // _BATCH // 4):
        assert run(functools.partial(_pull_damaged, kept, place, expected, [part, k])) == 0, (part, k)
