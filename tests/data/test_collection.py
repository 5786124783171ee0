"""Collection: the same seed gives the same bytes, Minari reads and replays them, and failure leaves nothing behind."""

import json
import os
import time

import gymnasium
import minari
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit
from minari.dataset._storages.hdf5_storage import HDF5Storage

import offctx
from offctx import Mixture
from offctx.data.storage import publish
from offctx.envs import ContextualEnv, SimpleDirection
from offctx.errors import ContextError, DatasetError, DerivativeError, EnvError, PolicyError

RUNNER_CONTEXTS = np.array([[0.5, 0.2], [2.0, -0.4], [0.9, 0.7]])  # truncated, terminated, both at once


class Leaning:
    """A policy with `predict`, a plain function of its inputs; counts how many rows it has seen at once."""

    def __init__(self, actions: int) -> None:
        self.actions = actions

    def predict(self, observations):
        return np.tanh(np.cumsum(observations, axis=1)[:, -self.actions :])


def drawing(observations, contexts, rng):
    return rng.uniform(-1, 1, (len(observations), 2)) * np.abs(contexts[:, :1])


def drawing_one(observations, contexts, rng):
    return rng.normal(contexts[:, :1], 0.5)


def drawing_discrete(observations, contexts, rng):
    return rng.integers(0, 3, len(observations))


CASES = {
    "runner-random": ("testing/Runner-v0", "random", RUNNER_CONTEXTS),
    "runner-mixture": ("testing/Runner-v0", Mixture(["random", Leaning(1), drawing_one], [1, 2, 1]), RUNNER_CONTEXTS),
    "stochastic-predict": ("offctx/SimpleDirectionStochastic-v0", Leaning(2), [[0.5, -0.5], [1, 1]]),
    "stochastic-callable": ("offctx/SimpleDirectionStochastic-v0", drawing, [[0.5, -0.5], [1, 1]]),
    "discrete-callable": ("testing/Chooser-v0", drawing_discrete, [[-0.5], [0.25]]),
}


def collect(env="testing/Runner-v0", dataset_id="test/x-v0", **options):
    options = {"seed": 3, "progress": False, "contexts": None} | options
    return offctx.collect(env, dataset_id, **options)


def collect_bytes(root, monkeypatch, env, policy, contexts, **options):
    root.mkdir()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))
    collect(env, contexts=contexts, policy=policy, episodes_per_context=9, **options)
    data = root / "test" / "x-v0" / "data"
    assert sorted(os.listdir(data)) == ["main_data.hdf5", "metadata.json"]
    return (data / "main_data.hdf5").read_bytes(), (data / "metadata.json").read_bytes()


# --- determinism -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_the_same_seed_gives_the_same_bytes_whatever_the_batch_size(case, tmp_path, monkeypatch):
    env, policy, contexts = CASES[case]
    found = [collect_bytes(tmp_path / str(size), monkeypatch, env, policy, contexts, batch_size=size) for size in (None, 1, 7)]
    assert found[0] == found[1] == found[2]
    data, metadata = collect_bytes(tmp_path / "other seed", monkeypatch, env, policy, contexts, seed=4)
    assert data != found[0][0] and metadata != found[0][1]


def test_the_bytes_do_not_tell_the_time(tmp_path, monkeypatch):
    first = collect_bytes(tmp_path / "1", monkeypatch, *CASES["runner-random"])
    time.sleep(1.1)  # HDF5 time stamps are whole seconds
    assert collect_bytes(tmp_path / "2", monkeypatch, *CASES["runner-random"]) == first


def test_a_mixture_plays_each_episode_with_one_policy_in_the_given_proportions(datasets_path):
    constants = [lambda o, c, r, v=v: np.full((len(o), 1), v) for v in (-0.5, 0.25)]
    found = collect(contexts=[0.5, 0], policy=Mixture(constants, [3, 1]), episodes_per_context=400)
    per_episode = found.actions.reshape(400, 6)
    assert (per_episode == per_episode[:, :1]).all()
    assert set(np.unique(per_episode)) == {-0.5, 0.25}
    assert abs((per_episode[:, 0] == -0.5).mean() - 0.75) < 4 * np.sqrt(0.75 * 0.25 / 400)
    assert found.metadata.behaviour.weights == [0.75, 0.25]


