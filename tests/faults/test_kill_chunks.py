"""kill -9 of a collection in chunks, by one and by two workers: a second call does what is missing, and no chunk again."""

import functools
import shutil

import pytest

import offctx
from offctx.data.collection import parts, task
from offctx.data.validation import validate_dataset
from tests.faults.datasets import ID, contents
from tests.faults.processes import (
    calls_of,
    killed_after,
    killed_at_call,
    run,
    start_before_forking,
    with_forked_workers,
)
from tests.faults.scale import moments, rounds, seconds_of, some_calls

CHUNKS = 5


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(parts, "PART_TRANSITIONS", 24)


@pytest.fixture
def played(monkeypatch, tmp_path):
    """The numbers of the chunks played so far, also in processes that are forked later."""
    log, play = tmp_path / "played", task.play_part

    def noted(resolved, part, *arguments, **options):
        if resolved.horizon == 10:  # else it is played for the name of the task
            with log.open("a") as file:
                file.write(f"{part.number}\n")
        return play(resolved, part, *arguments, **options)

    monkeypatch.setattr(task, "play_part", noted)

    def take():
        numbers = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return numbers

    return take


def collect(n_jobs=1):
    contexts = [[0.5, -0.5], [1, 1], [0, 0.25]]
    offctx.collect(
        "offctx/SimpleDirection-v0", ID, contexts=contexts, episodes_per_context=4, seed=0, progress=False, n_jobs=n_jobs
    )


def _empty(root):
    for path in root.iterdir():
        shutil.rmtree(path)


def _check(root, expected, again):
    """A second call completes it; nothing of the killed process is left."""
    if not (root / ID).exists():
        assert run(again) == 0
    offctx.load_dataset(ID)
    assert contents(root) == expected
    validate_dataset(ID)
    assert {path.name for path in root.iterdir()} <= {"test", ".offctx-cache"}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_before_every_call(n_jobs, datasets_path, played):
    start_before_forking()
    once = with_forked_workers(functools.partial(collect, n_jobs))
    assert run(once) == 0
    expected = contents(datasets_path)
    assert len(played()) == CHUNKS
    _empty(datasets_path)
    calls = some_calls(calls_of(once), 6 if n_jobs == 1 else 2)
    for k in rounds(len(calls), len(calls)):
        _empty(datasets_path)
        played()
        assert killed_at_call(once, calls[k]) in (-9, 0)[:n_jobs]  # two workers do not always call as often
        _check(datasets_path, expected, once if k % 2 else collect)
        numbers = played()
        assert set(numbers) == {str(number) for number in range(CHUNKS)}
        assert len(numbers) <= CHUNKS + n_jobs  # those in flight


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_at_random_moments(n_jobs, datasets_path):
    start_before_forking()
    once, again = (with_forked_workers(functools.partial(collect, n)) for n in (n_jobs, 3 - n_jobs))
    seconds = seconds_of(once)
    expected = contents(datasets_path)
    times = moments(seconds, 2 if n_jobs == 1 else 1, 250 * n_jobs)
    for k in rounds(len(times), len(times)):
        _empty(datasets_path)
        killed_after(once, times[k])
        _check(datasets_path, expected, once if k % 2 else again)
