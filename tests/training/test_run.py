"""Training into a file: what an interrupt leaves."""

import numpy as np
import pytest

from offctx.errors import AlgorithmError
from offctx.training.agents import load_agent
from offctx.training.fit import train
from offctx.training.log import steps_per_epoch
from offctx.training.names import make_algorithm
from offctx.training.records import AgentRecord, read_record
from offctx.training.run import train_to_file

RECORD = AgentRecord(context="append", dataset_id="test/pendulum-v0", algorithm="td3", steps=0, planned_steps=6, seed=3)


@pytest.fixture
def make(pendulum):
    """A learner and its buffer; the learner is interrupted in the update after `steps`."""

    def build(steps: int | None = None):
        buffer = pendulum.replay_buffer(seed=1)
        agent = make_algorithm("td3", buffer, {"batch_size": 4})
        real, done = agent.update, []

        def update(batch):
            if len(done) == steps:
                raise KeyboardInterrupt
            done.append(1)
            return real(batch)

        agent.update = update
        return agent, buffer

    return build


def test_an_interrupt_saves_the_agent_with_its_steps_and_says_where(make, tmp_path):
    path = tmp_path / "agent.d3"
    with pytest.raises(KeyboardInterrupt, match=r"after 4 of 6 steps is saved to .*agent\.d3"):
        train_to_file(*make(4), path, RECORD, progress=False)
    assert read_record(path).steps == 4 and read_record(path).planned_steps == 6
    agent, buffer = make()
    seen = buffer.table["observations"]
    whole = train(agent, buffer, steps=4, seed=3, progress=False)
    np.testing.assert_array_equal(load_agent(path).predict(seen), whole.predict(seen))


def test_an_interrupt_before_the_first_step_saves_nothing(make, tmp_path):
    with pytest.raises(KeyboardInterrupt, match="no agent was saved"):
        train_to_file(*make(0), tmp_path / "agent.d3", RECORD, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_without_an_interrupt_all_steps_are_done(make, tmp_path):
    assert train_to_file(*make(), tmp_path / "agent.d3", RECORD, progress=False) == 6
    assert read_record(tmp_path / "agent.d3").steps == 6


@pytest.mark.parametrize(
    ("steps", "epochs", "expected"), [(5000, None, 500), (7, None, 1), (11, None, 11), (12, 4, 3), (1, 1, 1)]
)
def test_epochs_have_equally_many_steps(steps, epochs, expected):
    assert steps_per_epoch(steps, epochs) == expected


@pytest.mark.parametrize(("steps", "epochs"), [(7, 2), (2, 7), (3, 0)])
def test_steps_that_do_not_divide_are_refused(steps, epochs):
    with pytest.raises(AlgorithmError, match="equally many steps"):
        steps_per_epoch(steps, epochs)
