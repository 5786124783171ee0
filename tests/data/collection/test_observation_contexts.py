"""Datasets of what sensors show: the same bytes for every batch, replayed step by step, and rebuilt from their states."""

from typing import Any

import minari
import numpy as np
import pytest

import offctx
from offctx.data.storage.read import read_dataset
from offctx.errors import ContextError, DerivativeError, EnvError

SENSOR: dict[str, Any] = {"noise": (0, 0.5), "gain": (0.5, 2), "distractors": 2}


def env(**more: Any) -> offctx.ObservationContexts:
    return offctx.ObservationContexts("offctx/SimpleDirectionStochastic-v0", **{**SENSOR, **more})


def collect(name: str, source: Any = None, **arguments: Any) -> offctx.ContextualDataset:
    source = env() if source is None else source
    contexts = source.context_space.sample(np.random.default_rng(0), 5)
    return offctx.collect(
        source, f"testing/{name}-v0", contexts=contexts, episodes_per_context=3, seed=4, progress=False, **arguments
    )


@pytest.fixture(autouse=True)
def datasets(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))


def test_the_same_bytes_whatever_the_batch() -> None:
    whole, small = collect("whole"), collect("small", batch_size=2)
    assert whole.metadata.sha256 == small.metadata.sha256
    still, first = collect("still", policy="zero"), whole.contexts[:1]  # a random policy draws for the whole batch
    one = offctx.collect(env(), "testing/one-v0", contexts=first, policy="zero", episodes_per_context=3, seed=4, progress=False)
    assert np.array_equal(one.observations, still.observations[(still.contexts == first).all(axis=1)])


@pytest.mark.parametrize("more", [{}, {"delay": (0, 2)}], ids=["without delay", "with delay"])
def test_each_episode_is_replayed_by_its_seed_and_options(more: Any) -> None:
    collect("replayed", env(**more), gradients=not more)
    again = minari.load_dataset("testing/replayed-v0").recover_environment()
    episodes = read_dataset("testing/replayed-v0").episodes
    ends = np.cumsum(episodes.lengths)
    for e, (end, length) in enumerate(zip(ends, episodes.lengths, strict=True)):
        rows = episodes.observations[end - length + e :][: length + 1]
        observation, _ = again.reset(seed=int(episodes.seeds[e]), options={"context": episodes.options_context[e]})
        assert observation.tobytes() == rows[0].tobytes()
        for t in range(length):
            observation, *_, truncated, _ = again.step(episodes.actions[end - length + t])
            assert observation.tobytes() == rows[t + 1].tobytes()
        assert truncated


def test_the_space_and_its_kinds_are_read_back() -> None:
    collect("kinds")
    space = offctx.load_dataset("testing/kinds-v0").context_space
    assert space.to_dict() == env().context_space.to_dict() and space.kinds["observation_noise"] == ("observation",)


def test_derivatives_are_rebuilt_from_the_states() -> None:
    collected = collect("with")
    collect("without", gradients=False)
    rebuilt = offctx.attach_derivatives("testing/without-v0", env(), progress=False)
    assert np.array_equal(rebuilt.dnext_observation_dcontext, collected.dnext_observation_dcontext)
    assert np.array_equal(rebuilt.dreward_dcontext, collected.dreward_dcontext)
    with pytest.raises(EnvError, match=r"has no infos/state|infos/state is needed"):
        bare = offctx.ObservationContexts("offctx/PendulumGoal-v0", gain=(0.5, 2))
        offctx.envs.ContextualEnv.states_from_observations(bare, np.zeros((1, 3)))


def test_a_delay_is_refused_at_the_door_of_derivatives() -> None:
    delayed = env(delay=(0, 2))
    with pytest.raises(DerivativeError, match=r"because with a delay the next observation shows the past.*gradients=False"):
        collect("delayed", delayed)
    collect("delayed", delayed, gradients=False)
    with pytest.raises(DerivativeError, match="with a delay"):
        offctx.attach_derivatives("testing/delayed-v0", delayed, progress=False)
    with pytest.raises(EnvError, match="CSE cannot move transitions of an environment with a delay"):
        offctx.CSE(0.1, exact=delayed)


def test_cse_moves_the_coordinates_inside_alone() -> None:
    dataset = collect("moved")
    data = dataset.contexts.astype(np.float32)
    for cse in (offctx.CSE(0.3), offctx.CSE(0.3, exact=env())):
        assert cse.check(dataset.context_space).tolist() == [0.3, 0.3, 0, 0]
        buffer = dataset.replay_buffer(augmentation=cse, seed=0)
        batch = buffer.sample_transition_batch(64)
        assert {tuple(row) for row in batch.contexts[:, 2:]} <= {tuple(row) for row in data[:, 2:]}
        assert not {tuple(row) for row in batch.contexts[:, :2]} & {tuple(row) for row in data[:, :2]}
    with pytest.raises(ContextError, match="observation_gain changes the observation, also the one that a transition begins"):
        offctx.CSE([0.1, 0.1, 0, 0.1]).check(dataset.context_space)
    alone = offctx.ContextSpace(["a"], 0, 1, [0], kinds="observation")
    with pytest.raises(ContextError, match="discrete or of kind observation"):
        offctx.CSE(0.1).check(alone)


def test_exact_and_first_order_agree_for_a_small_move() -> None:
    dataset = collect("agree")
    buffers = [dataset.replay_buffer(augmentation=cse, seed=0) for cse in (offctx.CSE(1e-3), offctx.CSE(1e-3, exact=env()))]
    first, exact = (buffer.sample_transition_batch(128) for buffer in buffers)
    assert np.array_equal(first.contexts, exact.contexts)
    np.testing.assert_allclose(first.next_observations, exact.next_observations, atol=2e-5)


def test_evaluation_does_not_depend_on_the_batch() -> None:
    def policy(observations: Any, contexts: Any, rng: Any) -> Any:
        return np.tanh(observations[:, :2])

    contexts = env().context_space.sample(np.random.default_rng(1), 4)
    reports = [
        offctx.evaluate(policy, env(), contexts, episodes=5, seed=0, batch_size=size, progress=False) for size in (None, 3)
    ]
    assert np.array_equal(reports[0].returns["test"], reports[1].returns["test"])
    louder = np.array(contexts)
    louder[:, 2] += 0.2
    other = offctx.evaluate(policy, env(), louder, episodes=5, seed=0, progress=False, extrapolate=True)
    assert not np.array_equal(other.returns["test"], reports[0].returns["test"])
