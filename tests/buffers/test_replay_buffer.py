"""The replay buffer: every transition of the Minari episodes, rightly joined, and d3rlpy's own buffer as the measure."""

import dataclasses
import io

import d3rlpy
import minari
import numpy as np
import pytest
import torch
from d3rlpy.constants import ActionSpace
from d3rlpy.dataset import (
    BasicTrajectorySlicer,
    BasicTransitionPicker,
    Episode,
    InfiniteBuffer,
    MixedReplayBuffer,
    ReplayBuffer,
    TrajectoryMiniBatch,
    TransitionMiniBatch,
    create_infinite_replay_buffer,
)

import offctx
from offctx import CSE
from offctx.errors import DatasetError, DerivativeError, PolicyError

FIELDS = ("observations", "actions", "rewards", "next_observations", "next_actions", "terminals", "intervals")


def all_of(buffer):
    return buffer.batch(np.arange(buffer.transition_count))


def assert_batches_equal(one, other, fields=FIELDS):
    for name in fields:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
        assert getattr(one, name).dtype == getattr(other, name).dtype == np.float32, name


def plain_episodes(dataset_id):
    return list(minari.load_dataset(dataset_id).iterate_episodes())


def column(episodes, take):
    """Flat array of take(episode, t) over all transitions."""
    return np.array([take(e, t) for e in episodes for t in range(len(e.rewards))])


# --- the bridge --------------------------------------------------------------------------------------------------------


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

    def following(e, t):
        if t + 1 < len(e.rewards):
            return e.actions[t + 1]
        return 0 * e.actions[t] if e.terminations[t] else e.actions[t]  # nobody knows what would have come next

    np.testing.assert_array_equal(all_of(runner.replay_buffer()).next_actions, column(episodes, following))


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


# --- sampling ----------------------------------------------------------------------------------------------------------


def test_sampling_is_uniform(runner):
    buffer = runner.replay_buffer(seed=1)
    truth = all_of(buffer).observations
    index = {row.tobytes(): i for i, row in enumerate(truth)}
    assert len(index) == 60
    draws = 30_000
    found = np.bincount([index[row.tobytes()] for row in buffer.sample_transition_batch(draws).observations], minlength=60)
    expected = draws / 60
    chi2 = ((found - expected) ** 2 / expected).sum()
    assert 25 < chi2 < 110  # 59 degrees of freedom: beyond this less than once in 20000


@pytest.mark.parametrize("augmentation", [None, CSE(0.1)])
def test_the_same_seed_gives_the_same_batches(augmentation, runner):
    def batches(seed):
        buffer = runner.replay_buffer(seed=seed, augmentation=augmentation)
        return [buffer.sample_transition_batch(16) for _ in range(3)]

    for one, other in zip(batches(5), batches(5), strict=True):
        assert_batches_equal(one, other)
    first, second, _ = batches(5)
    assert not np.array_equal(first.observations, second.observations)
    assert not np.array_equal(first.observations, batches(6)[0].observations)


def test_sampling_leaves_the_global_generator_alone(runner):
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    buffer = runner.replay_buffer()
    buffer.sample_transition_batch(8)
    buffer.sample_trajectory_batch(8, 3)
    assert np.random.random() == expected


@pytest.mark.parametrize("name", ["runner", "chooser"])
def test_batch_fields(name, library):
    dataset = library.datasets[name]
    buffer = dataset.replay_buffer()
    batch = buffer.sample_transition_batch(7)
    assert isinstance(batch, TransitionMiniBatch) and len(batch) == 7
    d = dataset.observations.shape[1] + dataset.context_space.size
    shapes = {"observations": (7, d), "next_observations": (7, d), "actions": (7, 1), "next_actions": (7, 1)}
    for field in FIELDS:
        value = getattr(batch, field)
        assert value.dtype == np.float32 and value.shape == shapes.get(field, (7, 1)), field
    assert batch.contexts.dtype == np.float32 and batch.context_ids.dtype == np.int64
    assert (batch.intervals == 1).all() and len(batch.transitions) == 7


def test_a_batch_may_be_changed_without_changing_the_buffer(runner):
    buffer = runner.replay_buffer()
    before = all_of(buffer).observations.copy()
    batch = all_of(buffer)
    for field in FIELDS:
        getattr(batch, field)[:] = 99
    np.testing.assert_array_equal(all_of(buffer).observations, before)
    np.testing.assert_array_equal(runner.rewards.astype(np.float32), all_of(buffer).rewards[:, 0])