def test_a_collected_dataset_equals_the_one_loaded(datasets_path):
    collected = collect(contexts=RUNNER_CONTEXTS)
    loaded = offctx.load_dataset("test/x-v0", cache=False)
    for name, value in vars(collected).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(loaded, name), err_msg=name)
    assert loaded.metadata == collected.metadata and loaded.context_space == collected.context_space


# --- plain Minari ------------------------------------------------------------------------------------------------------


def replay(env, dataset_id):
    """Play every episode again as plain Minari tells it; how many steps were compared."""
    dataset = minari.load_dataset(dataset_id)
    steps = 0
    metadata = dataset.storage.get_episode_metadata(dataset.episode_indices)
    for episode, start in zip(dataset.iterate_episodes(), metadata, strict=True):
        observation, info = env.reset(seed=start["seed"], options=start["options"])
        for t in range(len(episode) + 1):
            np.testing.assert_array_equal(observation, episode.observations[t])
            for key in info:
                np.testing.assert_array_equal(info[key], episode.infos[key][t], err_msg=key)
            if t == len(episode):
                break
            observation, reward, terminated, truncated, info = env.step(episode.actions[t])
            assert reward == episode.rewards[t]
            assert (terminated, truncated) == (episode.terminations[t], episode.truncations[t])
            steps += 1
        assert terminated or truncated
    return steps


@pytest.mark.parametrize("case", CASES)
def test_minari_lists_reads_and_replays_every_step(case, datasets_path):
    env_id, policy, contexts = CASES[case]
    collected = collect(env_id, contexts=contexts, policy=policy, episodes_per_context=3)
    assert list(minari.list_local_datasets()) == ["test/x-v0"]
    dataset = minari.load_dataset("test/x-v0")
    assert (dataset.total_episodes, dataset.total_steps) == (3 * len(contexts), len(collected))
    env = dataset.recover_environment()
    assert env.spec.id == env_id
    assert replay(env, "test/x-v0") == len(collected)


def test_an_extrapolated_context_is_stored_and_replays_too(datasets_path):
    found = collect("offctx/SimpleDirection-v0", contexts=[3.0, 0.0], extrapolate=True)
    assert found.contexts[0].tolist() == [3.0, 0.0]
    assert replay(minari.load_dataset("test/x-v0").recover_environment(), "test/x-v0") == 10


def test_a_factory_without_an_id_is_collected_and_read_by_minari(datasets_path):
    collect(lambda: TimeLimit(SimpleDirection(), 4))
    assert len(minari.load_dataset("test/x-v0")[0]) == 4


# --- contents ----------------------------------------------------------------------------------------------------------


def test_derivatives_row_zero_is_zero_and_row_t_plus_1_is_transition_t(datasets_path):
    collected = collect(contexts=RUNNER_CONTEXTS, policy="random", episodes_per_context=2)
    env = gymnasium.make("testing/Runner-v0").unwrapped
    for episode in minari.load_dataset("test/x-v0").iterate_episodes():
        infos = episode.infos
        dnext, dreward = env.derivatives(infos["state"][:-1], episode.actions, infos["context"][:-1])
        assert np.abs(dnext).sum() > 0 and np.abs(dreward).sum() > 0
        assert not infos["dnext_observation_dcontext"][0].any() and not infos["dreward_dcontext"][0].any()
        np.testing.assert_array_equal(infos["dnext_observation_dcontext"][1:], dnext.astype(np.float32))
        np.testing.assert_array_equal(infos["dreward_dcontext"][1:], dreward.astype(np.float32))
    dnext, dreward = env.derivatives(collected.states, collected.actions, collected.contexts)
    np.testing.assert_array_equal(collected.dnext_observation_dcontext, dnext.astype(np.float32))
    np.testing.assert_array_equal(collected.dreward_dcontext, dreward.astype(np.float32))


