"""kill -9 of `attach_derivatives` with workers, and several such processes at once: the old dataset whole, or the new one."""

import functools
import hashlib
import os
import shutil
from collections import Counter

import pytest
from gymnasium.wrappers import TimeLimit

import offctx
from offctx.envs import SimpleDirection
from tests.faults.datasets import ID, check_whole, contents
from tests.faults.processes import (
    calls_of,
    killed_after,
    killed_at_call,
    run,
    start_before_forking,
    together,
    with_forked_workers,
)
from tests.faults.scale import moments, rounds, seconds_of, some_calls

LOG = "OFFCTX_TESTS_LOG"  # an environment variable: the file that notes batches, also those of worker processes
TRANSITIONS, BATCH = 120, 12
IN_FLIGHT = {1: 1, 2: 2}  # batches: one a worker


class Noted(SimpleDirection):
    """Notes each batch that it differentiates, by what is in it."""

    def derivatives(self, states, actions, contexts, noise=None):
        if len(states) == BATCH:  # not those of the few rows that identify the environment
            with open(os.environ[LOG], "a") as file:
                file.write(f"{hashlib.sha256(states.tobytes() + actions.tobytes()).hexdigest()}\n")
        return super().derivatives(states, actions, contexts, noise)


def attach(n_jobs=2):
    offctx.attach_derivatives(ID, Noted(), batch_size=BATCH, progress=False, n_jobs=n_jobs)


@pytest.fixture
def bare(datasets_path, tmp_path, monkeypatch):
    """A dataset without derivatives, and a copy of it to begin again from."""
    start_before_forking()
    monkeypatch.setenv(LOG, str(tmp_path / "log"))
    contexts = [[0.5, -0.5], [1, 1], [0, 0.25]]
    env = TimeLimit(Noted(), 10)
    offctx.collect(env, ID, contexts=contexts, episodes_per_context=4, seed=0, gradients=False, progress=False)
    shutil.rmtree(datasets_path / ".offctx-cache", ignore_errors=True)
    shutil.copytree(datasets_path, tmp_path / "bare")
    return tmp_path / "bare"


def _reset(root, template, k):
    os.environ[LOG] = f"{template}-log-{k}"  # the workers of a killed process note what they still do elsewhere
    for path in root.iterdir():
        shutil.rmtree(path)
    shutil.copytree(template, root, dirs_exist_ok=True)


def _check(root, before, after, n_jobs, again):
    """Nothing is half-written; a second call completes it, does only what was in flight again, and leaves nothing."""
    check_whole(root, before, after)
    if contents(root) == before:
        assert run(again) == 0
    check_whole(root, after)
    assert {path.name for path in root.iterdir()} <= {"test", ".offctx-cache"}
    with open(os.environ[LOG]) as file:
        done = Counter(file.read().split())
    assert len(done) == TRANSITIONS // BATCH
    assert sum(done.values()) - len(done) <= IN_FLIGHT[n_jobs], done


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_before_every_call(n_jobs, datasets_path, bare):
    before, once = contents(datasets_path), with_forked_workers(functools.partial(attach, n_jobs))
    number = calls_of(once)
    after = contents(datasets_path)
    assert before != after
    calls = some_calls(number)
    for k in rounds(len(calls), len(calls)):
        _reset(datasets_path, bare, k)
        assert killed_at_call(once, calls[k]) in (-9, 0)  # with workers, the number of calls differs a little
        _check(datasets_path, before, after, n_jobs, functools.partial(attach, 1))


def test_two_workers_at_random_moments(datasets_path, bare):
    before, once = contents(datasets_path), with_forked_workers(attach)
    seconds = seconds_of(once)
    after = contents(datasets_path)
    times = moments(seconds, 2, 250)
    for k in rounds(len(times), len(times)):
        _reset(datasets_path, bare, k)
        killed_after(once, times[k])
        _check(datasets_path, before, after, 2, once if k % 2 else functools.partial(attach, 1))


@pytest.mark.parametrize(("processes", "reduced", "full"), [(2, 1, 60), (3, 1, 40)])
def test_several_processes_with_workers(processes, reduced, full, datasets_path, bare):
    """All but the first wait, and then hear that there are derivatives."""
    assert run(functools.partial(attach, 1)) == 0
    after = contents(datasets_path)
    for k in rounds(reduced, full):
        _reset(datasets_path, bare, k)
        ends = together(*[with_forked_workers(attach)] * processes)
        assert sorted(ends) == [0] + [1] * (processes - 1)
        check_whole(datasets_path, after)
        assert {path.name for path in datasets_path.iterdir()} <= {"test", ".offctx-cache"}