@pytest.mark.parametrize("name", ["runner", "chooser"])
def test_transition_objects_equal_the_batch(name, library):
    buffer = library.datasets[name].replay_buffer(seed=3)
    batch = buffer.sample_transition_batch(50)
    assert_batches_equal(TransitionMiniBatch.from_transitions(list(batch.transitions)), batch)
    assert len(batch.transitions[10:20]) == 10
    np.testing.assert_array_equal(batch.transitions[10:20][3].observation, batch.observations[13])
    dtype = {"runner": np.float32, "chooser": np.int64}[name]
    assert batch.transitions[0].action.dtype == dtype
    assert buffer.sample_transition().action.dtype == dtype


def test_rewards_to_go_run_to_the_end_of_the_episode(runner):
    buffer = runner.replay_buffer()
    for i, transition in enumerate(all_of(buffer).transitions):
        end = runner.episode_ends[runner.episode_ends > i][0]
        np.testing.assert_array_equal(transition.rewards_to_go[:, 0], runner.rewards[i:end].astype(np.float32))


@pytest.mark.parametrize("name", ["runner", "chooser"])
def test_stock_transition_pickers_see_the_same_transitions(name, library):
    """Scalers and evaluators go by the episodes and a picker, not by the batches."""
    buffer = library.datasets[name].replay_buffer()
    assert isinstance(buffer.transition_picker, BasicTransitionPicker)
    picked = [buffer.transition_picker(e, t) for e in buffer.episodes for t in range(e.transition_count)]
    found = TransitionMiniBatch.from_transitions(picked)
    truth = all_of(buffer)
    alive = truth.terminals[:, 0] == 0
    for field in FIELDS:
        rows = alive if field == "next_observations" else slice(None)  # d3rlpy puts zeros after a termination
        np.testing.assert_array_equal(getattr(found, field)[rows], getattr(truth, field)[rows], err_msg=field)
    pairs = [buffer.buffer[i] for i in range(len(buffer.buffer))]
    for i in (0, 7, 30, len(pairs) - 1):
        np.testing.assert_array_equal(pairs[i][0].observations[pairs[i][1]], truth.observations[i])


def test_episodes(runner):
    buffer = runner.replay_buffer()
    assert buffer.size() == len(buffer.episodes) == 12
    for e, episode in enumerate(buffer.episodes):
        start, end = runner.episode_starts[e], runner.episode_ends[e]
        assert len(episode) == episode.size() == episode.transition_count == end - start
        assert episode.terminated == runner.terminations[end - 1]
        np.testing.assert_allclose(episode.compute_return(), runner.episode_returns[e], rtol=1e-5)
        np.testing.assert_array_equal(episode.observations[1:, :3], runner.next_observations[start:end])


def test_dataset_info(runner, chooser):
    info = runner.replay_buffer().dataset_info
    assert info.action_space == ActionSpace.CONTINUOUS and info.action_size == 1
    assert info.observation_signature.shape[0] == (5,) and info.observation_signature.dtype[0] == np.float32
    info = chooser.replay_buffer(context="hidden").dataset_info
    assert info.action_space == ActionSpace.DISCRETE and info.action_size == 3
    assert info.observation_signature.shape[0] == (2,)


# --- trajectories ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["runner", "chooser"])
@pytest.mark.parametrize("length", [1, 4, 9])
def test_trajectories_equal_those_of_d3rlpys_slicer(name, length, library):
    """The very same ends, drawn by a second generator of the same seed."""
    buffer = library.datasets[name].replay_buffer(seed=8)
    ends = np.random.default_rng(8).integers(buffer.transition_count, size=80)
    slicer = BasicTrajectorySlicer()
    stock = [slicer(*buffer.buffer[int(end)], length) for end in ends]
    expected = TrajectoryMiniBatch.from_partial_trajectories(stock)
    found = buffer.sample_trajectory_batch(80, length)
    assert found.length == expected.length == length
    for field in ("observations", "actions", "rewards", "terminals", "timesteps", "masks"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field), err_msg=field)
        assert getattr(found, field).dtype == np.float32 and getattr(found, field).shape[:2] == (80, length)
    np.testing.assert_allclose(found.returns_to_go, expected.returns_to_go, rtol=1e-5, atol=1e-5)
    assert found.terminals.any() == (name == "runner") and found.masks.all() == (length == 1)


