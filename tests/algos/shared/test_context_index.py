"""From the context ids of a batch to indices of contexts and groups."""

import dataclasses

import d3rlpy
import numpy as np
import pytest

from offctx.algos.shared.context_index import ContextIndex
from offctx.algos.shared.groups import ContextGroups
from offctx.errors import AlgorithmError


def batch_of(buffer, ids):
    return dataclasses.replace(buffer.batch(np.zeros(len(ids), dtype=np.int64)), context_ids=np.asarray(ids))


def test_ids_become_contexts_and_groups(runner):
    known = ContextGroups([3, 5, 9], [[0.0]] * 3, [0, 1, 0])
    contexts, groups = ContextIndex(known, 2).of(batch_of(runner.replay_buffer(), [9, 3, 5, 9]))
    assert contexts.tolist() == [2, 0, 1, 2] and groups.tolist() == [0, 0, 1, 0]
    assert ContextIndex(known, 2).groups_of(np.array([5, 9])).tolist() == [1, 0]


@pytest.mark.parametrize("unknown", [0, 4, 10, 10**9])
def test_an_id_that_was_never_seen_is_refused(unknown, runner):
    index = ContextIndex(ContextGroups([3, 5, 9], [[0.0]] * 3, [0, 1, 0]), 2)
    with pytest.raises(AlgorithmError, match=rf"context id {unknown} was never seen.*\[3, 5, 9\]"):
        index.of(batch_of(runner.replay_buffer(), [3, unknown]))


def test_many_known_ids_are_named_briefly(runner):
    index = ContextIndex(ContextGroups(list(range(50)), [[0.0]] * 50, list(range(50))), 50)
    with pytest.raises(AlgorithmError, match="id 50 was never seen: this learner has critics for 50 ids from 0 to 49"):
        index.of(batch_of(runner.replay_buffer(), [50]))


def test_ids_that_are_missing_are_refused(runner):
    index = ContextIndex(ContextGroups([0, 1, 2], [[0.0]] * 3, [0, 1, 2]), 3)
    plain = d3rlpy.dataset.create_infinite_replay_buffer(list(runner.replay_buffer().episodes))
    with pytest.raises(AlgorithmError, match=r"batch with context_ids.*found TransitionMiniBatch.*groups=1"):
        index.of(plain.sample_transition_batch(3))
    with pytest.raises(AlgorithmError, match=r"every transition knows its context.*id -1"):
        index.of(batch_of(runner.replay_buffer(), [0, -1]))


def test_without_known_contexts_ids_are_dealt_out_in_turn(runner):
    contexts, groups = ContextIndex(None, 3).of(batch_of(runner.replay_buffer(), [0, 4, 5, 3]))
    assert groups.tolist() == contexts.tolist() == [0, 1, 2, 0]
    assert ContextIndex(None, 1).of(None) == (None, None)