def test_derivatives_of_a_stochastic_family_hold_the_recorded_noise(datasets_path):
    found = collect("offctx/SimpleDirectionStochastic-v0", contexts=[0.5, -0.5])
    env = gymnasium.make("offctx/SimpleDirectionStochastic-v0").unwrapped
    _, dreward = env.derivatives(found.states, found.actions, found.contexts, found.noise)
    np.testing.assert_array_equal(found.dreward_dcontext, dreward.astype(np.float32))
    # r = s' . c + noise: its derivative is s' + c, where s' contains the noise (after the observation's rounding)
    np.testing.assert_allclose(dreward, found.next_observations + found.contexts, atol=1e-6)


def test_without_gradients_nothing_is_stored_for_them(datasets_path):
    found = collect("testing/Underived-v0", gradients=False)
    assert not found.has_derivatives and found.metadata.derivatives is None
    assert set(minari.load_dataset("test/x-v0")[0].infos) == {"context", "state"}


SPACE = SimpleDirection.context_space


@pytest.mark.parametrize(
    ("contexts", "expected"),
    [
        (None, [[0, 0]]),
        ([0.5, -0.5], [[0.5, -0.5]]),
        ({"c_y": 0.25}, [[0, 0.25]]),
        ([{"c_x": 1}, {"c_y": -1}], [[1, 0], [0, -1]]),
        (SPACE.mesh(c_x=[-1, 0, 1], c_y=[0, 1]), [[-1, 0], [-1, 1], [0, 0], [0, 1], [1, 0], [1, 1]]),
        (SPACE.sweep("c_x", 3), [[-1, 0], [0, 0], [1, 0]]),
        (SPACE.local(5, 0.2, np.random.default_rng(0)), SPACE.local(5, 0.2, np.random.default_rng(0)).tolist()),
    ],
    ids=["default", "single", "names", "list of names", "mesh", "sweep", "ldr"],
)
def test_every_kind_of_contexts(contexts, expected, datasets_path):
    found = collect("offctx/SimpleDirection-v0", contexts=contexts, episodes_per_context=2)
    np.testing.assert_array_equal(found.unique_contexts, expected)
    np.testing.assert_array_equal(found.episode_context_ids, np.repeat(np.arange(len(expected)), 2))
    np.testing.assert_array_equal(found.contexts, np.repeat(expected, 20, axis=0))
    # and it is the context that was played: s' = s + a + c
    drift = found.next_observations - found.observations - found.actions
    np.testing.assert_allclose(drift, found.contexts, atol=1e-5)


def test_episodes_that_terminate_early(datasets_path):
    found = collect(contexts=RUNNER_CONTEXTS, episodes_per_context=2)
    assert (found.episode_ends - found.episode_starts).tolist() == [6, 6, 3, 3, 6, 6]
    last = found.episode_ends - 1
    assert found.terminations[last].tolist() == [False, False, True, True, True, True]
    assert found.truncations[last].tolist() == [True, True, False, False, True, True]
    assert found.terminations.sum() == 4 and found.truncations.sum() == 4
    assert (found.next_observations[last, 0] >= 5).tolist() == found.terminations[last].tolist()


def test_discrete_actions(datasets_path):
    found = collect("testing/Chooser-v0", episodes_per_context=20)
    assert found.actions.shape == (120,) and found.actions.dtype == np.int64
    assert set(found.actions) == {0, 1, 2}
    moved = found.next_observations[:, 0] - found.observations[:, 0]
    np.testing.assert_allclose(moved, found.actions - 1, atol=1e-6)


def test_discrete_actions_that_start_at_one(datasets_path):
    found = collect("testing/ChooserFromOne-v0", episodes_per_context=20)
    assert set(found.actions) == {1, 2, 3}


def test_float64_observations_stay_float64(datasets_path):
    found = collect("testing/Precise-v0", contexts=RUNNER_CONTEXTS)
    for name in ("observations", "next_observations", "dnext_observation_dcontext"):
        assert getattr(found, name).dtype == np.float64, name
    np.testing.assert_array_equal(found.observations[:, :2], found.states)  # to the last bit
    assert (found.observations != found.observations.astype(np.float32)).any()
    assert replay(minari.load_dataset("test/x-v0").recover_environment(), "test/x-v0") == len(found)


