"""The ids of contexts that come online."""

import gymnasium
import numpy as np
from scipy.stats import spearmanr

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


def anonymous_ids(seed, known=None):
    """Ids of 300 contexts in ascending order that come one after another."""
    env = offctx.envs.LabelTransitions(gymnasium.make("testing/Runner-v0"), context="hidden")
    ids = offctx.online_buffer(env, capacity=10, context="anonymous", seed=seed)._context_ids
    contexts = np.stack([np.linspace(0.3, 1.9, 300), np.zeros(300)], axis=1).astype(np.float32)
    if known is not None:
        ids.number(contexts[:known])
    return np.array([ids.of(context[None])[0] for context in contexts])


def test_anonymous_ids_do_not_follow_the_order_in_which_contexts_come():
    for known in (None, 300, 150):
        first, again, other = (anonymous_ids(seed, known) for seed in (0, 0, 1))
        assert len(set(first)) == 300 and first.tolist() == again.tolist() != other.tolist()
        for part in (first[:150], first[150:]):
            assert abs(spearmanr(part, np.arange(150)).statistic) < 0.3
    assert sorted(anonymous_ids(0, 300)) == list(range(300))


def test_zero_and_minus_zero_are_one_context(runner):
    ids = runner.replay_buffer()._context_ids
    assert len(set(ids.of(np.array([[1.1, 0.0], [1.1, -0.0]], np.float32)))) == 1


def test_ids_that_are_drawn_later_are_the_same_after_a_restart():
    def ids():
        env = offctx.envs.LabelTransitions(gymnasium.make("testing/Runner-v0"), context="hidden")
        return offctx.online_buffer(env, capacity=10, context="anonymous", seed=3)._context_ids

    contexts = np.stack([np.linspace(0.3, 1.9, 9), np.zeros(9)], axis=1).astype(np.float32)
    whole, killed, again = ids(), ids(), ids()
    expected = whole.of(contexts)
    killed.of(contexts[:4])
    again.restore(killed.state())
    np.testing.assert_array_equal(again.of(contexts), expected)
