"""Only environments that ship with offctx may be made because a dataset names them."""

import json
from types import SimpleNamespace

import pytest

from offctx.data.shipped_envs import recorded_env_id, shipped_env_id


@pytest.mark.parametrize(
    ("env_id", "expected"),
    [
        ("offctx/PendulumGoal-v0", "offctx/PendulumGoal-v0"),
        ("testing/Runner-v0", None),  # registered, and not ours
        ("CartPole-v1", None),
        ("offctx/Evil-v0", None),  # our namespace, and not registered
        ("evil_module:offctx/PendulumGoal-v0", None),  # Gymnasium would import the module
        ("offctx/../PendulumGoal-v0", None),
        ("", None),
    ],
)
def test_an_id_is_given_back_where_offctx_ships_it(env_id, expected):
    metadata = SimpleNamespace(env=env_id)
    assert shipped_env_id(metadata) == expected
    assert recorded_env_id(SimpleNamespace(metadata=metadata, raw={})) == expected
    spec = json.dumps({"id": env_id, "entry_point": "evil_module:Env"})
    assert recorded_env_id(SimpleNamespace(metadata=None, raw={"env_spec": spec})) == expected


@pytest.mark.parametrize("raw", [{}, {"env_spec": None}, {"env_spec": "{"}, {"env_spec": "{}"}, {"env_spec": "3"}])
def test_metadata_that_name_no_environment(raw):
    assert shipped_env_id(None) is None
    assert recorded_env_id(SimpleNamespace(metadata=None, raw=raw)) is None


def test_the_offctx_metadata_go_before_minaris():
    spec = json.dumps({"id": "offctx/PendulumGoal-v0"})
    assert recorded_env_id(SimpleNamespace(metadata=SimpleNamespace(env="elsewhere/X-v0"), raw={"env_spec": spec})) is None