def test_predict_gets_the_context_appended_or_not(datasets_path):
    seen = []

    class Watching:
        def predict(self, observations):
            seen.append(np.array(observations))
            return np.zeros((len(observations), 1))

    collect(contexts=[0.5, 0.25], policy=Watching(), context="append")
    assert seen[0].shape == (1, 5) and seen[0][0, 3:].tolist() == [0.5, 0.25] and len(seen) == 6
    seen.clear()
    collect(dataset_id="test/x-v1", contexts=[0.5, 0.25], policy=Watching(), context="hidden")
    assert seen[0].shape == (1, 3)


# --- refusals ----------------------------------------------------------------------------------------------------------


class Exploding(SimpleDirection):
    """Its derivative at c = 0 is infinite, its values are not."""

    def reward(self, state, action, next_state, context):
        return (context**2).sum(-1).sqrt().sqrt()


class Endless(SimpleDirection):
    """Gives infinite rewards."""

    def reward(self, state, action, next_state, context):
        return next_state.sum(-1) * np.inf


REFUSALS = {
    "NaN context": (dict(contexts=[np.nan, 0]), ContextError, "not finite"),
    "wrong-sized context": (dict(contexts=[[1, 2, 3]]), ContextError, r"shape \(K, 2\).*found shape \(1, 3\)"),
    "no context": (dict(contexts=np.zeros((0, 2))), ContextError, "K >= 1"),
    "text": (dict(contexts="fast"), ContextError, "must be numbers"),
    "unknown name": (dict(contexts={"gravity": 1}), ContextError, "unknown context name 'gravity'.*'c_x', 'c_y'"),
    "out of bounds": (dict(contexts=[[0, 0], [0, 1.5]]), ContextError, r"c_y=1\.5.*row 1.*out of bounds.*\[-1, 1\]"),
    "NaN action": (dict(policy=lambda o, c, r: np.full((len(o), 2), np.nan)), PolicyError, "must be finite; found nan"),
    "wrong shape": (dict(policy=lambda o, c, r: np.zeros((len(o), 3))), PolicyError, r"shape \(1, 2\); found \(1, 3\)"),
    "wrong input size": (dict(policy=Leaning(5)), PolicyError, r"expected actions of shape \(1, 2\)"),
    "no policy": (dict(policy=3), PolicyError, "found int"),
    "unknown policy": (dict(policy="expert"), PolicyError, "'expert'"),
    "malformed id": (dict(dataset_id="no version"), DatasetError, "malformed dataset id 'no version'"),
    "id without version": (dict(dataset_id="test/x"), DatasetError, "malformed dataset id 'test/x'"),
    "id that climbs out": (dict(dataset_id="../x-v0"), DatasetError, "malformed dataset id"),
    "no id": (dict(dataset_id=None), DatasetError, "malformed dataset id None"),
    "no derivatives": (dict(env="testing/Underived-v0"), DerivativeError, "gradients=False"),
    "infinite derivatives": (dict(env=lambda: TimeLimit(Exploding(), 5)), DerivativeError, "not finite.*c_x=0"),
    "infinite rewards": (dict(env=lambda: TimeLimit(Endless(), 5)), EnvError, "reward that is not finite"),
    "no time limit": (dict(env=SimpleDirection), EnvError, "no time limit"),
    "unknown environment": (dict(env="offctx/Nothing-v0"), EnvError, "Nothing"),
    "foreign environment": (dict(env="CartPole-v1"), EnvError, "CartPoleEnv"),
    "no episodes": (dict(episodes_per_context=0), DatasetError, "episodes_per_context.*at least 1; found 0"),
    "no batch": (dict(batch_size=0), DatasetError, "batch_size.*at least 1; found 0"),
    "context mode": (dict(context="shown"), PolicyError, '"append" or "hidden"'),
}


@pytest.mark.usefixtures("no_new_files")
@pytest.mark.parametrize("case", REFUSALS)
def test_bad_input_is_refused_and_writes_nothing(case, datasets_path):
    arguments, error, message = REFUSALS[case]
    with pytest.raises(error, match=message):
        collect(**({"env": "offctx/SimpleDirection-v0"} | arguments))


def test_a_taken_id_is_refused_with_a_free_one_and_the_dataset_there_stays(datasets_path, tree):
    collect()
    before = tree(datasets_path)
    with pytest.raises(DatasetError, match=r"'test/x-v0' is taken.*'test/x-v1'"):
        collect(seed=99)
    assert tree(datasets_path) == before


