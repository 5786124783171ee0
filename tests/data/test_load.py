"""load_dataset: what plain Minari recorded, foreign datasets with contexts supplied, combined ones."""

import gymnasium
import h5py
import minari
import numpy as np
import pytest

import offctx
from offctx.envs import CycleContexts
from offctx.errors import ContextError, DatasetError

pytestmark = pytest.mark.filterwarnings("ignore:`.*` is set to None:UserWarning")  # Minari asks for authors
GOALS = np.array([[3.0, 1.0, 1.0, 0.5], [1.0, 2.0, 0.75, 0.0], [3.0, 1.0, 1.0, 0.5], [0.5, 0.5, 0.5, -0.1]])


def record(env, dataset_id, contexts=None, *, seed=0, record_infos=True, episodes=None):
    """Record with Minari's own DataCollector, one episode after the other; returns what went in, episode by episode."""
    collector = minari.DataCollector(env, record_infos=record_infos)
    collector.action_space.seed(seed)
    steps = []
    for e in range(len(contexts) if episodes is None else episodes):
        options = None if contexts is None else {"context": contexts[e]}
        observation, _ = collector.reset(seed=seed + e, options=options)
        over, episode = False, []
        while not over:
            action = collector.action_space.sample()
            after, reward, terminated, truncated, _ = collector.step(action)
            episode.append((observation, action, reward, after, terminated, truncated))
            observation, over = after, terminated or truncated
        steps.append(episode)
    collector.create_dataset(dataset_id)
    collector.close()
    return steps


def assert_holds(dataset, steps):
    """The dataset's transitions are those steps."""
    assert (dataset.episode_ends - dataset.episode_starts).tolist() == [len(episode) for episode in steps]
    columns = zip(*(step for episode in steps for step in episode), strict=True)
    names = ("observations", "actions", "rewards", "next_observations", "terminations", "truncations")
    for name, column in zip(names, columns, strict=True):
        np.testing.assert_array_equal(getattr(dataset, name), np.array(column), err_msg=name)


def pendulum():
    return gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=15)


def test_a_plain_recording_with_infos_carries_its_contexts(datasets_path):
    steps = record(pendulum(), "plain/pendulum-v0", GOALS)
    found = offctx.load_dataset("plain/pendulum-v0")
    assert_holds(found, steps)
    np.testing.assert_array_equal(found.contexts, np.repeat(GOALS, 15, axis=0))
    assert found.context_space == pendulum().unwrapped.context_space
    assert found.metadata is None and not found.has_derivatives
    np.testing.assert_allclose(np.cos(found.states[:, 0]), found.observations[:, 0], atol=1e-6)


def test_a_plain_recording_of_a_stochastic_environment(datasets_path):
    contexts = np.array([[0.5, -0.5], [1.0, 0.0]])
    steps = record(gymnasium.make("offctx/SimpleDirectionStochastic-v0"), "plain/noisy-v0", contexts)
    found = offctx.load_dataset("plain/noisy-v0")
    assert_holds(found, steps)
    drift = found.next_observations - found.observations - found.actions - 0.1 * found.noise[:, :2]
    np.testing.assert_allclose(drift, found.contexts, atol=1e-5)


def test_without_infos_the_reset_options_tell_the_contexts(datasets_path):
    steps = record(pendulum(), "plain/pendulum-v0", GOALS, record_infos=False)
    found = offctx.load_dataset("plain/pendulum-v0")
    assert_holds(found, steps)
    np.testing.assert_array_equal(found.contexts, np.repeat(GOALS, 15, axis=0))
    assert found.states is None


def test_with_infos_no_options_are_needed(datasets_path):
    env = CycleContexts(pendulum(), GOALS)
    steps = record(env, "plain/pendulum-v0", episodes=4)
    found = offctx.load_dataset("plain/pendulum-v0")
    assert_holds(found, steps)
    np.testing.assert_array_equal(found.contexts, np.repeat(GOALS, 15, axis=0))


