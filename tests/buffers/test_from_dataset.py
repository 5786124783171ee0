"""From a dataset to a buffer: every transition of the Minari episodes, rightly joined."""

import dataclasses

import d3rlpy
import minari
import numpy as np
import pytest
from d3rlpy.constants import ActionSpace

import offctx
from offctx.errors import DatasetError
from tests.buffers.helpers import all_of


def plain_episodes(dataset_id):
    return list(minari.load_dataset(dataset_id).iterate_episodes())


def column(episodes, take):
    """Flat array of take(episode, t) over all transitions."""
    return np.array([take(e, t) for e in episodes for t in range(len(e.rewards))])


@pytest.mark.parametrize("name", ["runner", "pendulum", "chooser"])
@pytest.mark.parametrize("context", ["append", "hidden"])
def test_every_transition_is_the_one_of_plain_minari(name, context, library, library_path):
    buffer = library.datasets[name].replay_buffer(context=context)
    episodes = plain_episodes(f"test/{name}-v0")
    if name == "runner":
        ends = {(bool(e.terminations[-1]), bool(e.truncations[-1])) for e in episodes}
        assert ends == {(False, True), (True, False), (True, True)}

    def seen(e, t):
        appended = [e.infos["context"][t]] if context == "append" else []
        return np.concatenate([e.observations[t], *appended])

    batch = all_of(buffer)
    assert buffer.transition_count == len(batch) == sum(len(e.rewards) for e in episodes)
    expected = {
        "observations": column(episodes, seen),
        "actions": column(episodes, lambda e, t: np.atleast_1d(e.actions[t])),
        "rewards": column(episodes, lambda e, t: [e.rewards[t]]),
        "next_observations": column(episodes, lambda e, t: seen(e, t + 1)),
        "terminals": column(episodes, lambda e, t: [e.terminations[t]]),
        "contexts": column(episodes, lambda e, t: e.infos["context"][t]),
        "dnext_observation_dcontext": column(episodes, lambda e, t: e.infos["dnext_observation_dcontext"][t + 1]),
        "dreward_dcontext": column(episodes, lambda e, t: e.infos["dreward_dcontext"][t + 1]),
    }
    for key, values in expected.items():
        np.testing.assert_array_equal(getattr(batch, key), values.astype(np.float32), err_msg=key)


def test_next_actions_are_those_taken_next_and_zero_after_a_termination(library_path, runner):
    episodes = plain_episodes("test/runner-v0")

    def next_action(e, t):
        if t + 1 < len(e.rewards):
            return e.actions[t + 1]
        return 0 * e.actions[t] if e.terminations[t] else e.actions[t]  # nobody knows what would have come next

    np.testing.assert_array_equal(all_of(runner.replay_buffer()).next_actions, column(episodes, next_action))


def test_d3rlpys_get_minari_lags_by_one_row_an_episode_and_drops_the_ends_of_truncated_ones(datasets_path):
    """Shown so that nobody routes data through it."""
    contexts = [[0.5, 0.2], [2.0, -0.4]]  # truncated, terminated
    dataset = offctx.collect(
        "testing/Runner-v0", "test/x-v0", contexts=contexts, episodes_per_context=3, seed=0, progress=False
    )
    theirs, _ = d3rlpy.datasets.get_minari("test/x-v0")
    truth = plain_episodes("test/x-v0")
    rows = np.concatenate([e.observations for e in truth])
    starts = np.cumsum([0] + [len(e.rewards) for e in truth])
    for k, (episode, true) in enumerate(zip(theirs.episodes, truth, strict=True)):
        t = len(true.rewards)
        np.testing.assert_array_equal(episode.actions, true.actions)
        np.testing.assert_array_equal(episode.observations, rows[starts[k] : starts[k] + t])
        np.testing.assert_array_equal(true.observations[:-1], rows[starts[k] + k : starts[k] + k + t])  # k rows further on
        assert (k == 0) == np.array_equal(episode.observations, true.observations[:-1])
    assert theirs.transition_count == len(dataset) - 3  # three truncated episodes
    ours = all_of(dataset.replay_buffer(context="hidden"))
    np.testing.assert_array_equal(ours.observations, np.concatenate([e.observations[:-1] for e in truth]))


def test_d3rlpys_get_minari_refuses_episodes_that_terminate_at_the_time_limit(library_path, runner):
    with pytest.raises(AssertionError, match="never become True at the same time"):
        d3rlpy.datasets.get_minari("test/runner-v0")
    assert runner.replay_buffer().transition_count == 60


def test_derivatives_and_context_labels_go_with_their_rows(runner):
    buffer = runner.replay_buffer()
    batch = buffer.sample_transition_batch(200)
    for i in range(200):
        (row,) = np.flatnonzero((all_of(buffer).observations == batch.observations[i]).all(axis=1))
        assert batch.context_ids[i] == runner.context_ids[row]
        np.testing.assert_array_equal(batch.dreward_dcontext[i], runner.dreward_dcontext[row])
        np.testing.assert_array_equal(batch.dnext_observation_dcontext[i], runner.dnext_observation_dcontext[row])
    assert batch.context_space == runner.context_space and batch.context == "append"


def test_without_derivatives_the_batch_has_none(runner):
    bare = dataclasses.replace(runner, dreward_dcontext=None, dnext_observation_dcontext=None)
    batch = bare.replay_buffer().sample_transition_batch(3)
    assert batch.dreward_dcontext is None and batch.dnext_observation_dcontext is None


def test_dataset_info(runner, chooser):
    info = runner.replay_buffer().dataset_info
    assert info.action_space == ActionSpace.CONTINUOUS and info.action_size == 1
    assert info.observation_signature.shape[0] == (5,) and info.observation_signature.dtype[0] == np.float32
    info = chooser.replay_buffer(context="hidden").dataset_info
    assert info.action_space == ActionSpace.DISCRETE and info.action_size == 3
    assert info.observation_signature.shape[0] == (2,)


def test_discrete_actions_that_do_not_start_at_zero_are_refused(datasets_path):
    dataset = offctx.collect("testing/ChooserFromOne-v0", "test/x-v0", seed=0, progress=False)
    with pytest.raises(DatasetError, match=r"from 0; test/x-v0 has Discrete\(3, start=1\)"):
        dataset.replay_buffer()
