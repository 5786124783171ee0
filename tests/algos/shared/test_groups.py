"""Contexts in groups: which contexts share critics, and whether another buffer means the same contexts."""

import dataclasses

import d3rlpy
import numpy as np
import pytest

import offctx
from offctx.algos.perm import PERMConfig
from offctx.algos.shared.groups import ContextGroups
from offctx.errors import AlgorithmError


def with_contexts(dataset, contexts, ids=None):
    """A buffer with one of these contexts for each episode of a dataset, over and over."""
    rows = np.asarray(contexts, dtype=np.float64)
    number = (np.arange(dataset.num_episodes) % len(rows)).repeat(dataset.episode_ends - dataset.episode_starts)
    space = offctx.ContextSpace([f"c{k}" for k in range(rows.shape[1])], -1e6, 1e6, np.zeros(rows.shape[1]))
    ids = np.arange(len(rows)) if ids is None else np.asarray(ids)
    return dataclasses.replace(
        dataset, context_space=space, contexts=rows[number], context_ids=ids[number],
        dnext_observation_dcontext=None, dreward_dcontext=None,
    ).replay_buffer(context="hidden")  # fmt: skip


CLUSTERS = [[0.0, 0.0], [9.0, 5000.0], [0.5, 100.0], [10.0, 4900.0], [1.0, 50.0], [9.5, 5050.0]]


def of(buffer, groups=None, grouping="distance", seed=0):
    found = ContextGroups.of(buffer, groups, grouping, seed)
    assert found is not None
    return found


# --- grouping ------------------------------------------------------------------------------------------------------------


def test_each_context_is_a_group_of_its_own_by_default(runner):
    found = of(runner.replay_buffer())
    assert (found.ids, found.groups, found.size) == ([0, 1, 2], [0, 1, 2], 3)
    np.testing.assert_allclose(found.contexts, runner.unique_contexts, rtol=1e-6)


def test_near_contexts_share_a_group(runner):
    assert of(with_contexts(runner, CLUSTERS), 2).groups == [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize("unit", [[1, 1], [1, 1000], [1000, 1]])
def test_units_do_not_matter(unit, runner):
    """One coordinate takes its two ends only, the other is spread out: by shares of their ranges the first tells more."""
    contexts = [[0.0, 0.0], [1.0, 0.0], [0.0, 0.5], [1.0, 0.5], [0.0, 1.0], [1.0, 1.0]]
    assert of(with_contexts(runner, np.multiply(contexts, unit)), 2).groups == [0, 1, 0, 1, 0, 1]


def test_distance_follows_contexts_and_not_their_order(runner):
    order = [0, 2, 4, 1, 3, 5]
    assert of(with_contexts(runner, np.asarray(CLUSTERS)[order]), 2).groups == [0, 0, 0, 1, 1, 1]


def test_a_coordinate_that_is_the_same_everywhere_does_not_disturb(runner):
    contexts = np.column_stack([np.asarray(CLUSTERS)[:, 0], np.full(6, 3.0)])
    assert of(with_contexts(runner, contexts), 2).groups == [0, 1, 0, 1, 0, 1]


def test_random_groups_are_of_equal_size_and_follow_the_seed(runner):
    buffer = with_contexts(runner, CLUSTERS)
    found = [of(buffer, 3, "random", seed).groups for seed in range(20)]
    assert all(sorted(np.bincount(groups)) == [2, 2, 2] for groups in found)
    assert len({tuple(groups) for groups in found}) > 5
    assert found[4] == of(buffer, 3, "random", 4).groups
    assert all(groups[0] == 0 and set(groups) == {0, 1, 2} for groups in found)  # numbered by first appearance
    assert sorted(np.bincount(of(buffer, 4, "random", 1).groups)) == [1, 1, 2, 2]


@pytest.mark.parametrize("grouping", ["distance", "random"])
def test_as_many_groups_as_contexts_and_one_group(grouping, runner):
    buffer = with_contexts(runner, CLUSTERS)
    assert sorted(of(buffer, 6, grouping).groups) == list(range(6))
    assert of(buffer, 1, grouping).groups == [0] * 6


def test_one_group_of_unlabelled_data_depends_on_nothing(runner):
    plain = d3rlpy.dataset.create_infinite_replay_buffer(list(runner.replay_buffer().episodes))
    assert ContextGroups.of(plain, 1, "distance", 0) is None
    with pytest.raises(AlgorithmError, match=r"labelled contexts.*found ReplayBuffer.*groups=1"):
        ContextGroups.of(plain, None, "distance", 0)


def test_more_groups_than_contexts_are_refused(runner):
    with pytest.raises(AlgorithmError, match="at most as many groups as contexts: the data hold 6; found groups=7"):
        of(with_contexts(runner, CLUSTERS), 7)


def test_a_single_context_is_refused_unless_meant(runner):
    buffer = with_contexts(runner, [[4.0, 2.0]])
    with pytest.raises(AlgorithmError, match=r"single context, \[4\.0, 2\.0\].*groups=1"):
        of(buffer)
    assert of(buffer, 1).groups == [0]


def test_transitions_of_unknown_contexts_are_refused(runner):
    buffer = with_contexts(runner, CLUSTERS, ids=[0, 1, -1, 3, 4, 5])
    with pytest.raises(AlgorithmError, match=r"every transition.*id -1.*connect"):
        of(buffer)


def test_they_survive_json_in_a_config(runner):
    found = of(with_contexts(runner, np.asarray(CLUSTERS) / 3, ids=[3, 9, 4, 11, 5, 20]), 2)
    config = PERMConfig(contexts=found, groups=2, reward_bounds=(-1, 2.5), grouping="random", horizon=7)
    again = PERMConfig.deserialize(config.serialize())
    assert again.contexts == found and again == config and isinstance(again.contexts, ContextGroups)
    assert PERMConfig.deserialize(PERMConfig().serialize()) == PERMConfig()


# --- another buffer ------------------------------------------------------------------------------------------------------


def test_a_buffer_whose_ids_mean_the_same_passes(runner, episodes_of):
    known = of(runner.replay_buffer())
    known.check(runner.replay_buffer(context="hidden", seed=3))
    known.check(episodes_of(runner, [4, 5]).replay_buffer())


def test_a_buffer_whose_ids_mean_other_contexts_is_refused(runner):
    known = of(with_contexts(runner, CLUSTERS))
    with pytest.raises(AlgorithmError, match=r"context id 0 was \[0\.0, 0\.0\].*in this buffer it is \[9\.0, 5000\.0\]"):
        known.check(with_contexts(runner, CLUSTERS[1:]))


def test_a_buffer_with_a_new_context_is_refused(runner):
    with pytest.raises(AlgorithmError, match=r"context id 2 was never seen: this learner has critics for \[0, 1\]"):
        of(with_contexts(runner, CLUSTERS[:2])).check(with_contexts(runner, CLUSTERS[:3]))