def test_without_infos_and_options_the_error_says_how(datasets_path):
    record(pendulum(), "plain/pendulum-v0", episodes=3, record_infos=False)
    with pytest.raises(DatasetError, match=r"plain/pendulum-v0 carries no contexts: .*record_infos=True.*\(3, 4\)"):
        offctx.load_dataset("plain/pendulum-v0")
    found = offctx.load_dataset("plain/pendulum-v0", contexts=GOALS[:3])
    np.testing.assert_array_equal(found.episode_context_ids, [0, 1, 0])


def test_an_episode_cut_by_the_collector_is_truncated_with_its_last_transition(datasets_path):
    collector = minari.DataCollector(pendulum(), record_infos=True)
    collector.reset(seed=0, options={"context": GOALS[0]})
    for _ in range(4):
        last = collector.step(np.ones(1, np.float32))
    collector.create_dataset("plain/cut-v0")
    found = offctx.load_dataset("plain/cut-v0")
    assert len(found) == 4 and found.truncations.tolist() == [False] * 3 + [True]
    np.testing.assert_array_equal(found.next_observations[-1], last[0])


GRAVITY = offctx.ContextSpace(["g"], 1.0, 20.0, [10.0], ["m/s^2"])


def foreign_pendulum(seed_of_actions=0):
    contexts = np.array([[10.0], [5.0], [10.0]])
    collector = minari.DataCollector(gymnasium.make("Pendulum-v1", max_episode_steps=20))
    collector.action_space.seed(seed_of_actions)
    steps = []
    for e, context in enumerate(contexts):
        collector.unwrapped.g = float(context[0])
        observation, _ = collector.reset(seed=e)
        episode = []
        for _ in range(20):
            action = collector.action_space.sample()
            after, reward, terminated, truncated, _ = collector.step(action)
            episode.append((observation, action, reward, after, terminated, truncated))
            observation = after
        steps.append(episode)
    collector.create_dataset("foreign/pendulum-v0")
    return contexts, steps


def test_a_foreign_dataset_with_contexts_supplied(datasets_path):
    contexts, steps = foreign_pendulum()
    found = offctx.load_dataset("foreign/pendulum-v0", contexts=contexts, context_space=GRAVITY)
    assert_holds(found, steps)
    np.testing.assert_array_equal(found.contexts, np.repeat(contexts, 20, axis=0))
    np.testing.assert_array_equal(found.context_ids, np.repeat([0, 1, 0], 20))
    batch = found.replay_buffer().batch(np.array([0, 25]))
    np.testing.assert_array_equal(batch.observations[:, -1], [10, 5])


def test_one_context_for_a_whole_foreign_dataset(datasets_path):
    foreign_pendulum()
    found = offctx.load_dataset("foreign/pendulum-v0", contexts=[9.81], context_space=GRAVITY)
    assert (found.contexts == 9.81).all() and found.contexts.shape == (60, 1)


def test_a_foreign_dataset_without_contexts_says_how(datasets_path):
    contexts, _ = foreign_pendulum()
    with pytest.raises(DatasetError, match=r"foreign/pendulum-v0 .*context_space=ContextSpace.*\(3, p\)"):
        offctx.load_dataset("foreign/pendulum-v0")
    with pytest.raises(DatasetError, match=r"context_space=ContextSpace"):
        offctx.load_dataset("foreign/pendulum-v0", contexts=contexts)
    with pytest.raises(DatasetError, match=r"carries no contexts.*\(3, 1\)"):
        offctx.load_dataset("foreign/pendulum-v0", context_space=GRAVITY)


@pytest.mark.parametrize(
    ("contexts", "message"),
    [
        ([[10.0], [5.0]], r"foreign/pendulum-v0 has 3 episodes; expected contexts \(3, 1\), found \(2, 1\)"),
        ([[10.0]] * 4, r"found \(4, 1\)"),
        ([[10.0, 1.0]] * 3, r"expected contexts of shape \(K, 1\)"),
        ([[10.0], [np.nan], [5.0]], "not finite"),
        ([["a"], ["b"], ["c"]], "must be numbers"),
    ],
)
def test_contexts_that_do_not_fit(contexts, message, datasets_path):
    foreign_pendulum()
    with pytest.raises(ContextError, match=message):
        offctx.load_dataset("foreign/pendulum-v0", contexts=contexts, context_space=GRAVITY)


