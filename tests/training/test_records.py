"""The record beside an agent's file."""

import json
import os
import pickle
import re
from importlib.metadata import version

import d3rlpy
import pytest

import offctx
from offctx.errors import OffctxWarning, PolicyError
from offctx.training.agents import load_agent
from offctx.training.fit import train
from offctx.training.names import make_algorithm
from offctx.training.records import AgentRecord, read_record, record_path, save_agent

RECORD = AgentRecord(
    context="hidden", dataset_id="test/pendulum-v0", dataset_sha256="ab", algorithm="td3", steps=1, planned_steps=2, seed=3
)


@pytest.fixture
def saved(pendulum, tmp_path):
    """The path of an agent with its record."""
    buffer = pendulum.replay_buffer("hidden")
    agent = train(make_algorithm("td3", buffer, {"batch_size": 4}), buffer, steps=1, seed=0, progress=False)
    save_agent(agent, tmp_path / "agent.d3", RECORD)
    return tmp_path / "agent.d3"


def test_a_record_is_read_as_it_was_written(saved):
    record = read_record(saved)
    assert record is not None and record.model_copy(update={"agent_sha256": ""}) == RECORD
    assert tuple(load_agent(saved).observation_shape) == (3,)
    assert {path.name for path in saved.parent.iterdir()} >= {"agent.d3", "agent.d3.json"}
    assert not [path for path in saved.parent.iterdir() if path.name.endswith(".tmp")]


def test_a_record_says_the_versions(pendulum):
    record = AgentRecord.of(pendulum.replay_buffer(), pendulum, "td3", steps=1, seed=0)
    expected = {"d3rlpy": d3rlpy.__version__, "offctx": offctx.__version__, "torch": version("torch")}
    assert expected.items() <= record.packages.items()


def test_an_agent_of_another_d3rlpy_is_loaded_with_a_warning(saved, recwarn):
    load_agent(saved)
    assert not [warning for warning in recwarn if warning.category is OffctxWarning]
    saved.write_bytes(pickle.dumps(pickle.loads(saved.read_bytes()) | {"version": "2.7.0"}))
    expected = rf"agent\.d3 was saved by d3rlpy 2\.7\.0; this is d3rlpy {re.escape(d3rlpy.__version__)}, in which"
    with pytest.warns(OffctxWarning, match=expected):
        load_agent(saved)


def test_an_agent_without_a_record(saved):
    record_path(saved).unlink()
    assert read_record(saved) is None


def test_the_record_of_a_replaced_agent_is_refused(saved):
    saved.write_bytes(saved.read_bytes() + b"0")
    with pytest.raises(PolicyError, match=r"agent\.d3\.json describes another file"):
        read_record(saved)


def test_a_fifo_in_the_place_of_a_record_is_not_waited_for(saved):
    record_path(saved).unlink()
    os.mkfifo(record_path(saved))
    with pytest.raises(PolicyError, match="not a regular file"):
        read_record(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"context": "shown"}, "context"),
        ({"steps": "many"}, "steps"),
        ({"format": "offctx.agent/9"}, "format"),
        (None, "record"),
    ],
)
def test_a_malformed_record_is_named(change, message, saved):
    path = record_path(saved)
    path.write_text("{" if change is None else json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(PolicyError, match=rf"agent\.d3\.json is not the record of an agent.*{message}|{message}"):
        read_record(saved)


def test_a_failure_leaves_the_old_agent_and_its_record(saved, monkeypatch):
    class Broken:
        def save(self, path):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_agent(Broken(), saved, RECORD)
    assert read_record(saved) is not None