def test_one_trajectory_as_d3rlpys_object(runner):
    buffer = runner.replay_buffer(seed=8)
    end = int(np.random.default_rng(8).integers(60, size=1)[0])
    expected = BasicTrajectorySlicer()(*buffer.buffer[end], 4)
    found = buffer.sample_trajectory(4)
    for field in ("observations", "actions", "rewards", "terminals", "timesteps", "masks"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field), err_msg=field)


# --- growing online ----------------------------------------------------------------------------------------------------


def stock_like(buffer):
    info = buffer.dataset_info
    return ReplayBuffer(
        InfiniteBuffer(),
        observation_signature=info.observation_signature,
        action_signature=info.action_signature,
        reward_signature=info.reward_signature,
        action_space=info.action_space,
        action_size=info.action_size,
        cache_size=100,
    )


def online_steps(dataset, episodes, seed=0):
    """Random steps (observation, action, reward, end): end is None within an episode, else whether it terminated."""
    rng = np.random.default_rng(seed)
    d = dataset.observations.shape[1]
    for length, terminated in episodes:
        context = dataset.unique_contexts[rng.integers(len(dataset.unique_contexts))]
        for t in range(length):
            seen = np.concatenate([rng.normal(size=d), context]).astype(np.float32)
            discrete = dataset.actions.ndim == 1
            action = int(rng.integers(3)) if discrete else rng.uniform(-1, 1, 1).astype(np.float32)
            yield seen, action, float(rng.normal()), terminated if t == length - 1 else None


def feed(buffer, steps):
    for observation, action, reward, end in steps:
        buffer.append(observation, action, reward)
        if end is not None:
            buffer.clip_episode(end)


def stock_batch(buffer, begin=0):
    picked = [buffer.transition_picker(*buffer.buffer[i]) for i in range(begin, buffer.transition_count)]
    return TransitionMiniBatch.from_transitions(picked)


EPISODES = [(5, True), (4, False), (2, True), (2, False), (7, True), (1, False), (3, False)]


@pytest.mark.parametrize("name", ["runner", "chooser"])
def test_appended_steps_are_those_of_d3rlpys_own_buffer(name, library):
    dataset = library.datasets[name]
    buffer = dataset.replay_buffer()
    before, episodes = buffer.transition_count, buffer.size()
    stock = stock_like(buffer)
    for count, step in enumerate(online_steps(dataset, EPISODES[:5])):
        for each in (buffer, stock):
            feed(each, [step])
        assert buffer.transition_count - before == stock.transition_count, count
        assert buffer.size() - episodes == stock.size(), count
    found = buffer.batch(np.arange(before, buffer.transition_count))
    assert_batches_equal(found, stock_batch(stock))
    assert len(found) == 5 + 3 + 2 + 1 + 7


def test_offline_rows_stay_as_they_are_while_the_buffer_grows(runner):
    buffer = runner.replay_buffer()
    before = all_of(buffer)
    feed(buffer, online_steps(runner, [(9, True)] * 60))  # several doublings of 60 rows
    assert buffer.transition_count == 60 + 540 and buffer.size() == 12 + 60
    assert_batches_equal(buffer.batch(np.arange(60)), before)
    np.testing.assert_array_equal(buffer.batch(np.arange(60)).dreward_dcontext, runner.dreward_dcontext)
    assert np.isnan(buffer.batch(np.arange(60, 600)).dreward_dcontext).all()
    steps = list(online_steps(runner, [(9, True)] * 60))
    np.testing.assert_array_equal(buffer.batch(np.arange(60, 600)).observations, [step[0] for step in steps])


def test_a_single_step_that_terminates_is_kept(runner):
    """d3rlpy's writer forgets such an episode and glues its step to the next one."""
    buffer = runner.replay_buffer()
    feed(buffer, online_steps(runner, [(1, True), (1, True)]))
    assert buffer.transition_count == 62 and buffer.size() == 14
    assert buffer.batch(np.array([60, 61])).terminals[:, 0].tolist() == [1, 1]


