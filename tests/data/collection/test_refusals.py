"""Bad input is refused, and writes nothing."""

import shutil

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

import offctx
from offctx.data.collection import size
from offctx.envs import ContextualEnv, SimpleDirection
from offctx.errors import ContextError, DatasetError, DerivativeError, EnvError, PolicyError
from tests.data.collection.helpers import SPACE, Leaning, collect


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


@pytest.mark.usefixtures("no_new_files")
def test_episodes_that_find_no_room_are_refused_before_they_are_played(datasets_path, monkeypatch):
    with pytest.raises(
        DatasetError, match=r"1,000,000,000,000 episodes, 250,000,000,000 in each of 4 contexts\. .* 1000\.0 TB"
    ):
        collect(contexts=[[1.0, 0.0]] * 4, episodes_per_context=250 * 10**9)
    monkeypatch.setattr(size, "machine_memory", lambda: 10**6)
    with pytest.raises(DatasetError, match=r"100,000 episodes.*5\.6 MB of memory: this machine has 1\.0 MB"):
        collect(episodes_per_context=100_000)


def test_a_taken_id_is_refused_with_a_free_one_and_the_dataset_there_stays(datasets_path, tree):
    collect()
    before = tree(datasets_path)
    with pytest.raises(DatasetError, match=r"'test/x-v0' is taken.*'test/x-v1'"):
        collect(seed=99)
    assert tree(datasets_path) == before


def test_an_id_taken_while_playing_is_refused_and_the_other_dataset_stays(datasets_path, tree):
    def rival(observations, contexts, rng):
        if not (datasets_path / "test").exists():
            collect("testing/Runner-v0", "other/x-v0", seed=99)
            shutil.move(datasets_path / "other", datasets_path / "test")  # by a program that takes no lock
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
