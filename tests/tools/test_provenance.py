"""The facts that tools store beside their numbers."""

import platform
from pathlib import Path

import numpy as np
import pytest

from tests.tools.helpers import git
from tools import provenance


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
    assert provenance.commit() == "unknown" and not provenance.code_state().clean


def test_a_commit_is_clean_where_it_is_known_and_no_code_differs(repository: Path) -> None:
    assert provenance.code_state().clean and provenance.is_clean(provenance.commit())
    (repository / "tools" / "b.py").write_text("two\n")
    assert not provenance.code_state().clean and not provenance.is_clean(provenance.commit())
    assert not provenance.is_clean("unknown")


def test_a_process_keeps_the_code_that_it_started_with(repository: Path) -> None:
    started = provenance.code_state_of_process()
    (repository / "tools" / "b.py").write_text("two\n")
    assert provenance.code_state_of_process() == started != provenance.code_state()


def test_a_command_can_be_given_to_a_shell_again() -> None:
    assert provenance.command_line("tools/x.py", ["--out", "two words"]) == "python tools/x.py --out 'two words'"


def test_versions_and_machine() -> None:
    assert provenance.versions(["numpy"]) == {"numpy": np.__version__}
    facts = provenance.machine()
    assert facts["python"] == platform.python_version() and facts["cpus"] >= 1 and facts["load_average"] >= 0
