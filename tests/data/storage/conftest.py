"""The dataset that the tests of storage read and damage."""

import shutil
from pathlib import Path

import pytest

import offctx
from tests.data.storage.helpers import ID


@pytest.fixture
def data(datasets_path) -> Path:
    """The data folder of a small collected dataset: 3 contexts, 2 episodes of each. It has no flat copy yet."""
    contexts = [(0.5, 0.2), (2.0, -0.4), (0.9, 0.7)]
    offctx.collect("testing/Runner-v0", ID, contexts=contexts, episodes_per_context=2, seed=0, progress=False)
    shutil.rmtree(datasets_path / ".offctx-cache", ignore_errors=True)
    return datasets_path / "test" / "x-v0" / "data"
