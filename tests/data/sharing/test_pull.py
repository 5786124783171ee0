"""Pulling over HTTP, with everything that can go wrong on the way."""

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import offctx
from offctx.data.sharing import pull as module
from offctx.data.sharing.folders import dataset_hash
from offctx.data.sharing.manifest import MAIN_PATH, parse_manifest
from offctx.data.sharing.pull import Pulled
from offctx.data.validation import validate_dataset
from offctx.errors import DatasetError, OffctxError
from tests.data.helpers import assert_equal
from tests.data.sharing.helpers import WebFolder, web_folder

ID = "test/pendulum-v0"


def _pull(web: object, **options: object) -> Pulled:
    return offctx.pull(getattr(web, "url", web), ID, progress=False, **options)


def _nothing_is_there(datasets_path: Path) -> bool:
    return not (datasets_path / ID).exists()


def test_a_pulled_dataset_is_the_one_that_was_pushed(web: WebFolder, datasets_path: Path, pendulum) -> None:
    pulled = _pull(web)
    assert_equal(offctx.load_dataset(ID, sha256=pulled.sha256), pendulum)
    assert pulled.received == web.sent_of_files == pulled.size
    assert sorted(path.name for path in datasets_path.iterdir()) == [".offctx-cache", "test"]  # no work is left


def test_what_is_here_is_not_fetched_again(web: WebFolder, datasets_path: Path) -> None:
    _pull(web)
    before = web.sent_of_files
    assert _pull(web).blocks == 0 and web.sent_of_files == before


def test_another_dataset_of_the_id_is_kept_unless_overwritten(web: WebFolder, datasets_path: Path, library) -> None:
    shutil.copytree(library.root / "test/runner-v0", datasets_path / ID)
    before = dataset_hash(ID)
    with pytest.raises(DatasetError, match="here already, with other content"):
        _pull(web)
    assert dataset_hash(ID) == before
    assert dataset_hash(ID) != _pull(web, overwrite=True).sha256 != before
    validate_dataset(ID)


@pytest.mark.parametrize("replaces", [False, True])
def test_all_files_are_on_the_disk_before_the_dataset_is_published(replaces, web, datasets_path, library, monkeypatch) -> None:
    if replaces:
        shutil.copytree(library.root / "test/runner-v0", datasets_path / ID)
    synced: list[Path] = []
    name = "replace_dataset" if replaces else "publish_dataset"
    publish = getattr(module, name)

    def published(dataset_id: str, complete: Path) -> None:
        files = [path for path in complete.rglob("*") if path.is_file()]
        assert len(files) >= 2 and sorted(synced) == sorted(files)
        publish(dataset_id, complete)

    monkeypatch.setattr(module, "sync_to_disk", synced.append)
    monkeypatch.setattr(module, name, published)
    _pull(web, overwrite=replaces)
    validate_dataset(ID)


@pytest.mark.parametrize("what", ["file", "folder", "dangling link"])
def test_what_is_no_dataset_is_not_replaced(web: WebFolder, datasets_path: Path, what: str) -> None:
    place = datasets_path / ID
    place.parent.mkdir()
    if what == "folder":
        place.mkdir()
    elif what == "file":
        place.write_text("mine")
    else:
        place.symlink_to(datasets_path / "nowhere")
    for overwrite in (False, True):
        with pytest.raises(DatasetError, match=r"pendulum-v0 is no dataset; move it away"):
            _pull(web, overwrite=overwrite)
    assert place.is_symlink() or place.exists()
    assert not (datasets_path / ".offctx-pulls").exists()


def test_a_damaged_dataset_is_replaced_where_that_is_asked_for(web: WebFolder, datasets_path: Path, pendulum) -> None:
    _pull(web)
    os.mkfifo(datasets_path / ID / "data" / "fifo")
    with pytest.raises(DatasetError, match="here already, with other content"):
        _pull(web)
    _pull(web, overwrite=True)
    assert_equal(offctx.load_dataset(ID), pendulum)


def test_what_is_here_needs_no_folder_that_can_be_written(web: WebFolder, datasets_path: Path, monkeypatch) -> None:
    _pull(web)

    def refuse(*_: object, **options: object) -> None:
        raise DatasetError("read-only")

    monkeypatch.setattr("offctx.data.sharing.pull.changing", refuse)
    assert _pull(web).blocks == 0
    with pytest.raises(DatasetError, match="read-only"):
        _pull(web, contexts=[0], new_id="test/part-v0")


