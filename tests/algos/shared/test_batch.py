"""The tensors of one update: which are computed once for all batches of one arrangement."""

import dataclasses

import numpy as np
import pytest
import torch
from d3rlpy.torch_utility import TorchMiniBatch

from offctx.algos.shared.batch import BatchGrouping
from offctx.algos.shared.context_index import ContextIndex
from offctx.algos.shared.groups import ContextGroups
from offctx.buffers.samplers import BalancedSampler


@pytest.fixture
def grouping():
    """Three contexts, of which the second and third share a group."""
    return BatchGrouping(ContextIndex(ContextGroups([0, 1, 2], [[0.0]] * 3, [0, 1, 1]), 2), 0.9, "cpu")


def on_device(batch):
    return TorchMiniBatch.from_batch(batch, gamma=0.9, compute_returns_to_go=False, device="cpu")


def test_batches_of_a_balanced_sampler_share_one_layout(grouping, runner):
    buffer = runner.replay_buffer(context="hidden", seed=0)
    balanced = buffer.with_sampler(BalancedSampler(lambda table: table["context_ids"]))
    found = [grouping.of(on_device(balanced.sample_transition_batch(12)))[0] for _ in range(3)]
    assert found[0].layout is found[1].layout is found[2].layout and found[0].contexts is found[2].contexts
    assert found[0].contexts.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert found[0].layout.rows.shape == (2, 8) and found[0].layout.mask.sum(dim=1).tolist() == [4, 8]
    assert not torch.equal(found[0].observations, found[1].observations)


def test_batches_of_other_arrangements_get_their_own_layout(grouping, runner):
    buffer = runner.replay_buffer(context="hidden")
    rows = {context: np.flatnonzero(runner.context_ids == context) for context in range(3)}
    for order in ([0, 0, 1, 2], [0, 0, 1, 1], [2, 1, 0, 0], [0, 0, 1], [0, 0, 1, 2]):
        batch = buffer.batch(np.array([rows[context][k] for k, context in enumerate(order)]))
        tensors, groups = grouping.of(on_device(batch))
        assert tensors.contexts.tolist() == order and groups.tolist() == [min(context, 1) for context in order]
        assert torch.equal(
            tensors.layout.unpack(tensors.layout.pack(tensors.observations)), torch.as_tensor(batch.observations)
        )
        assert tensors.size == len(order)


def test_batches_without_ids_are_one_group(runner):
    grouping = BatchGrouping(ContextIndex(None, 1), 0.9, "cpu")
    buffer = runner.replay_buffer(context="hidden")
    for size in (3, 5):
        batch = dataclasses.replace(on_device(buffer.batch(np.arange(size))), numpy_batch=None)
        tensors, groups = grouping.of(batch)
        assert tensors.contexts is None and groups is None and tensors.layout.rows.tolist() == [list(range(size))]


def test_rows_of_a_batch_as_a_single_group(grouping, runner):
    tensors, _ = grouping.of(on_device(runner.replay_buffer(context="hidden").batch(np.array([0, 30, 59]))))
    own = tensors.as_single_group(torch.tensor([2, 0]))
    assert torch.equal(own.rewards, tensors.rewards[[2, 0]]) and torch.equal(own.actions, tensors.actions[[2, 0]])
    assert own.contexts is None and own.layout.present == 1 and own.layout.counts.tolist() == [2, 2]
    assert tensors.as_single_group().observations is tensors.observations
    np.testing.assert_allclose(tensors.discounts, 0.9)