def test_an_id_taken_while_playing_is_refused_and_the_other_dataset_stays(datasets_path, tree):
    def rival(observations, contexts, rng):
        if not (datasets_path / "test").exists():
            collect(seed=99)
        return np.zeros((len(observations), 1))

    with pytest.raises(DatasetError, match=r"'test/x-v0'.*taken"):
        collect(policy=rival)
    collect_alone = offctx.load_dataset("test/x-v0", cache=False)
    assert collect_alone.metadata.recipe["seed"] == 99
    assert not [name for name in tree(datasets_path) if "staging" in name]


@pytest.mark.usefixtures("no_new_files")
def test_an_error_of_the_policy_itself_passes_through_and_writes_nothing(datasets_path):
    with pytest.raises(ZeroDivisionError):
        collect(policy=lambda o, c, r: 1 / 0)


def test_an_environment_that_is_not_one_dimensional_is_refused_before_it_is_played(datasets_path, tree):
    class Square(ContextualEnv):
        context_space = SPACE
        observation_space = gymnasium.spaces.Box(-1, 1, (2, 2))
        action_space = gymnasium.spaces.Box(-1, 1, (1,))

        def initial_state(self, rng, context):
            raise AssertionError("played")

    with pytest.raises(DatasetError, match="1-D Box observations"):
        collect(lambda: TimeLimit(Square(), 3), gradients=False)
    assert tree(datasets_path) == {}


# --- interrupts --------------------------------------------------------------------------------------------------------


def interrupt_at(step):
    def policy(observations, contexts, rng):
        policy.calls += 1
        if policy.calls == step:
            raise KeyboardInterrupt
        return np.zeros((len(observations), 1))

    policy.calls = 0
    return policy


@pytest.mark.usefixtures("no_new_files")
def test_an_interrupt_while_playing_leaves_nothing_and_says_so(datasets_path):
    with pytest.raises(KeyboardInterrupt, match="test/x-v0 was interrupted: nothing was written"):
        collect(policy=interrupt_at(5))


@pytest.mark.usefixtures("no_new_files")
def test_an_interrupt_while_writing_leaves_nothing_and_says_so(datasets_path, monkeypatch):
    write = HDF5Storage.update_episodes

    def half(self, episodes):
        write(self, [episode for e, episode in enumerate(episodes) if e < 2])
        assert list(datasets_path.rglob("main_data.hdf5"))  # something is there when it strikes
        raise KeyboardInterrupt

    monkeypatch.setattr(HDF5Storage, "update_episodes", half)
    with pytest.raises(KeyboardInterrupt, match="nothing was written"):
        collect(episodes_per_context=4)


def test_after_an_interrupt_the_same_id_can_be_collected(datasets_path):
    with pytest.raises(KeyboardInterrupt):
        collect(policy=interrupt_at(2))
    assert len(collect()) == 6


@pytest.mark.parametrize("where", ["create_namespace", "list_local_namespaces"])
def test_an_interrupt_after_the_dataset_has_appeared_does_not_claim_that_nothing_was_written(where, datasets_path, monkeypatch):
    def strike(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(publish, where, strike)
    with pytest.raises(KeyboardInterrupt) as caught:
        collect()
    assert ("nothing was written" in str(caught.value)) == (not (datasets_path / "test" / "x-v0").exists())


def test_metadata_tell_how_it_was_made(datasets_path):
    found = collect(contexts=RUNNER_CONTEXTS, episodes_per_context=2, policy=Leaning(1), description="For a test.")
    raw = json.loads((datasets_path / "test" / "x-v0" / "data" / "metadata.json").read_text())
    assert raw["dataset_id"] == "test/x-v0" and raw["description"] == "For a test."
    assert found.metadata.env == "testing/Runner-v0" and found.metadata.horizon == 6
    assert found.metadata.behaviour.policies == ["Leaning"]
    assert found.metadata.recipe == {
        "episodes_per_context": 2,
        "seed": 3,
        "contexts": 3,
        "gradients": True,
        "extrapolate": False,
    }
    assert found.metadata.space() == found.context_space
    assert raw["offctx"]["sha256"] == found.metadata.sha256