def test_a_fifo_in_a_remote_is_not_waited_for(remote: Path, datasets_path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(remote, copy)
    (copy / ID / "manifest.json").unlink()
    os.mkfifo(copy / ID / "manifest.json")
    with pytest.raises(DatasetError, match="not a regular file"):
        _pull(copy)


def test_cut_connections_go_on_where_they_were(web: WebFolder, datasets_path: Path, impatient: None) -> None:
    cuts = Counter()

    def fault(path: str, begin: int) -> str | None:
        cuts[path] += 1
        return "cut" if "/files/" in path and cuts[path] % 3 else None

    web.fault = fault
    pulled = _pull(web)
    assert max(cuts.values()) > 3
    assert web.sent_of_files == pulled.size == pulled.received  # nothing came twice
    validate_dataset(ID)


def test_a_server_that_always_fails_is_an_error_and_no_block_is_lost(
    web: WebFolder, datasets_path: Path, impatient: None
) -> None:
    web.fault = lambda path, begin: {0: None, 16384: "cut"}.get(begin, "503")  # a block, half of the rest, and then no more
    with pytest.raises(DatasetError, match=r"HTTP 503.*after 6 attempts"):
        _pull(web)
    assert _nothing_is_there(datasets_path)
    web.fault = lambda path, begin: None
    web.requests.clear()
    assert _pull(web).size > web.sent_of_files > 0
    validate_dataset(ID)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("404", "not there"),
        ("wrong", "differs from the manifest"),
        ("shifted", "sends other bytes than asked for"),
        ("stall", "no byte of the file within"),
        ("drip", "is too slow"),
    ],
)
def test_faults_have_clear_errors_and_a_mirror_helps(
    web: WebFolder, remote: Path, datasets_path: Path, impatient: None, fault: str, message: str
) -> None:
    web.fault = lambda path, begin: fault if path.endswith("main_data.hdf5") else None
    with pytest.raises(DatasetError, match=message):
        _pull(web, timeout=0.3, retries=0)
    assert _nothing_is_there(datasets_path)
    _pull([web.url, remote], timeout=0.3, retries=0)
    validate_dataset(ID)


def test_mirrors_that_are_away_or_have_another_dataset_are_passed_over(
    web: WebFolder, remote: Path, datasets_path: Path, tmp_path: Path, impatient: None
) -> None:
    with pytest.raises(DatasetError, match=r"no connection.*no dataset"):
        _pull(["http://127.0.0.1:1", tmp_path], retries=0)
    assert _pull(["http://127.0.0.1:1", tmp_path, web.url], retries=0).remote == web.url


