"""The table of a buffer with a capacity: a ring that overwrites its oldest rows."""

import numpy as np
import pytest

import offctx
from offctx.buffers.samplers import UniformSampler
from offctx.errors import DatasetError
from tests.buffers.helpers import Needs, all_of, assert_labelled_equal, make, replay


@pytest.mark.parametrize("capacity", [1, 4, 20, 59, 60])
def test_the_oldest_transitions_are_overwritten_in_place(capacity, runner):
    env, augmentation = make(), Needs("states")
    ring = offctx.online_buffer(env, capacity, augmentation=augmentation)
    whole = runner.replay_buffer(augmentation=augmentation)
    memory = ring.table._matrix
    for e in range(runner.num_episodes):
        replay(runner, env, ring, episodes=[e])
        end = runner.episode_ends[e]
        kept = np.arange(max(end - capacity, 0), end)
        assert ring.transition_count == len(kept)
        assert_labelled_equal(all_of(ring), whole.batch(kept))
        episodes = np.unique(np.searchsorted(runner.episode_ends, kept, side="right"))
        assert ring.size() == len(ring.episodes) == len(episodes)
        assert sum(len(episode) for episode in ring.episodes) == len(kept)
        for found, number in zip(ring.episodes, episodes, strict=True):
            assert found.terminated == runner.terminations[runner.episode_ends[number] - 1]
            true = whole.episodes[number].observations[-len(found) - 1 :]
            np.testing.assert_array_equal(found.observations, true)
    assert ring.table._matrix is memory and len(memory) == capacity
    np.testing.assert_array_equal(ring.table["rewards"], all_of(ring).rewards)


def test_trajectories_and_returns_to_go_of_what_is_kept(runner, monkeypatch):
    env = make()
    ring = offctx.online_buffer(env, 20)
    replay(runner, env, ring)
    whole = runner.replay_buffer()
    monkeypatch.setattr(ring, "_draw", np.arange)
    monkeypatch.setattr(whole, "_draw", lambda n: np.arange(n) + 40)
    found, true = ring.sample_trajectory_batch(20, 4), whole.sample_trajectory_batch(20, 4)
    there = found.masks.astype(bool)
    lost = true.masks.astype(bool) & ~there
    assert lost.sum() and (np.flatnonzero(lost.any(axis=1)) < 3).all()  # the first rows' past is overwritten
    for name in ("observations", "actions", "rewards", "terminals", "timesteps"):
        np.testing.assert_array_equal(getattr(found, name)[there], getattr(true, name)[there], err_msg=name)
        assert not getattr(found, name)[~there].any()
    np.testing.assert_allclose(found.returns_to_go[there], true.returns_to_go[there], rtol=1e-5)
    for i in range(20):
        np.testing.assert_array_equal(ring.transition(i).rewards_to_go, whole.transition(i + 40).rewards_to_go)


def test_an_episode_that_is_overwritten_says_so(runner):
    env = make()
    ring = offctx.online_buffer(env, 12)
    replay(runner, env, ring, episodes=[0, 1])
    first, second = ring.episodes
    replay(runner, env, ring, episodes=[2])
    with pytest.raises(DatasetError, match="overwritten by newer"):
        first.observations  # noqa: B018
    np.testing.assert_array_equal(second.observations, ring.episodes[0].observations)


def test_the_ring_takes_whole_episodes_longer_than_itself(runner):
    ring = offctx.online_buffer(make(), 4)
    whole = runner.replay_buffer()
    for episode in whole.episodes[:2]:
        ring.append_episode(episode)
    assert ring.transition_count == 4 and ring.size() == 1
    assert_labelled_equal(all_of(ring), whole.batch(np.arange(8, 12)), ("observations", "actions", "rewards"))


def test_sampling_from_the_ring_is_uniform_over_what_is_kept(runner):
    env = make()
    ring = offctx.online_buffer(env, 20, seed=1)
    replay(runner, env, ring)
    index = {row.tobytes(): i for i, row in enumerate(all_of(ring).observations)}
    drawn = [index[row.tobytes()] for row in ring.sample_transition_batch(10_000).observations]
    expected = 10_000 / 20
    chi2 = ((np.bincount(drawn, minlength=20) - expected) ** 2 / expected).sum()
    assert 5 < chi2 < 47  # 19 degrees of freedom


def test_a_view_follows_the_ring(runner):
    """A view shares the transitions and their episodes, also when they are overwritten after it was made."""
    env = make()
    ring = offctx.online_buffer(env, 20, seed=1)
    replay(runner, env, ring, episodes=[0, 1, 2])
    view = ring.with_sampler(UniformSampler())
    replay(runner, env, ring, episodes=range(3, 12))
    assert view.size() == ring.size() and view.transition_count == ring.transition_count == 20
    for i in range(20):
        np.testing.assert_array_equal(view.transition(i).rewards_to_go, ring.transition(i).rewards_to_go)
    for one, other in zip(view.episodes, ring.episodes, strict=True):
        np.testing.assert_array_equal(one.observations, other.observations)
    whole = runner.replay_buffer()
    np.testing.assert_array_equal(view.transition(0).rewards_to_go, whole.transition(40).rewards_to_go)
