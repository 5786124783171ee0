"""`offctx push` and `offctx pull`."""

import json
import shutil
import sys
from pathlib import Path

import pytest

import offctx
from offctx.cli.app import run

ID = "test/pendulum-v0"


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Runs a command in a folder of its own; returns its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["offctx", *words])
        return run(), *capsys.readouterr()

    return call


def test_the_way_of_the_page(call, library, datasets_path: Path, tmp_path: Path) -> None:
    shutil.copytree(library.root / ID, datasets_path / ID)
    code, out, _ = call("push", ID, "remote", "-q")
    assert code == 0 and "2 files" in out and "content hash" in out
    sha256 = out.split()[-1]
    shutil.rmtree(datasets_path / "test")
    code, out, _ = call("pull", "remote", "--pin", "-q")
    assert code == 0 and f"{ID} is here" in out and sha256 in out
    assert offctx.read_lock(tmp_path / "offctx.lock")[ID].sha256 == sha256
    shutil.rmtree(datasets_path / "test")
    code, out, err = call("pull", "--lock", "--json")
    assert code == 0 and json.loads(out)[0]["sha256"] == sha256 and "pulling" in err
    assert call("pull", "--lock", "-q")[1].startswith(f"{ID} was here already")
    code, out, _ = call("pull", "remote", ID, "--contexts", "0,2", "--new-id", "test/part-v0", "-q", "--json")
    assert code == 0 and json.loads(out)["dataset_id"] == "test/part-v0"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pull"], "expected REMOTE"),
        (["pull", "--lock"], "no lock file"),
        (["pull", "nowhere", ID], "no dataset"),
        (["pull", "nowhere", ID, "--contexts", "a"], "such as 0,3"),
        (["pull", "--lock", "--pin"], "leave out"),
        (["push", "test/absent-v0", "remote"], "no dataset"),
    ],
)
def test_errors_are_one_line(call, datasets_path: Path, words: list[str], message: str) -> None:
    code, out, err = call(*words, "-q")
    assert code == 2 and message in err and err.startswith("error: ") and len(err.splitlines()) == 1 and not out
