"""Locks: one holder at a time, a message that names it, and nothing left of a killed one."""

import errno
import os
import signal
import threading
from pathlib import Path

import pytest

import offctx
from offctx.data.storage import locks
from offctx.data.storage.changes import changing
from offctx.data.storage.locks import Busy, locked, locked_if_free
from offctx.errors import DatasetError, OffctxWarning


@pytest.fixture
def path(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(locks, "_INSTANT", 0.05)
    return tmp_path / "locks" / "x.lock"


@pytest.fixture
def child():
    """Runs a function in a forked process, which is then held alive; returns its process id."""
    children = []

    def start(function):
        ready, done = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                function(lambda: (os.write(done, b"x"), signal.pause()))
            finally:
                os._exit(1)
        children.append(pid)
        assert os.read(ready, 1) == b"x"
        return pid

    yield start
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def hold(path):
    def run(pause):
        with locked(path, "collecting test/x-v0"):
            pause()

    return run


def test_a_lock_leaves_nothing(path):
    with locked(path, "testing"):
        assert path.exists()
        with locked_if_free(path) as free:
            assert not free
    assert not path.parent.exists()


def test_another_process_is_refused_and_told_who_holds_the_lock(path, child):
    pid = child(hold(path))
    with pytest.raises(Busy, match=rf"process {pid} on .* \(collecting test/x-v0, since 20"), locked(path, "testing"):
        pass


def test_another_thread_is_refused(path):
    refused = []

    def other():
        try:
            with locked(path, "testing"):
                pass
        except Busy:
            refused.append(True)

    with locked(path, "testing"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert refused


def test_a_lock_dies_with_its_process(path, child):
    pid = child(hold(path))
    os.kill(pid, signal.SIGKILL)
    with locked(path, "testing", wait=True):
        pass
    assert not path.parent.exists()


def test_a_forked_child_does_not_keep_the_lock_of_its_parent(path, child):
    with locked(path, "testing"):
        child(lambda pause: pause())
    with locked(path, "testing"):
        pass


def test_who_waits_is_told_for_whom(path):
    entered, leave = threading.Event(), threading.Event()

    def other():
        with locked(path, "collecting"):
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    entered.wait(10)
    threading.Timer(0.3, leave.set).start()
    with pytest.warns(OffctxWarning, match=f"waiting for process {os.getpid()} "), locked(path, "testing", wait=True):
        assert leave.is_set()
    thread.join()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_said(code, path, monkeypatch):
    def flock(*_):
        raise OSError(code, "no locks")

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    monkeypatch.setattr(locks, "_notes", set())
    with (
        pytest.warns(OffctxWarning, match="has no locks: change its datasets by one process at a time"),
        locked(path, "testing"),
    ):
        pass
    with locked_if_free(path) as free:
        assert not free


@pytest.mark.parametrize("place", ["link", "folder"])
def test_something_else_in_the_place_of_a_lock(place, path):
    path.parent.mkdir()
    if place == "link":
        path.symlink_to("/tmp/elsewhere")
    else:
        path.mkdir()
    with pytest.raises(OSError), locked(path, "testing"):
        pass


def test_a_dataset_that_is_being_collected_cannot_be_collected(datasets_path):
    with changing("test/x-v0", "collecting"), pytest.raises(DatasetError, match=r"in use by process .* \(collecting test/x-v0"):
        offctx.collect("testing/Runner-v0", "test/x-v0", seed=0, progress=False)
    assert list(datasets_path.iterdir()) == []


def test_a_bad_disk_is_no_error_when_a_lock_is_released(path, monkeypatch):
    def bad(descriptor):
        close(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    close = os.close
    with monkeypatch.context() as patch, locked(path, "testing"):
        patch.setattr(os, "close", bad)
    with locked(path, "testing again"):
        pass
