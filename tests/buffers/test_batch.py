"""The mini-batch: its arrays are checked with a sentence where d3rlpy has an assertion."""

import dataclasses

import numpy as np
import pytest
import torch
from d3rlpy.dataset import TransitionMiniBatch

from offctx.errors import DatasetError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rewards": np.zeros((4, 1))}, r"expected a batch with rewards as a float32 .*; found float64 of shape \(4, 1\)"),
        ({"actions": np.zeros(4, np.float32)}, r"actions as .* at least two dimensions; found float32 of shape \(4,\)"),
        ({"next_observations": torch.zeros(4, 5)}, "next_observations as a float32 NumPy array .*; found a Tensor"),
        ({"terminals": None}, "terminals as a float32 NumPy array .*; found None"),
    ],
)
def test_a_wrong_array_is_refused_with_a_sentence(change, message, runner):
    batch = runner.replay_buffer().batch(np.arange(4))
    with pytest.raises(DatasetError, match=message):
        dataclasses.replace(batch, **change)


def test_a_batch_has_d3rlpys_fields_first(runner):
    names = [field.name for field in dataclasses.fields(runner.replay_buffer().batch(np.arange(4)))]
    theirs = [field.name for field in dataclasses.fields(TransitionMiniBatch)]
    assert names[: len(theirs)] == theirs
    assert names[len(theirs) :][:2] == ["contexts", "context_ids"]
