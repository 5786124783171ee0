"""What attach_derivatives refuses; nothing is changed."""

import json
import os

import h5py
import numpy as np
import pytest

from offctx.envs import PendulumGoal, SimpleDirection
from offctx.errors import ContextError, DatasetError, DerivativeError, EnvError
from tests.data.derivatives.helpers import ID, attach, collect, edit_metadata, file_of, visible


def spoil(key, row, value):
    def change(root):
        edit_metadata(root, offctx=None)
        with h5py.File(file_of(root), "a") as data:
            data[key][row] = value

    return change


def without_env(root):
    raw = json.loads(file_of(root).with_name("metadata.json").read_text())
    edit_metadata(root, offctx=raw["offctx"] | {"env": "elsewhere/Thing-v0"})


BAD = {
    "an id that is not there": (None, {"dataset_id": "test/nothing-v0"}, DatasetError, "no dataset 'test/nothing-v0'"),
    "a malformed id": (None, {"dataset_id": "no id"}, DatasetError, "malformed dataset id"),
    "a new id that is taken": (None, {"new_id": ID}, DatasetError, "is taken"),
    "a malformed new id": (None, {"new_id": "x"}, DatasetError, "malformed dataset id"),
    "batches of nothing": (None, {"batch_size": 0}, DatasetError, "batch_size must be a whole number, at least 1"),
    "a file cut short": (lambda root: os.truncate(file_of(root), 4000), {}, DatasetError, "truncated or foreign"),
    "another format": (
        lambda root: edit_metadata(root, data_format="arrow"),
        {},
        DatasetError,
        "stored as 'arrow'; .* in hdf5",
    ),
    "no file": (lambda root: file_of(root).unlink(), {}, DatasetError, "truncated or foreign"),
    "NaN in observations": (
        spoil("episode_1/observations", 3, np.nan),
        {},
        DatasetError,
        "episode 1 holds a number that is not",
    ),
    "NaN in states": (spoil("episode_0/infos/state", 3, np.nan), {}, DatasetError, "infos/state of episode 0 holds a number"),
    "NaN in actions": (spoil("episode_0/actions", 3, np.nan), {}, DatasetError, "actions of episode 0 holds a number"),
    "other rewards": (spoil("episode_2/rewards", 3, 7.0), {}, DatasetError, "is not what .* does in these contexts"),
    "other states": (spoil("episode_2/infos/state", 3, 7.0), {}, DatasetError, "is not what .* does in these contexts"),
    "an environment unknown to us": (without_env, {}, DatasetError, r"pass env=, which was gymnasium\.make"),
    "another environment": (
        None,
        {"env": "offctx/PendulumGoal-v0"},
        DatasetError,
        r"contexts of test/x-v0 are \['c_x', 'c_y'\]",
    ),
    "other observations": (
        lambda root: edit_metadata(root, offctx=None),
        {"env": "offctx/PendulumGoal-v0", "contexts": [2.0, 1.0, 1.0, 0.0]},
        DatasetError,
        "observation_space of test/x-v0 is .* another environment",
    ),
    "no derivatives to be had": (None, {"env": "testing/Underived-v0"}, DerivativeError, "has no context derivatives"),
    "no environment": (None, {"env": "CartPole-v1"}, EnvError, "expected the id or factory of an offctx"),
    "a context out of bounds": (None, {"contexts": [0.0, 3.0]}, ContextError, r"c_y must lie in \[-1, 1\]"),
    "too many contexts": (None, {"contexts": np.zeros((7, 2))}, ContextError, r"has 3 episodes; expected contexts \(3, 2\)"),
    "contexts other than its own": (None, {"contexts": [0.5, 0.5]}, DatasetError, "carries contexts, and they are not"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused_at_the_door(name, datasets_path, tree):
    change, options, error, message = BAD[name]
    collect()
    if change:
        change(datasets_path)
    before = visible(datasets_path, tree)
    with pytest.raises(error, match=message):
        attach(**options)
    assert visible(datasets_path, tree) == before


def test_observations_of_another_size(datasets_path):
    collect()
    edit_metadata(datasets_path, offctx=None)

    class Slim(PendulumGoal):
        context_space = SimpleDirection.context_space

    with pytest.raises(DatasetError, match="observation_space of test/x-v0"):
        attach(ID, Slim())