def test_a_single_step_that_is_truncated_is_left_out_and_does_not_leak(runner):
    buffer = runner.replay_buffer()
    steps = list(online_steps(runner, [(1, False), (2, True)]))
    feed(buffer, steps)
    found = buffer.batch(np.arange(60, buffer.transition_count))
    np.testing.assert_array_equal(found.observations, [steps[1][0], steps[2][0]])
    np.testing.assert_array_equal(found.next_observations[0], steps[2][0])
    assert buffer.size() == 13


@pytest.mark.parametrize("episodes", [[(5, True)], [(5, False)], [(4, False), (6, True)]])
def test_returns_to_go_of_appended_steps_are_d3rlpys(episodes, runner):
    buffer = runner.replay_buffer()
    stock = stock_like(buffer)
    steps = list(online_steps(runner, episodes))
    for each in (buffer, stock):
        feed(each, steps)
    ours = buffer.batch(np.arange(60, buffer.transition_count)).transitions
    theirs = stock_batch(stock).transitions
    for i, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        assert one.rewards_to_go.sum() == pytest.approx(other.rewards_to_go.sum(), abs=1e-5), i


@pytest.mark.parametrize("terminated", [True, False])
def test_append_episode_is_d3rlpys(terminated, runner):
    buffer = runner.replay_buffer()
    stock = stock_like(buffer)
    rng = np.random.default_rng(1)
    context = np.tile(runner.unique_contexts[1], (6, 1))
    observations = np.concatenate([rng.normal(size=(6, 3)), context], axis=1).astype(np.float32)
    actions, rewards = rng.normal(size=(6, 1)).astype(np.float32), rng.normal(size=(6, 1)).astype(np.float32)
    episode = Episode(observations, actions, rewards, terminated)
    for each in (buffer, stock):
        each.append_episode(episode)
    found = buffer.batch(np.arange(60, buffer.transition_count))
    assert_batches_equal(found, stock_batch(stock))
    assert len(found) == 6 - (not terminated)
    assert buffer.size() == 13 and (found.context_ids == 1).all()
    np.testing.assert_array_equal(found.contexts, context[: len(found)].astype(np.float32))


def test_an_episode_of_another_buffer_of_ours_keeps_its_last_transition(runner):
    buffer, other = runner.replay_buffer(), runner.replay_buffer()
    for episode in other.episodes:
        buffer.append_episode(episode)
    assert buffer.transition_count == 120 and buffer.size() == 24
    alive = np.flatnonzero(~runner.terminations)
    found, truth = buffer.batch(60 + alive), other.batch(alive)
    assert_batches_equal(found, truth)
    np.testing.assert_array_equal(found.context_ids, truth.context_ids)


def test_append_episode_closes_the_one_that_grows(runner):
    buffer = runner.replay_buffer()
    steps = list(online_steps(runner, [(3, True)]))
    feed(buffer, [(*step[:3], None) for step in steps])  # still open: two transitions
    buffer.append_episode(runner.replay_buffer().episodes[0])
    buffer.append(*steps[0][:3])
    buffer.append(*steps[1][:3])
    assert [len(e) for e in buffer.episodes][12:] == [2, 6, 1]


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


def test_where_the_context_is_hidden_that_of_appended_steps_is_unknown(runner):
    buffer = runner.replay_buffer(context="hidden")
    feed(buffer, [(np.ones(3, np.float32), np.zeros(1, np.float32), 1.0, True)])
    found = buffer.batch(np.array([60]))
    assert found.context_ids.tolist() == [-1] and np.isnan(found.contexts).all()
    assert np.isfinite(found.observations).all()


@pytest.mark.parametrize("context", ["append", "hidden"])
def test_observations_of_the_wrong_size_are_refused(context, runner):
    buffer = runner.replay_buffer(context=context)
    wrong = {"append": 3, "hidden": 5}[context]
    with pytest.raises(DatasetError, match=rf"shape \({8 - wrong},\).*found \({wrong},\).*AppendContext"):
        buffer.append(np.zeros(wrong, np.float32), np.zeros(1, np.float32), 0.0)


def test_actions_of_the_wrong_size_are_refused(runner):
    buffer = runner.replay_buffer()
    with pytest.raises(DatasetError, match="action"):
        buffer.append(np.zeros(5, np.float32), np.zeros(2, np.float32), 0.0)


