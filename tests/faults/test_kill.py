"""kill -9 before every call to the file system, and at random moments: whole or absent, and a second call completes.

500 random moments of collect and of attach: half of them here, half with small chunks and workers (`test_kill_chunks`,
`test_kill_attach`).
"""

import os
import shutil

import pytest

import offctx
from tests.faults.datasets import ID, attach, check_whole, collect, contents
from tests.faults.processes import calls_of, killed_after, killed_at_call, run
from tests.faults.scale import moments, rounds, seconds_of, some_calls


@pytest.fixture
def bare(datasets_path, tmp_path):
    """A dataset without derivatives, and a copy of it to begin again from."""
    collect(gradients=False)
    shutil.rmtree(datasets_path / ".offctx-cache", ignore_errors=True)
    shutil.copytree(datasets_path, tmp_path / "bare")
    return tmp_path / "bare"


def _empty(root):
    for path in root.iterdir():
        shutil.rmtree(path)


def _reset(root, template):
    _empty(root)
    shutil.copytree(template, root, dirs_exist_ok=True)


def _check_collect(root, expected):
    if (root / ID).exists():
        check_whole(root, expected)
    else:
        assert run(collect) == 0
    check_whole(root, expected)
    assert {path.name for path in root.iterdir()} <= {"test", ".offctx-cache"}


def _check_attach(root, before, after):
    check_whole(root, before, after)
    if contents(root) == before:
        assert run(attach) == 0
    check_whole(root, after)
    assert {path.name for path in root.iterdir()} <= {"test", ".offctx-cache"}


def test_collect_before_every_call(datasets_path):
    assert run(collect) == 0
    expected = contents(datasets_path)
    _empty(datasets_path)
    calls = some_calls(calls_of(collect))
    for k in rounds(len(calls), len(calls)):
        _empty(datasets_path)
        assert killed_at_call(collect, calls[k]) == -9
        _check_collect(datasets_path, expected)


def test_collect_at_random_moments(datasets_path):
    seconds = seconds_of(collect)
    expected = contents(datasets_path)
    times = moments(seconds, 2, 250)
    for k in rounds(len(times), len(times)):
        _empty(datasets_path)
        killed_after(collect, times[k])
        _check_collect(datasets_path, expected)


def test_attach_before_every_call(datasets_path, bare):
    before = contents(datasets_path)
    number = calls_of(attach)
    after = contents(datasets_path)
    assert before != after
    calls = some_calls(number)
    for k in rounds(len(calls), len(calls)):
        _reset(datasets_path, bare)
        assert killed_at_call(attach, calls[k]) == -9
        _check_attach(datasets_path, before, after)


def test_attach_at_random_moments(datasets_path, bare):
    before = contents(datasets_path)
    seconds = seconds_of(attach)
    after = contents(datasets_path)
    times = moments(seconds, 2, 250)
    for k in rounds(len(times), len(times)):
        _reset(datasets_path, bare)
        killed_after(attach, times[k])
        _check_attach(datasets_path, before, after)


def _combine():
    offctx.combine(["test/one-v0", "test/two-v0"], ID, progress=False)


def _check_combine(root, template, expected):
    """Whole or absent; a second call completes; the datasets that are combined are as they were."""
    if not (root / ID).exists():
        assert run(_combine) == 0
    check_whole(root, expected)
    for name in ("one", "two"):
        assert contents(root, f"test/{name}-v0") == contents(template, f"test/{name}-v0")


def test_combine(datasets_path, tmp_path):
    whole = collect()
    for name, contexts in (("one", 0), ("two", [1, 2])):
        whole.select(contexts=contexts).save(f"test/{name}-v0", progress=False)
    shutil.rmtree(datasets_path / ID)
    shutil.rmtree(datasets_path / ".offctx-cache", ignore_errors=True)
    shutil.copytree(datasets_path, tmp_path / "parts")
    number = calls_of(_combine)
    expected = contents(datasets_path)
    _reset(datasets_path, tmp_path / "parts")
    seconds = seconds_of(_combine)
    calls, times = some_calls(number), moments(seconds, 2, 100)
    for k in rounds(len(calls) + len(times), len(calls) + len(times)):
        _reset(datasets_path, tmp_path / "parts")
        if k < len(calls):
            assert killed_at_call(_combine, calls[k]) == -9
        else:
            killed_after(_combine, times[k - len(calls)])
        _check_combine(datasets_path, tmp_path / "parts", expected)


def test_the_count_of_calls_is_not_blind(datasets_path):
    """The harness sees every file that appears: a process killed at call 0 has written nothing."""
    assert killed_at_call(collect, 0) == -9
    assert list(datasets_path.iterdir()) == []
    assert calls_of(collect) > 20
    assert os.path.isdir(datasets_path / ID)
