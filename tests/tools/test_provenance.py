"""The facts that tools store beside their numbers."""

import platform
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tools import provenance


def git(folder: Path, *words: str) -> str:
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", "-C", str(folder), *author, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, in the place of ours."""
    for name in ("offctx/a.py", "tools/b.py", "docs/c.md"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("one\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    return tmp_path


def test_a_clean_commit_is_its_short_name_and_documents_are_no_code(repository: Path) -> None:
    name = git(repository, "rev-parse", "--short", "HEAD")
    assert provenance.commit() == name
    (repository / "docs" / "c.md").write_text("two\n")
    assert provenance.commit() == name


def test_changed_code_is_named(repository: Path) -> None:
    (repository / "offctx" / "a.py").write_text("two\n")
    (repository / "tools" / "new.py").write_text("two\n")
    assert provenance.commit().endswith("-dirty (offctx/a.py, tools/new.py)")
    for k in range(3):
        (repository / "tools" / f"new{k}.py").write_text("two\n")
    assert provenance.commit().endswith("-dirty (offctx/a.py, tools/new.py, tools/new0.py and 2 more)")


def test_no_repository_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.commit() == "unknown"


def test_a_command_can_be_given_to_a_shell_again() -> None:
    assert provenance.command_line("tools/x.py", ["--out", "two words"]) == "python tools/x.py --out 'two words'"


def test_versions_and_machine() -> None:
    assert provenance.versions(["numpy"]) == {"numpy": np.__version__}
    facts = provenance.machine()
    assert facts["python"] == platform.python_version() and facts["cpus"] >= 1 and facts["load_average"] >= 0
