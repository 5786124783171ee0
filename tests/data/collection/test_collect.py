"""Collection: the same seed gives the same bytes, and every array is what was played."""

import json
import os
import time

import gymnasium
import minari
import numpy as np
import pytest

import offctx
from offctx import Mixture
from tests.data.collection.helpers import CASES, RUNNER_CONTEXTS, SPACE, Leaning, collect, replay


def collect_bytes(root, monkeypatch, env, policy, contexts, **options):
    root.mkdir()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))
    collect(env, contexts=contexts, policy=policy, episodes_per_context=9, **options)
    data = root / "test" / "x-v0" / "data"
    assert sorted(os.listdir(data)) == ["main_data.hdf5", "metadata.json"]
    return (data / "main_data.hdf5").read_bytes(), (data / "metadata.json").read_bytes()


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
