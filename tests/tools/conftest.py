"""A Git repository in the place of ours."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.helpers import git
from tools import provenance


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository with one commit, in the place of ours; this process has run no cell yet."""
    folder = tmp_path / "repository"
    for name in ("offctx/a.py", "tools/b.py", "docs/c.md"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("one\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "one")
    monkeypatch.setattr(provenance, "ROOT", folder)
    provenance.code_state_of_process.cache_clear()
    yield folder
    provenance.code_state_of_process.cache_clear()