def test_trajectories_see_appended_steps(runner):
    buffer = runner.replay_buffer(seed=0)
    buffer.sample_trajectory_batch(4, 3)  # the running sum of rewards is kept from here ...
    feed(buffer, online_steps(runner, [(50, True)] * 10))  # ... and must not be
    found = buffer.sample_trajectory_batch(300, 3)
    assert found.timesteps.max() > 40
    remaining = [e.rewards[int(t) - 1 :].sum() for e in buffer.episodes[12:] for t in range(1, 51)]
    late = found.timesteps[:, -1] > 6
    for value in found.returns_to_go[late, -1, 0]:
        assert np.isclose(value, remaining, atol=1e-3).any()


# --- together with d3rlpy's own ----------------------------------------------------------------------------------------


def stock_buffer(dataset):
    """A stock buffer of d3rlpy with recognisable observations (all 7) of the same shape."""
    d = dataset.replay_buffer().dataset_info.observation_signature.shape[0][0]
    observations = np.full((6, d), 7, np.float32)
    return create_infinite_replay_buffer(
        [Episode(observations, np.zeros((6, 1), np.float32), np.ones((6, 1), np.float32), True)]
    )


@pytest.mark.parametrize("ours_first", [True, False])
def test_mixed_replay_buffer_both_ways_round(ours_first, runner):
    ours, stock = runner.replay_buffer(), stock_buffer(runner)
    pair = (ours, stock) if ours_first else (stock, ours)
    mixed = MixedReplayBuffer(*pair, secondary_mix_ratio=0.25)
    batch = mixed.sample_transition_batch(40)
    from_stock = (batch.observations == 7).all(axis=1)
    assert from_stock.sum() == (10 if ours_first else 30)
    truth = {row.tobytes() for row in all_of(ours).observations}
    assert all(row.tobytes() in truth for row in batch.observations[~from_stock])
    trajectories = mixed.sample_trajectory_batch(40, 3)
    assert trajectories.observations.shape == (40, 3, 5)
    assert mixed.transition_count == 66 and len(mixed.episodes) == 13
    mixed.append(np.zeros(5, np.float32), np.zeros(1, np.float32), 0.0)
    mixed.clip_episode(True)
    assert ours.transition_count == (61 if ours_first else 60)


@pytest.mark.parametrize("name", ["runner", "chooser"])
def test_dump_is_read_by_d3rlpy_with_every_transition(name, library):
    buffer = library.datasets[name].replay_buffer()
    file = io.BytesIO()
    buffer.dump(file)
    file.seek(0)
    stock = ReplayBuffer.load(file, InfiniteBuffer())
    truth, found = all_of(buffer), stock_batch(stock)
    assert stock.transition_count == buffer.transition_count and stock.size() == buffer.size()
    for field in ("observations", "actions", "rewards", "terminals"):
        np.testing.assert_array_equal(getattr(found, field), getattr(truth, field), err_msg=field)
    alive = truth.terminals[:, 0] == 0
    np.testing.assert_array_equal(found.next_observations[alive], truth.next_observations[alive])
    assert stock.dataset_info.action_space == buffer.dataset_info.action_space
    for one, other in zip(truth.transitions, found.transitions, strict=True):
        assert one.rewards_to_go.sum() == pytest.approx(other.rewards_to_go.sum(), abs=1e-5)


def test_our_load_gives_d3rlpys_buffer(runner):
    buffer = runner.replay_buffer()
    file = io.BytesIO()
    buffer.dump(file)
    file.seek(0)
    found = type(buffer).load(file, InfiniteBuffer())
    assert isinstance(found, ReplayBuffer) and found.transition_count == 60


# --- scaling, context modes, augmentation ------------------------------------------------------------------------------


def test_observation_scaler_standardises_by_the_data_and_contexts_by_the_bounds(runner):
    buffer = runner.replay_buffer()
    scaler = buffer.observation_scaler()
    assert scaler.built
    observations = all_of(buffer).observations
    scaled = scaler.transform(torch.as_tensor(observations)).numpy()
    np.testing.assert_allclose(scaled[:, :3].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled[:, :3].std(axis=0), 1, atol=1e-2)  # d3rlpy adds 1e-3 to the deviation
    space = runner.context_space
    expected = (runner.contexts - space.default) / ((space.high - space.low) / 2 + 1e-3)
    np.testing.assert_allclose(scaled[:, 3:], expected, atol=1e-5)


