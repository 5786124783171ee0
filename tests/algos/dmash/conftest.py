"""Small learners, and a dataset of DoubleIntegrator in four contexts."""

from typing import Any

import d3rlpy
import numpy as np
import pytest
from d3rlpy.logging import NoopAdapterFactory

import offctx
from offctx.algos.dmash.learner import DMASH, DMASHConfig
from offctx.algos.dmash.presets import PRESETS, dmash_preset
from offctx.data.dataset import ContextualDataset

ENV = "offctx/DoubleIntegrator-v0"
CONTEXTS = np.array([[0.5, 1], [1.5, 1], [0.5, -1], [1.5, -1]])
SMALL: dict[str, Any] = {"batch_size": 24, "rows_per_window": 3, "window": 10, "width": 16, "bottleneck": 4}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ContextualDataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(tmp_path_factory.mktemp("data")))
        return offctx.collect(
            ENV, "dmash/test/random-v0", contexts=CONTEXTS, policy="random", episodes_per_context=3, seed=0, gradients=False
        )


def small(name: str, **settings: Any) -> DMASHConfig:
    rows = {"rows_per_window": PRESETS[name].get("rows_per_window", 3)}
    return dmash_preset(name, **{**SMALL, **rows, **settings})


def buffer_for(config: DMASHConfig, dataset: ContextualDataset) -> Any:
    return dataset.replay_buffer(context="append" if config.context == "given" else "anonymous")


def fitted(config: DMASHConfig, dataset: ContextualDataset, steps: int = 4) -> DMASH:
    d3rlpy.seed(0)
    agent = config.create()
    fit(agent, buffer_for(config, dataset), steps)
    return agent


def fit(agent: DMASH, buffer: Any, steps: int) -> None:
    agent.fit(buffer, steps, n_steps_per_epoch=steps, show_progress=False, logger_adapter=NoopAdapterFactory())
