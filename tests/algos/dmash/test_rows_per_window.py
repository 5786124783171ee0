"""Twelve rows a z, from the preset and from a setting by name, through the buffer to an update."""

import numpy as np
import pytest

from offctx.data.dataset import ContextualDataset
from offctx.training.names import make_algorithm
from tests.algos.dmash.conftest import fit


@pytest.mark.parametrize(("settings", "windows"), [({}, 20), ({"rows_per_window": 12}, 20), ({"rows_per_window": 1}, 240)])
def test_rows_of_a_context_share_a_window(settings: dict[str, int], windows: int, dataset: ContextualDataset) -> None:
    buffer = dataset.replay_buffer(context="hidden")
    agent = make_algorithm("dma-star-sh", buffer, {"width": 16, "bottleneck": 4, "window": 24, **settings})
    batch = agent.with_windows(buffer).sample_transition_batch(240)
    assert batch.history.mask.shape == (windows, 5)
    assert batch.history.window_of_row.tolist() == np.repeat(np.arange(windows), 240 // windows).tolist()
    ids = batch.context_ids.reshape(windows, -1)
    assert (ids == ids[:, :1]).all()
    fit(agent, buffer, 2)
    assert agent.impl.backbone.updates == 2
