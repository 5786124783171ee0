"""What the tests of sharing share."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

import offctx
from offctx.data.sharing.fetch import Patience
from tests.data.sharing.helpers import WebFolder, web_folder


@pytest.fixture(scope="session")
def remote(library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to which two datasets were pushed; for reading only."""
    folder = tmp_path_factory.mktemp("remote")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(library.root))
        for name in ("pendulum", "runner"):
            offctx.push(f"test/{name}-v0", folder, cards=False, progress=False)
    return folder


@pytest.fixture
def web(remote: Path) -> Iterator[WebFolder]:
    """That folder over HTTP."""
    with web_folder(remote) as served:
        yield served


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hardly any pause before another attempt."""
    monkeypatch.setattr("offctx.data.sharing.pull.Patience", functools.partial(Patience, pause=0.001))
