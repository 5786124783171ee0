"""Backbones that are not told of the context compute what d3rlpy's algorithms compute, from the same weights."""

from typing import Any

import d3rlpy
import numpy as np
import pytest
import torch
from d3rlpy.dataset import TransitionMiniBatch
from d3rlpy.optimizers import AdamFactory
from d3rlpy.torch_utility import TorchMiniBatch

from offctx.algos.backbones.backbone import Backbone, Rates
from offctx.algos.backbones.iql import IQL, IQLSettings
from offctx.algos.backbones.sac import SAC, SACSettings
from offctx.algos.backbones.td3bc import TD3BC, TD3BCSettings
from offctx.algos.context_inference.conditioned import Condition
from offctx.algos.context_inference.rows import NetworkShapes, Rows
from tests.algos.backbones.d3rlpy_weights import copy_weights

O, A, B = 4, 2, 24  # observation, action, batch
CLAMPED = SACSettings(log_std=(-20.0, 2.0), smooth_log_std=False)


def batches(count: int) -> list[TransitionMiniBatch]:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32)

    return [
        TransitionMiniBatch(
            observations=normal(B, O), actions=np.tanh(normal(B, A)), rewards=normal(B, 1), next_observations=normal(B, O),
            next_actions=np.tanh(normal(B, A)), terminals=(rng.random((B, 1)) < 0.2).astype(np.float32),
            intervals=np.ones((B, 1), np.float32), transitions=[],
        )
        for _ in range(count)
    ]  # fmt: skip


def pairs() -> dict[str, Any]:
    shapes = NetworkShapes(O, A, "none", 0)
    rates = Rates(3e-4, 1e-3, 1e-3, AdamFactory(), AdamFactory())
    both = {"actor_learning_rate": 3e-4, "critic_learning_rate": 1e-3}
    return {
        "sac": (d3rlpy.algos.SACConfig(**both, temp_learning_rate=1e-3), lambda: SAC(shapes, CLAMPED, rates, "cpu")),
        "td3bc": (d3rlpy.algos.TD3PlusBCConfig(**both), lambda: TD3BC(shapes, TD3BCSettings(), rates, "cpu")),
        "iql": (d3rlpy.algos.IQLConfig(**both), lambda: IQL(shapes, IQLSettings(), rates, "cpu")),
    }


@pytest.mark.parametrize("name", ["sac", "td3bc", "iql"])
def test_thirty_updates_equal_those_of_d3rlpy(name: str) -> None:
    config, make = pairs()[name]
    agent, ours = config.create(), make()
    agent.create_impl((O,), A)
    copy_weights(agent, ours)
    data = batches(30)
    torch.manual_seed(1)
    theirs = [agent.update(batch) for batch in data]
    torch.manual_seed(1)
    found = [ours.update(rows_of(batch), Condition()) for batch in data]
    for step in (0, 1, 29):
        for loss in set(theirs[step]) & set(found[step]):
            assert float(found[step][loss]) == pytest.approx(theirs[step][loss], rel=1e-4, abs=1e-5), (step, loss)
    observations = torch.from_numpy(data[0].observations)
    modes = ours.mode(observations, Condition()).detach().numpy()
    np.testing.assert_allclose(modes, agent.predict(data[0].observations), atol=1e-5)
    values = ours.values(observations, torch.from_numpy(data[0].actions), Condition()).detach().numpy()
    np.testing.assert_allclose(values, agent.predict_value(data[0].observations, data[0].actions), atol=1e-5)


def rows_of(batch: TransitionMiniBatch) -> Rows:
    tensors = TorchMiniBatch.from_batch(batch, 0.99, False, "cpu")
    discounts = (0.99**tensors.intervals)[:, 0]
    return Rows(
        tensors.observations,
        tensors.actions,
        tensors.rewards[:, 0],
        tensors.next_observations,
        tensors.terminals[:, 0],
        discounts,
    )


@pytest.mark.parametrize("name", ["sac", "td3bc", "iql"])
def test_a_drawn_action_lies_within_bounds(name: str) -> None:
    torch.manual_seed(0)
    backbone: Backbone = pairs()[name][1]()
    actions = backbone.sample(torch.randn(100, O), Condition())
    assert actions.shape == (100, A)
    assert actions.abs().max() <= 1