def test_the_first_manifest_that_can_be_read_decides_which_version_is_fetched(
    remote: Path, datasets_path: Path, tmp_path: Path, impatient: None
) -> None:
    offctx.collect("offctx/SimpleDirection-v0", ID, seed=0, progress=False)
    other = tmp_path / "other"
    offctx.push(ID, other, cards=False, progress=False)
    for first, second in ((other, remote), (remote, other)):
        shutil.rmtree(datasets_path / ID)
        pulled = _pull([tmp_path / "nowhere", first, second], retries=0)
        version = parse_manifest((first / ID / "manifest.json").read_bytes(), "manifest.json").sha256
        assert pulled.sha256 == version == dataset_hash(ID)
    shutil.rmtree(datasets_path / ID)
    files = [path for path in (other / ID).rglob("*") if path.is_file() and path.suffix == ".hdf5"]
    assert files
    for path in files:
        path.unlink()
    with pytest.raises(DatasetError):  # the second place has another version, which is not taken in its stead
        _pull([other, remote], retries=0)
    assert _nothing_is_there(datasets_path)
    named = parse_manifest((remote / ID / "manifest.json").read_bytes(), "manifest.json").sha256
    assert _pull([other, remote], sha256=named, retries=0).sha256 == named


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="a file whose reading fails with EIO is of Linux")
@pytest.mark.parametrize("name", ["manifest.json", "metadata.json", "main_data.hdf5"])
def test_a_folder_on_a_bad_disk_is_passed_over(remote: Path, datasets_path: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(remote / ID, tmp_path / "bad" / ID)
    (path,) = (tmp_path / "bad").rglob(name)
    path.unlink()
    path.symlink_to("/proc/self/mem")
    with pytest.raises(DatasetError, match=f"cannot read .*{name}: .*Input/output error"):
        _pull(tmp_path / "bad", retries=0)
    _pull([tmp_path / "bad", remote], retries=0)
    validate_dataset(ID)


def test_a_server_without_ranges_sends_each_file_once(remote: Path, datasets_path: Path) -> None:
    with web_folder(remote, ranges=False) as web:
        pulled = _pull(web)
    assert web.sent_of_files == pulled.size
    validate_dataset(ID)


def test_a_large_manifest_and_a_foreign_one_are_refused(remote: Path, datasets_path: Path, tmp_path: Path, monkeypatch) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(remote, copy)
    shutil.copyfile(remote / "test/runner-v0/manifest.json", copy / ID / "manifest.json")
    with web_folder(copy) as web:
        with pytest.raises(DatasetError, match="has the manifest of 'test/runner-v0'"):
            _pull(web)
        monkeypatch.setattr("offctx.data.sharing.mirrors.LARGEST_MANIFEST", 100)
        with pytest.raises(DatasetError, match="larger than 100 bytes"):
            _pull(web)


def test_a_pinned_version_is_pulled_though_a_newer_one_was_pushed(remote: Path, datasets_path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(remote, copy)
    old = _pull(copy).sha256
    metadata = datasets_path / ID / "data" / "metadata.json"
    metadata.write_text(json.dumps(json.loads(metadata.read_text()) | {"description": "a newer version"}))
    new = offctx.push(ID, copy, cards=False, progress=False)
    assert new.sha256 != old and new.sent == metadata.stat().st_size  # the other file was there
    assert _pull(copy, sha256=old, overwrite=True).sha256 == old == dataset_hash(ID)
    assert _pull(copy, overwrite=True).sha256 == new.sha256
    with pytest.raises(DatasetError, match=r"content hash .* expected 000000000000"):
        _pull(remote, sha256="0" * 64)


@pytest.mark.parametrize(("steps", "episodes"), [(200, 10), (20, 40)], ids=["long episodes", "short episodes"])
def test_some_contexts_come_with_few_other_bytes(
    steps: int, episodes: int, tmp_path: Path, datasets_path: Path, monkeypatch
) -> None:
    env = gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=steps)
    contexts = offctx.envs.PendulumGoal.context_space.mesh(g=list(np.linspace(1, 3, 8)))
    whole = offctx.collect(env, ID, contexts=contexts, episodes_per_context=episodes, seed=0, progress=False)
    offctx.push(ID, tmp_path / "remote", cards=False, progress=False)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    with web_folder(tmp_path / "remote") as web:
        _pull(web, contexts=[3], new_id="test/part-v0")
        size = (tmp_path / "remote" / ID / "manifest.json").stat().st_size
        share = sum(path.stat().st_size for path in (tmp_path / "remote" / ID / "files").rglob("*") if path.is_file()) / 8
        assert web.sent <= 1.5 * share and web.sent_of_files == web.sent - size
    part = validate_dataset("test/part-v0")
    rows = (whole.contexts == contexts[3]).all(axis=1)
    np.testing.assert_array_equal(part.observations, whole.observations[rows])
    np.testing.assert_array_equal(part.dreward_dcontext, whole.dreward_dcontext[rows])
    assert part.metadata.recipe["part_of"]["contexts"] == [contexts[3].tolist()]
    by_value = _pull(tmp_path / "remote", contexts=contexts[[5, 3]], new_id="test/two-v0")
    assert by_value.blocks and len(offctx.load_dataset("test/two-v0")) == 2 * len(part)
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == [".offctx-cache", "test"]


@pytest.mark.parametrize(
    ("contexts", "message"),
    [
        ([99], "has contexts 0 to 3; found 99"),
        ([], "none of them is chosen"),
        ([[1.0, 2.0]], "values"),
        ([[9.0, 9.0, 9.0, 9.0]], "no context .* nearest"),
        ("g", "not an inequality|no comparison"),
        ({"mass": 1.0}, "unknown context name 'mass'"),
        (lambda context: context["g"] > 99, "none of its 4 contexts"),
        ([[1.0], [1.0, 2.0]], "numbers of contexts"),
    ],
)
def test_contexts_that_are_not_there_are_refused(remote: Path, datasets_path: Path, contexts: object, message: str) -> None:
    with pytest.raises(OffctxError, match=message):
        _pull(remote, contexts=contexts)
    assert _nothing_is_there(datasets_path)


@pytest.mark.parametrize(
    ("swapped", "message"),
    [
        (["episodes"], "in the place of episode"),
        (["places"], "in the place of episode"),
        (["episodes", "places"], "other contexts"),
    ],
)
def test_a_manifest_that_leads_to_other_contexts_is_found_out(
    swapped: list[str], message: str, remote: Path, datasets_path: Path, tmp_path: Path
) -> None:
    from tests.data.sharing.test_manifest import _forged

    copy = tmp_path / "copy"
    shutil.copytree(remote, copy)
    path = copy / ID / "manifest.json"
    contexts = json.loads(path.read_bytes())["contexts"]
    for key in swapped:
        contexts[0][key], contexts[1][key] = contexts[1][key], contexts[0][key]
    path.write_bytes(_forged(path.read_bytes(), contexts=contexts))
    with pytest.raises(DatasetError, match=message):
        _pull(copy, contexts=[0])


@pytest.mark.parametrize("place", [0, 48, 1000, 2**40], ids=str)
def test_a_manifest_that_leads_into_nothing_is_found_out(place: int, remote: Path, datasets_path: Path, tmp_path: Path) -> None:
    from tests.data.sharing.test_manifest import _forged

    copy = tmp_path / "copy"
    shutil.copytree(remote, copy)
    path = copy / ID / "manifest.json"
    contexts = json.loads(path.read_bytes())["contexts"]
    contexts[0]["places"][1] = place
    path.write_bytes(_forged(path.read_bytes(), contexts=contexts))
    with pytest.raises(DatasetError, match=r"episodes of these contexts|in the place of"):
        _pull(copy, contexts=[0])
    assert _nothing_is_there(datasets_path)


def test_bad_arguments_are_refused_at_the_door(remote: Path, datasets_path: Path) -> None:
    for options, message in [
        ({"sha256": "abc"}, "64 hexadecimal"),
        ({"timeout": 0}, "timeout"),
        ({"workers": 0}, "workers"),
        ({"retries": -1}, "retries"),
        ({"new_id": "test/x-v0"}, "give contexts too"),
    ]:
        with pytest.raises(DatasetError, match=message):
            _pull(remote, **options)
    for place, message in [
        ("", "expected a folder"), ([], "at least one remote"), ("ftp9://x", "cannot open"),
        ("http://127.0.0.1:1/x?token=1", "address of a folder"), ("hf://models/x", "datasets/"),
    ]:  # fmt: skip
        with pytest.raises(DatasetError, match=message):
            _pull(place, retries=0)
    with pytest.raises(DatasetError, match="malformed dataset id"):
        offctx.pull(remote, "../x-v0", progress=False)


def test_an_id_may_be_left_out_where_there_is_one_dataset(
    remote: Path, datasets_path: Path, tmp_path: Path, web: WebFolder
) -> None:
    with pytest.raises(DatasetError, match=r"2 datasets: test/pendulum-v0, test/runner-v0"):
        offctx.pull(remote, progress=False)
    with pytest.raises(DatasetError, match="cannot be listed: give the id"):
        offctx.pull(web.url, progress=False)
    with pytest.raises(DatasetError, match="no dataset at"):
        offctx.pull(tmp_path, progress=False)
    shutil.copytree(remote / ID, tmp_path / ID)
    assert offctx.pull(tmp_path, progress=False).dataset_id == ID


def test_the_manifest_says_where_contexts_lie(remote: Path, pendulum) -> None:
    manifest = parse_manifest((remote / ID / "manifest.json").read_bytes(), "it")
    assert [part.values for part in manifest.contexts] == np.unique(pendulum.contexts, axis=0).tolist()
    assert [part.episodes for part in manifest.contexts] == [[(3 * k, 3 * k + 3)] for k in range(4)]
    assert manifest.file(MAIN_PATH).size > manifest.contexts[-1].bytes[-1][1] - 1
