"""Contexts and groups: who shares a critic, what a batch is laid out as, and how contexts weigh."""

import dataclasses

import d3rlpy
import numpy as np
import pytest
import torch

import offctx
from offctx.algos.perm import PERMConfig
from offctx.algos.shared.groups import ContextGroups
from offctx.algos.shared.layout import Layout
from offctx.algos.shared.membership import Membership
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


# --- the ids of a batch --------------------------------------------------------------------------------------------------


def batch_of(buffer, ids):
    return dataclasses.replace(buffer.batch(np.zeros(len(ids), dtype=np.int64)), context_ids=np.asarray(ids))


def test_ids_become_contexts_and_groups(runner):
    known = ContextGroups([3, 5, 9], [[0.0]] * 3, [0, 1, 0])
    contexts, groups = Membership(known, 2).of(batch_of(runner.replay_buffer(), [9, 3, 5, 9]))
    assert contexts.tolist() == [2, 0, 1, 2] and groups.tolist() == [0, 0, 1, 0]
    assert Membership(known, 2).groups_of(np.array([5, 9])).tolist() == [1, 0]


@pytest.mark.parametrize("unknown", [0, 4, 10, 10**9])
def test_an_id_that_was_never_seen_is_refused(unknown, runner):
    membership = Membership(ContextGroups([3, 5, 9], [[0.0]] * 3, [0, 1, 0]), 2)
    with pytest.raises(AlgorithmError, match=rf"context id {unknown} was never seen.*\[3, 5, 9\]"):
        membership.of(batch_of(runner.replay_buffer(), [3, unknown]))


def test_many_known_ids_are_named_briefly(runner):
    membership = Membership(ContextGroups(list(range(50)), [[0.0]] * 50, list(range(50))), 50)
    with pytest.raises(AlgorithmError, match="id 50 was never seen: this learner has critics for 50 ids from 0 to 49"):
        membership.of(batch_of(runner.replay_buffer(), [50]))


def test_ids_that_are_missing_are_refused(runner):
    membership = Membership(ContextGroups([0, 1, 2], [[0.0]] * 3, [0, 1, 2]), 3)
    plain = d3rlpy.dataset.create_infinite_replay_buffer(list(runner.replay_buffer().episodes))
    with pytest.raises(AlgorithmError, match=r"batch with context_ids.*found TransitionMiniBatch.*groups=1"):
        membership.of(plain.sample_transition_batch(3))
    with pytest.raises(AlgorithmError, match=r"every transition knows its context.*id -1"):
        membership.of(batch_of(runner.replay_buffer(), [0, -1]))


def test_without_known_contexts_ids_are_dealt_out_in_turn(runner):
    contexts, groups = Membership(None, 3).of(batch_of(runner.replay_buffer(), [0, 4, 5, 3]))
    assert groups.tolist() == contexts.tolist() == [0, 1, 2, 0]
    assert Membership(None, 1).of(None) == (None, None)


# --- how contexts weigh --------------------------------------------------------------------------------------------------


def membership_of(contexts):
    return Membership(ContextGroups(list(range(contexts)), [[0.0]] * contexts, list(range(contexts))), contexts)


def test_contexts_weigh_the_same_in_an_unequal_batch():
    index = np.array([0, 0, 0, 0, 0, 1, 2, 2])
    found = membership_of(3).weigh(index, len(index))
    np.testing.assert_allclose(np.bincount(index, weights=found.numpy()), [1 / 3, 1 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(found[:5], 1 / 15, rtol=1e-6)


def test_contexts_weigh_the_same_over_unequal_batches():
    """Shares of 0.8, 0.15 and 0.05: over 2000 batches each context has a third of all weight, within 2 %."""
    rng, membership, total = np.random.default_rng(0), membership_of(3), np.zeros(3)
    for _ in range(2000):
        index = rng.choice(3, p=[0.8, 0.15, 0.05], size=32)
        total += np.bincount(index, weights=membership.weigh(index, 32).numpy(), minlength=3)
    np.testing.assert_allclose(total / 2000, 1 / 3, rtol=0.02)


def test_weights_follow_counts_over_all_batches():
    membership = membership_of(2)
    membership.weigh(np.array([0, 0, 0, 1]), 4)
    found = membership.weigh(np.array([0, 1, 1, 1]), 4)  # four of either so far
    np.testing.assert_allclose(found, 1 / 4)
    found = membership.weigh(np.array([0, 0, 0, 0]), 4)  # eight against four
    np.testing.assert_allclose(found, 1 / (2 * (8 / 12) * 4))


def test_one_context_weighs_as_a_mean():
    np.testing.assert_array_equal(Membership(None, 1).weigh(None, 8), np.float32(1 / 8))
    np.testing.assert_array_equal(membership_of(1).weigh(np.zeros(8, int), 8), np.float32(1 / 8))


def test_contexts_of_one_group_weigh_as_contexts(runner):
    known = ContextGroups([0, 1, 2], [[0.0]] * 3, [0, 0, 1])
    membership = Membership(known, 2)
    contexts, _ = membership.of(batch_of(runner.replay_buffer(), [0, 0, 1, 2]))
    found = membership.weigh(contexts, 4).numpy()
    np.testing.assert_allclose(np.bincount(contexts, weights=found), [1 / 3, 1 / 3, 1 / 3], rtol=1e-6)


# --- layout --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [[0, 2, 0, 0, 1, 2], [2, 2, 2], [0, 1, 2, 3], [3], [1, 0, 1, 0, 0, 0, 0]])
def test_rows_lie_by_group_and_come_back(groups):
    groups = np.asarray(groups)
    layout = Layout.of(groups, 4, len(groups), "cpu")
    rows = torch.arange(len(groups), dtype=torch.float32)[:, None] + torch.tensor([0.0, 100.0])
    packed = layout.pack(rows)
    counts = np.bincount(groups, minlength=4)
    assert packed.shape == (4, counts.max(), 2) and layout.mask.sum(dim=1).tolist() == counts.tolist()
    for i in range(4):
        assert packed[i][layout.mask[i]][:, 0].tolist() == np.flatnonzero(groups == i).tolist()
    assert torch.equal(layout.unpack(packed), rows)
    lead = torch.stack([packed, packed + 1])
    assert torch.equal(layout.unpack(lead, lead=1), torch.stack([rows, rows + 1]))
    assert layout.counts.tolist() == counts[groups].tolist() and layout.groups == (counts > 0).sum()


@pytest.mark.parametrize("groups", [None, np.zeros(5, dtype=np.int64)])
def test_one_group_is_the_batch_itself(groups):
    layout = Layout.of(groups, 1, 5, "cpu")
    rows = torch.randn(5, 2)
    assert torch.equal(layout.pack(rows), rows[None]) and torch.equal(layout.unpack(rows[None]), rows)
    assert layout.mask.shape == (1, 5) and layout.mask.all() and layout.counts.tolist() == [5] * 5 and layout.groups == 1
