"""The agents that `evaluate` is given: their labels, their files, and how each observes the context."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offctx.errors import EvaluationError, OffctxError, PolicyError

if TYPE_CHECKING:
    from offctx.envs.policies import ContextMode

RANDOM = "random"


@dataclass(frozen=True)
class NamedAgent:
    """An agent by its label.

    Attributes:
        label: in reports.
        path: of its file; "random" for the policy of that name.
    """

    label: str
    path: str

    @classmethod
    def parse(cls, text: str) -> NamedAgent:
        """From `label=file.d3`, or `file.d3`, whose label is the file's stem."""
        label, equals, path = text.partition("=")
        if not equals:
            return cls(Path(text).stem, text)
        if not label or not path:
            raise PolicyError(f"expected an agent as file.d3, label=file.d3 or random; found {text!r}")
        return cls(label, path)

    def policy(self, device: Any) -> Any:
        """The agent in the file, or "random"."""
        from offctx.training.agents import load_agent

        return RANDOM if self.path == RANDOM else load_agent(self.path, device=device)

    def context(self, given: ContextMode | None) -> ContextMode:
        """How the agent observes the context: by its record, else as given, else appended.

        Raises:
            PolicyError: the record says otherwise than what is given, or it cannot be read.
        """
        from offctx.training.records import read_record, record_path

        record = None if self.path == RANDOM else read_record(self.path)
        if record is None:
            return given or "append"
        if given not in (None, record.context):
            raise PolicyError(
                f"--context {given} contradicts {record_path(self.path)}, by which it was trained with "
                f"--context {record.context}; leave --context out"
            )
        return record.context


@contextlib.contextmanager
def errors_name(agent: NamedAgent) -> Iterator[None]:
    """Errors in the block begin with the label of the agent."""
    try:
        yield
    except OffctxError as error:
        raise type(error)(f"agent {agent.label!r}: {error}") from error


def read_agents(texts: list[str], baseline: str | None, reference: str | None) -> list[NamedAgent]:
    """The agents, each with a label of its own, among which are baseline and reference.

    Raises:
        PolicyError: a label is missing, given twice, or that of no agent.
        EvaluationError: only one of baseline and reference is given, or both are the same.
    """
    agents = [NamedAgent.parse(text) for text in texts]
    labels = [agent.label for agent in agents]
    for label in labels:
        if labels.count(label) > 1:
            raise PolicyError(f"two agents are called {label!r}: give each its own label=file.d3")
    for role in (baseline, reference):
        if role is not None and role not in labels:
            raise PolicyError(f"no agent is called {role!r}; there are {labels}")
    if (baseline is None) != (reference is None):
        raise EvaluationError("give both --baseline and --reference, or neither: the gap is closed from one to the other")
    if baseline is not None and baseline == reference:
        raise EvaluationError(f"--baseline and --reference are both {baseline!r}; they must be two agents")
    return agents
