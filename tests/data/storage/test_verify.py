"""Arrays that do not fit one another, their spaces or their checksum have their own DatasetError."""

import gymnasium
import h5py
import numpy as np
import pytest

import offctx
from offctx.errors import DatasetError
from tests.data.storage.helpers import load, replace, unlabelled


@pytest.mark.parametrize(
    "key", ["rewards", "observations", "actions", "infos/context", "infos/dreward_dcontext", "infos/state"]
)
def test_tampered_numbers_do_not_fit_the_checksum(key, data):
    load()
    with h5py.File(data / "main_data.hdf5", "a") as file:
        values = file[f"episode_3/{key}"]
        values[-1] = np.nextafter(values[-1], np.inf)
    with pytest.raises(DatasetError, match="test/x-v0: the data do not fit their checksum"):
        load()


def test_swapped_episodes_do_not_fit_the_checksum(data):
    with h5py.File(data / "main_data.hdf5", "a") as file:
        file.move("episode_0", "aside")
        file.move("episode_1", "episode_0")
        file.move("aside", "episode_1")
    with pytest.raises(DatasetError, match="checksum"):
        load()


DAMAGES = {
    "context one row short": ("infos/context", lambda v: v[:-1], r"infos/context of episode 1 has shape \(6, 2\)"),
    "derivative one row long": (
        "infos/dreward_dcontext",
        lambda v: np.concatenate([v, v[-1:]]),
        r"infos/dreward_dcontext of episode 1 has shape \(8, 2\); expected \(7, 2\)",
    ),
    "observations one row short": ("observations", lambda v: v[:-1], r"observations of episode 1 has shape \(6, 3\)"),
    "actions one row short": ("actions", lambda v: v[:-1], r"actions of episode 1 has shape \(5, 1\)"),
    "NaN reward": ("rewards", lambda v: v * np.nan, "rewards of episode 1 holds a number that is not finite"),
    "infinite observation": ("observations", lambda v: v + np.inf, "observations of episode 1 holds a number"),
    "NaN in infos": ("infos/state", lambda v: v * np.nan, "infos/state of episode 1 holds a number"),
    "context that changes": (
        "infos/context",
        lambda v: v + np.linspace(0, 0.1, len(v))[:, None],
        "infos/context changes within episode 1",
    ),
    "context other than asked": ("infos/context", lambda v: v + 0.1, "options/context of episode 1 disagree"),
    "goes on after its end": (
        "terminations",
        lambda v: np.array([True, *v[1:]]),
        "episode 1 goes on after a step that terminated",
    ),
    "derivatives in row 0": ("infos/dreward_dcontext", lambda v: v + 1, "row 0 of infos/dreward_dcontext must be zero"),
    "no steps": ("rewards", lambda v: v[:0], "episode 1 has no step"),
    "rewards that are one number": ("rewards", lambda v: v[0], "rewards|damaged"),
    "rewards that are text": ("rewards", lambda v: v.astype("S8"), "rewards|damaged"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_damaged_arrays_are_named(case, data):
    key, change, message = DAMAGES[case]
    unlabelled(data)
    replace(data, f"episode_1/{key}", change)
    with pytest.raises(DatasetError, match=f"test/x-v0.*({message})"):
        load(context_space=gymnasium.make("testing/Runner-v0").unwrapped.context_space)


def test_contexts_of_one_number_a_step_are_refused_or_read_as_one_coordinate(data):
    unlabelled(data)
    with h5py.File(data / "main_data.hdf5", "a") as file:
        for group in file.values():
            values = group["infos/context"][:, 0]
            del group["infos/context"], group["infos/dreward_dcontext"], group["infos/dnext_observation_dcontext"]
            del group.attrs["options/context"]
            group["infos/context"] = values
    space = offctx.ContextSpace(["speed"], 0.0, 3.0, 1.0)
    try:
        found = load(context_space=space)
    except DatasetError as error:
        assert "infos/context" in str(error)
    else:
        assert found.unique_contexts.tolist() == [[0.5], [2.0], [0.9]]


def test_an_actions_array_of_the_wrong_width(data):
    unlabelled(data)
    for e in range(6):
        replace(data, f"episode_{e}/actions", lambda v: np.repeat(v, 3, axis=1))
    with pytest.raises(DatasetError, match=r"actions.*shape"):
        load(context_space=gymnasium.make("testing/Runner-v0").unwrapped.context_space)


def test_an_observations_array_of_the_wrong_width(data):
    unlabelled(data)
    for e in range(6):
        replace(data, f"episode_{e}/observations", lambda v: v[:, :2])
    with pytest.raises(DatasetError, match=r"observations.*shape"):
        load(context_space=gymnasium.make("testing/Runner-v0").unwrapped.context_space)