def test_observation_scaler_is_finite_and_moderate_on_a_single_context(datasets_path):
    dataset = offctx.collect("testing/Runner-v0", "test/x-v0", contexts=[0.5, 0.0], seed=0, progress=False)
    buffer = dataset.replay_buffer()
    scaler = buffer.observation_scaler()
    elsewhere = all_of(buffer).observations.copy()
    elsewhere[:, 3:] = runner_bounds = dataset.context_space.high.astype(np.float32)
    scaled = scaler.transform(torch.as_tensor(elsewhere)).numpy()
    assert np.isfinite(scaled).all() and np.abs(scaled[:, 3:]).max() < 3, runner_bounds


def test_observation_scaler_of_a_hidden_context(runner):
    scaler = runner.replay_buffer(context="hidden").observation_scaler()
    np.testing.assert_allclose(scaler.mean, runner.observations.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(scaler.std, runner.observations.std(axis=0), rtol=1e-4)


def test_an_unbounded_context_is_scaled_by_one(runner):
    space = offctx.ContextSpace(["speed", "wind"], (-np.inf, -1.0), (np.inf, 1.0), (0.5, 0.0))
    scaler = dataclasses.replace(runner, context_space=space).replay_buffer().observation_scaler()
    assert scaler.std[3:].tolist() == [1, 1] and scaler.mean[3:].tolist() == [0.5, 0]


def test_context_mode_is_checked(runner):
    with pytest.raises(PolicyError, match='"append" or "hidden"; found \'shown\''):
        runner.replay_buffer(context="shown")


def test_discrete_actions_that_do_not_start_at_zero_are_refused(datasets_path):
    dataset = offctx.collect("testing/ChooserFromOne-v0", "test/x-v0", seed=0, progress=False)
    with pytest.raises(DatasetError, match=r"from 0; test/x-v0 has Discrete\(3, start=1\)"):
        dataset.replay_buffer()


def test_cse_without_derivatives_is_refused_when_the_buffer_is_made(datasets_path):
    dataset = offctx.collect("testing/Underived-v0", "test/x-v0", seed=0, gradients=False, progress=False)
    with pytest.raises(DerivativeError, match=r"CSE needs .*test/x-v0.*gradients=True"):
        dataset.replay_buffer(augmentation=CSE(0.1))


def test_cse_refuses_trajectories_and_online_steps(runner):
    buffer = runner.replay_buffer(augmentation=CSE(0.1))
    with pytest.raises(DerivativeError, match="single transitions, not trajectories"):
        buffer.sample_trajectory_batch(4, 3)
    with pytest.raises(DerivativeError, match="single transitions, not trajectories"):
        buffer.sample_trajectory(3)
    with pytest.raises(DerivativeError, match=r"CSE needs .*steps appended online"):
        buffer.append(np.zeros(5), np.zeros(1), 0.0)
    with pytest.raises(DerivativeError, match=r"CSE needs .*steps appended online"):
        buffer.append_episode(buffer.episodes[0])


def test_cse_changes_sampled_batches_and_only_those(runner):
    buffer = runner.replay_buffer(augmentation=CSE(0.1), seed=2)
    plain = runner.replay_buffer(seed=2)
    moved, base = buffer.sample_transition_batch(64), plain.sample_transition_batch(64)
    dc = moved.contexts - base.contexts
    assert (np.linalg.norm(dc, axis=1) > 0).all() and np.linalg.norm(dc, axis=1).max() <= 0.1 + 1e-6
    np.testing.assert_array_equal(moved.observations[:, :3], base.observations[:, :3])
    np.testing.assert_array_equal(moved.observations[:, 3:], moved.contexts)
    np.testing.assert_array_equal(moved.next_observations[:, 3:], moved.contexts)
    shift = np.einsum("bop,bp->bo", base.dnext_observation_dcontext, dc)
    np.testing.assert_allclose(moved.next_observations[:, :3], base.next_observations[:, :3] + shift, atol=1e-5)
    gain = np.einsum("bp,bp->b", base.dreward_dcontext, dc)
    np.testing.assert_allclose(moved.rewards[:, 0], base.rewards[:, 0] + gain, atol=1e-5)
    np.testing.assert_array_equal(moved.actions, base.actions)
    assert_batches_equal(all_of(buffer), all_of(plain))


def test_any_function_of_a_batch_augments(runner):
    def double(batch, rng):
        return dataclasses.replace(batch, rewards=batch.rewards * 2)

    found = runner.replay_buffer(augmentation=double, seed=1).sample_transition_batch(32)
    np.testing.assert_array_equal(found.rewards, 2 * runner.replay_buffer(seed=1).sample_transition_batch(32).rewards)


# --- batches with equally many of each label -----------------------------------------------------------------------------


def test_stratified_batches_have_equally_many_of_each_label(runner):
    buffer = runner.replay_buffer(seed=3)
    labels = buffer.table["context_ids"]
    assert np.bincount(labels).tolist() == [24, 12, 24]
    view = buffer.stratified(labels)
    assert np.bincount(view.sample_transition_batch(12).context_ids).tolist() == [4, 4, 4]
    extra = np.stack([np.bincount(view.sample_transition_batch(10).context_ids, minlength=3) - 3 for _ in range(300)])
    assert set(extra.ravel()) == {0, 1} and (extra.sum(axis=1) == 1).all()
    assert (abs(extra.sum(axis=0) - 100) < 40).all()  # who gets what is left over is chance
    small = [view.sample_transition_batch(1).context_ids.item() for _ in range(50)]
    assert set(small) == {0, 1, 2}


def test_stratified_batches_are_uniform_within_a_label(runner):
    buffer = runner.replay_buffer(seed=1)
    index = {row.tobytes(): i for i, row in enumerate(all_of(buffer).observations)}
    drawn = buffer.stratified(buffer.table["context_ids"]).sample_transition_batch(36_000).observations
    found = np.bincount([index[row.tobytes()] for row in drawn], minlength=60)
    expected = np.where(runner.context_ids == 1, 1000, 500)  # 12 rows in context 1, 24 in the others
    chi2 = ((found - expected) ** 2 / expected).sum()
    assert 23 < chi2 < 108  # 57 degrees of freedom


def test_stratified_follows_any_labels_and_leaves_out_negative_ones(runner):
    buffer = runner.replay_buffer(seed=3)
    labels = np.full(60, -1)
    labels[[5, 17, 40]] = [7, 2, 7]
    found = buffer.stratified(labels).sample_transition_batch(40)
    row = {all_of(buffer).observations[i].tobytes(): i for i in (5, 17, 40)}
    drawn = np.bincount([row[seen.tobytes()] for seen in found.observations], minlength=41)
    assert drawn[17] == 20 and drawn[5] + drawn[40] == 20 and min(drawn[5], drawn[40]) > 3


def test_a_stratified_view_augments_and_leaves_its_buffer_alone(runner):
    buffer, plain = (runner.replay_buffer(seed=2, augmentation=CSE(0.1)) for _ in range(2))
    view = buffer.stratified(buffer.table["context_ids"])
    moved = view.sample_transition_batch(30)
    assert not np.isin(moved.contexts, runner.contexts.astype(np.float32)).all()
    assert view.transition_count == 60 and view.size() == 12 and len(view.episodes) == 12
    assert_batches_equal(all_of(view), all_of(plain))
    fresh = runner.replay_buffer(seed=2, augmentation=CSE(0.1))
    fresh.stratified(fresh.table["context_ids"])  # making a view draws nothing, and the buffer goes on as it was
    assert_batches_equal(fresh.sample_transition_batch(16), plain.sample_transition_batch(16))


def test_stratified_draws_follow_the_seed(runner):
    def drawn(seed):
        buffer = runner.replay_buffer(seed=seed)
        return buffer.stratified(buffer.table["context_ids"]).sample_transition_batch(16).observations

    np.testing.assert_array_equal(drawn(4), drawn(4))
    assert not np.array_equal(drawn(4), drawn(5))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(59, dtype=np.int64), r"one whole number per transition, \(60,\); found int64 \(59,\)"),
        (np.zeros((60, 1), dtype=np.int64), r"found int64 \(60, 1\)"),
        (np.zeros(60), r"one whole number per transition.*found float64 \(60,\)"),
        (np.full(60, -1), "at least one transition with a label >= 0"),
    ],
)
def test_stratified_refuses_labels_that_do_not_fit(labels, message, runner):
    with pytest.raises(DatasetError, match=message):
        runner.replay_buffer().stratified(labels)
