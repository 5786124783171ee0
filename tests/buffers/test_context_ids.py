"""The ids of contexts that come online."""

import numpy as np

import offctx
from tests.buffers.helpers import feed


def test_appended_steps_get_the_ids_of_their_contexts(runner):
    buffer = runner.replay_buffer()
    known = runner.unique_contexts
    asked = [known[2], known[0], np.array([1.5, 0.5]), known[1], np.array([1.5, 0.5]), np.array([1.75, 0.5])]
    for context in asked:
        seen = np.concatenate([np.zeros(3), context]).astype(np.float32)
        feed(buffer, [(seen, np.zeros(1, np.float32), 0.0, True)])
    found = buffer.batch(np.arange(60, 66))
    assert found.context_ids.tolist() == [2, 0, 3, 1, 3, 4]
    np.testing.assert_array_equal(found.contexts, np.array(asked, dtype=np.float32))


def test_new_contexts_never_share_an_id_with_known_ones(datasets_path):
    contexts = [[0.5, 0.0], [0.5 + 1e-12, 0.0], [1.0, 0.0]]
    dataset = offctx.collect("testing/Runner-v0", "test/x-v0", contexts=contexts, seed=0, progress=False)
    buffer = dataset.replay_buffer()
    before = buffer.transition_count
    feed(buffer, [(np.array([0, 0, 0, 2, 0], np.float32), np.zeros(1, np.float32), 0.0, True)])
    assert buffer.batch(np.array([before])).context_ids[0] not in dataset.context_ids


def test_registered_contexts_get_the_ids_that_were_given(runner):
    buffer = runner.replay_buffer()
    unique = runner.unique_contexts
    buffer.register_contexts([7, 9], [[1.5, 0.5], unique[1]])  # the second one is known already
    steps = []
    for context in ([1.5, 0.5], unique[1], [1.75, 0.5]):
        observation = np.concatenate([np.zeros(3), context]).astype(np.float32)
        steps.append((observation, np.zeros(1, np.float32), 0.0, True))
    feed(buffer, steps)
    assert buffer.batch(np.arange(60, 63)).context_ids.tolist() == [7, 1, 10]
