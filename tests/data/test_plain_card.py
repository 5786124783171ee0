"""Cards of other people's data: without contexts, in spaces that offctx does not read, and damaged ones."""

import json

import gymnasium
import h5py
import minari
import numpy as np
import pytest
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer

from offctx.cli.show import _loaded
from offctx.data.plain_card import plain_card, render_plain
from offctx.errors import DatasetError

ID = "plain/own-v0"
FAULT = DatasetError("pass context_space=")
BOX = spaces.Box(-1, 1, (2,), np.float32)


def write(observation_space, action_space=BOX, **options):
    """Three episodes of four steps, by Minari alone."""
    for seed, space in enumerate((observation_space, action_space)):
        space.seed(seed)
    buffers = [
        EpisodeBuffer(
            id=k,
            observations=_stacked([observation_space.sample() for _ in range(5)]),
            actions=[action_space.sample() for _ in range(4)],
            rewards=[float(k)] * 4,
            terminations=[False] * 4,
            truncations=[False] * 3 + [True],
        )
        for k in range(3)
    ]
    given = {"author": "Ada", "author_email": "a@b.org", "code_permalink": "https://example.org", "algorithm_name": "SAC"}
    minari.create_dataset_from_buffers(
        ID, buffers, env=None, observation_space=observation_space, action_space=action_space, **given | options
    )


def _stacked(rows):
    return {key: [row[key] for row in rows] for key in rows[0]} if isinstance(rows[0], dict) else rows


def shown():
    contents = json.loads(json.dumps(plain_card(ID, _loaded, FAULT), allow_nan=False))
    return contents, render_plain(contents)


def test_data_without_contexts(datasets_path):
    write(spaces.Box(-1, 1, (3,), np.float64), author={"Ada"})
    contents, text = shown()
    assert (contents["episodes"], contents["transitions"], contents["contexts"]) == (3, 12, [])
    assert contents["returns"]["50%"] == 4.0 and contents["size_bytes"] > 1000
    for line in (
        "  author        Ada",
        "  environment   not said",
        "  algorithm     SAC",
        "  size          12 transitions in 3 episodes, ",
        "  observations  Box(-1.0, 1.0, (3,), float64)",
        "  sha256        none: plain Minari data have no checksum",
        "  contexts      none are known",
        "  to use them   in Python, offctx.load_dataset: pass context_space=",
    ):
        assert f"\n{line}" in text


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(0, 255, (4, 4, 3), np.uint8),
        spaces.Box(-5, 5, (2,), np.int64),
        spaces.Dict({"position": BOX, "mission": BOX}),
        spaces.Text(5),
        spaces.Discrete(7),
    ],
)
def test_data_in_other_spaces(space, datasets_path):
    write(space)
    contents, text = shown()
    assert (contents["episodes"], contents["transitions"], contents["returns"]) == (3, 12, None)
    assert contents["observation_space"] == str(space) and f"  observations  {space}\n" in text
    assert "to use them   offctx does not read them: expected " in text and text.endswith("minari.load_dataset does")
    assert len(minari.load_dataset(ID)[0]) == 4


def test_an_environment_is_named_and_not_made(datasets_path):
    spec = gymnasium.make("CartPole-v1").spec
    write(BOX)
    path = datasets_path / ID / "data" / "metadata.json"
    raw = json.loads(path.read_text()) | {"env_spec": spec.to_json().replace("CartPole", "Nowhere")}
    del raw["observation_space"]
    path.write_text(json.dumps(raw))
    contents, text = shown()
    assert contents["env"] == "Nowhere-v1" and "observations  not said" in text and "it does not make the environment" in text


def test_what_the_metadata_say_wrongly_is_left_out(datasets_path):
    write(spaces.Text(5))
    path = datasets_path / ID / "data" / "metadata.json"
    wrong = {"total_steps": 1e400, "total_episodes": "3", "env_spec": "[" * 10**5, "algorithm_name": [1], "author": 3}
    path.write_text(json.dumps(json.loads(path.read_text()) | wrong))
    contents, text = shown()
    assert contents["transitions"] is contents["episodes"] is contents["env"] is contents["algorithm"] is None
    assert "  size          transitions not said in episodes not said, " in text
    path.write_text(json.dumps(json.loads(path.read_text()) | {"observation_space": "{"}))
    with pytest.raises(DatasetError, match="pass context_space="):
        plain_card(ID, _loaded, FAULT)


def test_damaged_data_are_an_error(datasets_path):
    write(spaces.Box(-1, 1, (3,), np.float64))
    with h5py.File(datasets_path / ID / "data" / "main_data.hdf5", "a") as data:
        del data["episode_1/rewards"]
    with pytest.raises(DatasetError, match="rewards"):
        plain_card(ID, _loaded, FAULT)


def test_offctx_data_that_cannot_be_loaded_are_an_error(library_path):
    with pytest.raises(DatasetError, match="pass context_space="):
        plain_card("test/runner-v0", _loaded, FAULT)
