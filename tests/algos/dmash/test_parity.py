"""DR and Concat are d3rlpy's algorithms: without a context, and on observations with the scaled context appended."""

import copy
import dataclasses
from typing import Any

import d3rlpy
import numpy as np
import pytest
import torch

from offctx.algos.dmash.presets import dmash_preset
from offctx.data.dataset import ContextualDataset
from tests.algos.backbones.d3rlpy_weights import copy_weights
from tests.algos.dmash.conftest import buffer_for

RATES = {"actor_learning_rate": 3e-4, "critic_learning_rate": 1e-3}
PEERS: dict[str, Any] = {
    "sac": d3rlpy.algos.SACConfig(**RATES, temp_learning_rate=1e-3),
    "td3bc": d3rlpy.algos.TD3PlusBCConfig(**RATES),
    "iql": d3rlpy.algos.IQLConfig(**RATES),
}
OURS: dict[str, Any] = {"sac": {"policy_delay": 1, "log_std": "clamp"}, "td3bc": {"policy_delay": 2}, "iql": {}}


def scaled(observations: np.ndarray, dataset: ContextualDataset) -> np.ndarray:
    """Observations whose last numbers, the context, go from -1 to 1 in its space."""
    low, high = dataset.context_space.low, dataset.context_space.high
    seen, contexts = observations[:, : -len(low)], observations[:, -len(low) :]
    return np.concatenate([seen, 2 * (contexts - low) / (high - low) - 1], axis=1, dtype=np.float32)


@pytest.mark.parametrize("backbone", PEERS)
@pytest.mark.parametrize("name", ["dr", "concat"])
def test_thirty_updates_equal_those_of_d3rlpy(name: str, backbone: str, dataset: ContextualDataset) -> None:
    d3rlpy.seed(0)
    config = dmash_preset(name, backbone=backbone, **RATES, **OURS[backbone], batch_size=36)
    ours: Any = config.create()
    buffer = buffer_for(config, dataset)
    ours.build_with_dataset(buffer)
    peer = PEERS[backbone].create()
    peer.create_impl(buffer.dataset_info.observation_signature.shape[0], 2)
    told = 2 if name == "concat" else 0
    copy_weights(peer, ours.impl.backbone, told)

    def as_peer_sees(observations: np.ndarray) -> np.ndarray:
        return scaled(observations, dataset) if name == "concat" else observations

    batches = [buffer.sample_transition_batch(36) for _ in range(30)]
    losses: list[list[dict[str, float]]] = []
    for learner in (ours, peer):
        torch.manual_seed(1)
        seen = batches
        if learner is peer:
            columns = ("observations", "next_observations")
            changed = [{column: as_peer_sees(getattr(batch, column)) for column in columns} for batch in batches]
            seen = [dataclasses.replace(batch, **change) for batch, change in zip(batches, changed, strict=True)]
        losses.append([learner.update(batch) for batch in seen])

    twin = copy.deepcopy(ours.impl.backbone)  # ours, with the weights that the peer has reached
    copy_weights(peer, twin, told)
    for (where, weight), reached in zip(ours.impl.backbone.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(weight, reached, rtol=0, atol=1e-5, msg=lambda text, where=where: f"{where}: {text}")
    for found, expected in zip(*losses, strict=True):
        for loss in set(found) & set(expected):
            assert found[loss] == pytest.approx(expected[loss], rel=1e-4, abs=1e-5), loss
    observations, actions = batches[0].observations, batches[0].actions
    np.testing.assert_allclose(ours.predict(observations), peer.predict(as_peer_sees(observations)), rtol=0, atol=1e-5)
    values = ours.predict_value(observations, actions)
    np.testing.assert_allclose(values, peer.predict_value(as_peer_sees(observations), actions), rtol=0, atol=1e-5)
