"""Datasets of SimpleDirection, with derivatives and without."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from offctx import collect
from tests.augmentations.helpers import batch_of

CONTEXTS = np.array([[0.0, 0.0], [0.25, -0.5]])


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("datasets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(folder))
        options: dict[str, Any] = {"contexts": CONTEXTS, "episodes_per_context": 3, "seed": 0, "progress": False}
        yield {
            True: collect("offctx/SimpleDirection-v0", "offctx/test/with-v0", **options),
            False: collect("offctx/SimpleDirection-v0", "offctx/test/without-v0", gradients=False, **options),
        }


@pytest.fixture
def batch(datasets: Any) -> Any:
    return batch_of(datasets[True])
