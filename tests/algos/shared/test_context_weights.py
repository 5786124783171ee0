"""How contexts weigh in the policy's loss."""

import dataclasses

import numpy as np
import torch

from offctx.algos.shared.context_index import ContextIndex
from offctx.algos.shared.context_weights import ContextWeights
from offctx.algos.shared.groups import ContextGroups


def batch_of(buffer, ids):
    return dataclasses.replace(buffer.batch(np.zeros(len(ids), dtype=np.int64)), context_ids=np.asarray(ids))


def weights_of(contexts):
    return ContextWeights(contexts, known=True)


def weigh(weights, contexts):
    """The weights of a batch with these contexts."""
    return weights(torch.as_tensor(contexts), len(contexts))


def test_contexts_weigh_the_same_in_an_unequal_batch():
    index = np.array([0, 0, 0, 0, 0, 1, 2, 2])
    found = weigh(weights_of(3), index)
    np.testing.assert_allclose(np.bincount(index, weights=found.numpy()), [1 / 3, 1 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(found[:5], 1 / 15, rtol=1e-6)


def test_contexts_weigh_the_same_over_unequal_batches():
    """Shares of 0.8, 0.15 and 0.05: over 2000 batches each context has a third of all weight, within 2 %."""
    rng, weights, total = np.random.default_rng(0), weights_of(3), np.zeros(3)
    for _ in range(2000):
        index = rng.choice(3, p=[0.8, 0.15, 0.05], size=32)
        total += np.bincount(index, weights=weigh(weights, index).numpy(), minlength=3)
    np.testing.assert_allclose(total / 2000, 1 / 3, rtol=0.02)


def test_weights_follow_counts_over_all_batches():
    weights = weights_of(2)
    weigh(weights, np.array([0, 0, 0, 1]))
    found = weigh(weights, np.array([0, 1, 1, 1]))  # four of either so far
    np.testing.assert_allclose(found, 1 / 4)
    found = weigh(weights, np.array([0, 0, 0, 0]))  # eight against four
    np.testing.assert_allclose(found, 1 / (2 * (8 / 12) * 4))


def test_one_context_weighs_as_a_mean():
    np.testing.assert_array_equal(ContextWeights(1, known=False)(None, 8), np.float32(1 / 8))
    np.testing.assert_array_equal(weigh(weights_of(1), np.zeros(8, int)), np.float32(1 / 8))


def test_contexts_of_one_group_weigh_as_contexts(runner):
    known = ContextGroups([0, 1, 2], [[0.0]] * 3, [0, 0, 1])
    contexts, _ = ContextIndex(known, 2).of(batch_of(runner.replay_buffer(), [0, 0, 1, 2]))
    found = weigh(weights_of(3), contexts).numpy()
    np.testing.assert_allclose(np.bincount(contexts, weights=found), [1 / 3, 1 / 3, 1 / 3], rtol=1e-6)


def test_contexts_that_are_not_known_in_advance_count_from_their_first_transition_on():
    weights = ContextWeights(4, known=False)
    np.testing.assert_allclose(weigh(weights, [1, 1, 1, 3]), [1 / 6, 1 / 6, 1 / 6, 1 / 2], rtol=1e-6)


def test_counts_are_saved_and_start_again_for_other_contexts():
    weights, again = weights_of(2), weights_of(2)
    weigh(weights, [0, 0, 0, 1])
    again.load_state_dict(weights.state_dict())
    assert again.seen.tolist() == [3, 1]
    again.restart(3, known=True)
    assert again.seen.tolist() == [0, 0, 0] and weights.seen.tolist() == [3, 1]