def test_a_foreign_dataset_with_discrete_actions_that_terminates_early(datasets_path):
    space = offctx.ContextSpace(["length"], 0.1, 2.0, 0.5)
    steps = record(gymnasium.make("CartPole-v1"), "foreign/cartpole-v0", episodes=5)
    contexts = np.linspace(0.1, 0.5, 5)[:, None]
    found = offctx.load_dataset("foreign/cartpole-v0", contexts=contexts, context_space=space)
    assert_holds(found, steps)
    assert found.actions.ndim == 1 and found.action_space.n == 2
    assert found.terminations[found.episode_ends - 1].all()
    np.testing.assert_array_equal(found.contexts[found.episode_starts], contexts)


def test_an_info_of_the_same_name_that_is_no_array_does_not_hinder(datasets_path):
    class Text(gymnasium.Wrapper):
        def step(self, action):
            *rest, _ = self.env.step(action)
            return (*rest, {"context": {"kind": 1.0}})

        def reset(self, **options):
            return self.env.reset(**options)[0], {"context": {"kind": 1.0}}

    steps = record(Text(gymnasium.make("Pendulum-v1", max_episode_steps=3)), "foreign/text-v0", episodes=2)
    found = offctx.load_dataset("foreign/text-v0", contexts=[9.0], context_space=GRAVITY)
    assert_holds(found, steps)


def test_other_contexts_go_before_those_that_are_there(library_path, runner):
    given = np.tile([1.0, 0.5], (12, 1))
    found = offctx.load_dataset("test/runner-v0", relabel=given)
    assert found.unique_contexts.tolist() == [[1.0, 0.5]] and found.context_space == runner.context_space


def collect(dataset_id, contexts, seed, env="offctx/SimpleDirection-v0"):
    return offctx.collect(env, dataset_id, contexts=contexts, episodes_per_context=2, seed=seed, progress=False)


def test_combined_datasets_keep_contexts_and_derivatives(datasets_path):
    parts = [collect("test/a-v0", [[0.5, 0], [1, 1]], 0), collect("test/b-v0", [[-1, 0.25], [0.5, 0]], 1)]
    minari.combine_datasets([minari.load_dataset(f"test/{name}-v0") for name in "ab"], "test/both-v0")
    with h5py.File(datasets_path / "test" / "both-v0" / "data" / "main_data.hdf5") as file:
        assert "options/context" not in file["episode_0"].attrs  # so it is the infos that tell
    found = offctx.load_dataset("test/both-v0")
    for name in (
        "observations", "actions", "rewards", "next_observations", "terminations", "truncations", "contexts",
        "dnext_observation_dcontext", "dreward_dcontext", "states",
    ):  # fmt: skip
        expected = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_array_equal(getattr(found, name), expected, err_msg=name)
    assert found.context_space == parts[0].context_space and found.metadata is None
    assert found.unique_contexts.tolist() == [[0.5, 0], [1, 1], [-1, 0.25]]
    assert found.episode_context_ids.tolist() == [0, 0, 1, 1, 2, 2, 0, 0]


def test_combined_datasets_of_an_unknown_environment_ask_for_the_context_space(datasets_path):
    parts = [collect(f"test/{name}-v0", [[0.5, 0.1]], seed, "testing/Runner-v0") for seed, name in enumerate("ab")]
    minari.combine_datasets([minari.load_dataset(f"test/{name}-v0") for name in "ab"], "test/both-v0")
    with pytest.raises(DatasetError, match="context_space=ContextSpace"):
        offctx.load_dataset("test/both-v0")
    found = offctx.load_dataset("test/both-v0", context_space=parts[0].context_space)
    np.testing.assert_array_equal(found.contexts, np.concatenate([part.contexts for part in parts]))
