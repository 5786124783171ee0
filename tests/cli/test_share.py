"""`offctx push` and `offctx pull`."""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

import offctx
from offctx.cli.app import run
from tests.data.sharing.helpers import web_folder

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
    code, out, _ = call("pull", "remote", ID, "--contexts", "1", "--new-id", "test/other-v0", "-q")
    assert code == 0 and out.endswith(f"content hash {sha256} of the dataset of which it is a part\n")


def test_every_command_of_the_page(call, datasets_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With fewer episodes, and this process in place of Python's web server."""
    steps = (Path(__file__).parents[2] / "docs" / "share.md").read_text().partition("## What lies on a remote")[0]
    names: dict[str, object] = {}
    verbs = []
    with web_folder(tmp_path / "shared", ranges=False) as web:
        for language, block in re.findall(r"```(sh|python)\n(.*?)```", steps, flags=re.DOTALL):
            here = block.replace("http://127.0.0.1:8000", web.url).replace("$PWD", str(tmp_path))
            if language == "python":
                exec(compile(here, "share.md", "exec"), names)
                continue
            for name, content in re.findall(r"cat > (\S+) <<'END'\n(.*?)END\n", here, flags=re.DOTALL):
                (tmp_path / name).write_text(content.replace("episodes_per_context = 20", "episodes_per_context = 2"))
            for line in re.sub(r"cat > .*?\nEND\n", "", here, flags=re.DOTALL).splitlines():
                first, *words = shlex.split(line, comments=True)
                if first == "export":
                    monkeypatch.setenv(*words[0].split("="))
                elif first == "offctx":
                    assert call(*words)[0] == 0, line
                    verbs.append(words[0])
                else:
                    assert first in ("python3", "kill"), line  # the web server
    assert verbs == ["collect", "validate", "push", "pull", "show", "pull", "pull", "pull"]
    assert names["dataset"].num_episodes == 8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pull"], "expected REMOTE"),
        (["pull", "--lock"], "no lock file"),
        (["pull", "nowhere", ID], "no dataset"),
        (["pull", "nowhere", ID, "--contexts", "a"], "such as 0,3"),
        (["pull", "--lock", "--pin"], "leave out"),
        (["pull", "nowhere", ID, "--contexts", "0", "--pin"], "leave out --contexts"),
        (["push", "test/absent-v0", "remote"], "no dataset"),
    ],
)
def test_errors_are_one_line(call, datasets_path: Path, words: list[str], message: str) -> None:
    code, out, err = call(*words, "-q")
    assert code == 2 and message in err and err.startswith("error: ") and len(err.splitlines()) == 1 and not out
