"""What an agent's file does not say: how the agent observes the context, and what it learnt from.

The record of `agent.d3` is the JSON file `agent.d3.json` beside it. It holds the SHA-256 of the agent's file, so that the
record of an agent that has been replaced is not taken for that of its successor.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Literal

import d3rlpy
import pydantic

from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.data.dataset import ContextualDataset
from offctx.data.metadata import installed_packages
from offctx.envs.policies import ContextMode
from offctx.errors import PolicyError
from offctx.files import read_file, replaced_on_success, write_file
from offctx.words import first_fault


class AgentRecord(pydantic.BaseModel):
    """How an agent was trained.

    Attributes:
        format: of this record.
        agent_sha256: of the agent's file; `save_agent` fills it in.
        context: "append" where the agent gets the context after the observation, "hidden" where it does not.
        dataset_id: of the dataset that it learnt from; None where it learnt online alone.
        env_id: of the environment that it learnt in online; None where it learnt from a dataset alone.
        dataset_sha256: of that dataset's data; None where its metadata hold none.
        algorithm: by name.
        steps: gradient steps that were done.
        planned_steps: gradient steps that were asked for; more than `steps` after an interrupt.
        seed: of weights and batches.
        options: further options of the training, by name.
        packages: versions of Python, offctx, d3rlpy, torch and others, by name.
    """

    model_config = pydantic.ConfigDict(frozen=True, strict=True)

    format: Literal["offctx.agent/1"] = "offctx.agent/1"
    agent_sha256: str = ""
    context: ContextMode
    dataset_id: str | None = None
    env_id: str | None = None
    dataset_sha256: str | None = None
    algorithm: str
    steps: int
    planned_steps: int
    seed: int
    options: dict[str, Any] = {}
    packages: dict[str, str] = {}

    @classmethod
    def of(
        cls, buffer: ContextualReplayBuffer, data: ContextualDataset, algorithm: str, *, steps: int, **fields: Any
    ) -> AgentRecord:
        """The record of a training that is about to begin.

        Args:
            buffer: what the agent will learn from.
            data: the dataset that the buffer was made of.
            algorithm: by name.
            steps: gradient steps that are planned.
            fields: `seed` and `options`.
        """
        return cls(
            context=buffer.context,
            dataset_id=data.dataset_id,
            dataset_sha256=data.checksum,
            algorithm=algorithm.lower(),
            steps=0,
            planned_steps=steps,
            packages=installed_packages() | {"d3rlpy": d3rlpy.__version__},
            **fields,
        )


def online_record(buffer: ContextualReplayBuffer, env_id: str, algorithm: str, *, steps: int, seed: int) -> AgentRecord:
    """The record of an online training that has ended.

    Args:
        buffer: what the agent learnt from.
        env_id: of the environment.
        algorithm: by name.
        steps: gradient steps.
        seed: of the training.
    """
    return AgentRecord(
        context=buffer.context,
        env_id=env_id,
        algorithm=algorithm.lower(),
        steps=steps,
        planned_steps=steps,
        seed=seed,
        packages=installed_packages() | {"d3rlpy": d3rlpy.__version__},
    )


def record_path(agent: str | os.PathLike[str]) -> Path:
    """The place of an agent's record: `agent.d3.json` for `agent.d3`."""
    path = Path(agent)
    return path.with_name(f"{path.name}.json")


def save_agent(agent: Any, path: str | os.PathLike[str], record: AgentRecord) -> None:
    """Saves an agent as d3rlpy does, and its record beside it. Neither is ever half-written.

    Args:
        agent: a d3rlpy algorithm that has been trained.
        path: of the agent's file; its folder must exist. A file that is there is replaced.
        record: how the agent was trained.

    Raises:
        OSError: a file cannot be written.
    """
    with replaced_on_success(Path(path)) as temporary:
        agent.save(str(temporary))
        text = record.model_copy(update={"agent_sha256": _sha256(temporary)}).model_dump_json(indent=1)
        write_file(record_path(path), text + "\n")


def read_record(agent: str | os.PathLike[str]) -> AgentRecord | None:
    """Reads the record beside an agent's file.

    Args:
        agent: the path of the agent's file.

    Returns:
        The record; None where there is none.

    Raises:
        PolicyError: the record cannot be read, or describes another file than the one that is there.

    Example::

        record = read_record("perm.d3")
        record.context, record.dataset_id  # "hidden", "offctx/PendulumGoal/random-v0"
    """
    path = record_path(agent)
    try:
        record = AgentRecord.model_validate(json.loads(read_file(path)))
        same = record.agent_sha256 == _sha256(Path(agent))
    except FileNotFoundError:
        return None
    except pydantic.ValidationError as error:
        raise PolicyError(f"{path} is not the record of an agent: {first_fault(error)}") from error
    except (OSError, ValueError) as error:
        raise PolicyError(f"{path} is not the record of an agent: {error}") from error
    if not same:
        raise PolicyError(f"{path} describes another file than {os.fspath(agent)}, which was replaced since: delete {path}")
    return record


def _sha256(path: Path) -> str:
    return hashlib.sha256(read_file(path)).hexdigest()
