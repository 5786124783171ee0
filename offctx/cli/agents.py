"""The agents that `evaluate` is given: their labels, their files, and how each observes the context."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offctx.cli.options import errors_begin
from offctx.errors import EvaluationError, PolicyError

if TYPE_CHECKING:
    from offctx.envs.policies import ContextMode

BY_NAME = ("random", "zero")  # policies that are no file


@dataclass(frozen=True)
class NamedAgent:
    """An agent by its label. Several agents with one label are the runs of one method, one for each training seed.

    Attributes:
        label: in reports.
        path: of its file; "random" or "zero" for the policy of that name.
        labelled: whether the label was given; else it is the file's stem.
    """

    label: str
    path: str
    labelled: bool = True

    @classmethod
    def parse(cls, text: str) -> list[NamedAgent]:
        """From `label=file.d3`, `label=one.d3,two.d3`, or `file.d3`, whose label is the file's stem."""
        label, equals, path = text.partition("=")
        if not equals:
            return [cls(Path(text).stem, text, labelled=False)]
        paths = [path] if Path(path).exists() else path.split(",")
        if not label or not all(paths):
            raise PolicyError(
                f"expected an agent as file.d3, label=file.d3, label=seed0.d3,seed1.d3, random or zero; found {text!r}"
            )
        return [cls(label, each) for each in paths]

    def policy(self, device: Any, target_return: float | None = None, temperature: float | None = None) -> Any:
        """The agent in the file, as a policy; or the name of a policy.

        Args:
            device: where its networks are.
            target_return: that a Decision Transformer is asked to reach.
            temperature: of the Discrete actions that a Decision Transformer draws; None for the most likely ones.

        Raises:
            PolicyError: no agent, or a Decision Transformer without target return, or one whose actions take no temperature.
        """
        from offctx.training.agents import load_agent

        if self.path in BY_NAME:
            return self.path
        agent = load_agent(self.path, device=device)
        if not callable(getattr(agent, "as_stateful_wrapper", None)):
            return agent
        from offctx.algos.transformer_policy import TransformerPolicy

        if target_return is None:
            raise PolicyError(
                f"{self.path} is a {type(agent).__name__}: it needs --target-return, the return that it is asked to reach in "
                "an episode, such as the highest of its data"
            )
        return TransformerPolicy(agent, target_return, temperature=temperature)

    def context(self, asked: ContextMode | None) -> ContextMode:
        """How the agent observes the context: by its record, else as given, else appended.

        Raises:
            PolicyError: the record says otherwise than what is given, or it cannot be read.
        """
        from offctx.training.records import read_record, record_path

        record = None if self.path in BY_NAME else read_record(self.path)
        if record is None:
            return asked or "append"
        if asked not in (None, record.context):
            raise PolicyError(
                f"--context {asked} contradicts {record_path(self.path)}, by which it was trained with "
                f"--context {record.context}; leave --context out"
            )
        return record.context


@contextlib.contextmanager
def errors_name(agent: NamedAgent) -> Iterator[None]:
    """Errors in the block begin with the label of the agent."""
    with errors_begin(f"agent {agent.label!r}"):
        yield


def read_agents(texts: list[str], baseline: str | None, reference: str | None) -> list[NamedAgent]:
    """The agents, among whose labels are baseline and reference. Agents with the same label are runs of one method.

    Raises:
        PolicyError: a label is missing or that of no agent; two agents have the same one, and it was not given; a file or a
            policy by name is given twice for one method.
        EvaluationError: there is a reference without a baseline, or both are the same.
    """
    agents = [agent for text in texts for agent in NamedAgent.parse(text)]
    labels = [agent.label for agent in agents]
    for agent in agents:
        namesakes = [other for other in agents if other.label == agent.label]
        if len(namesakes) > 1 and not all(other.labelled for other in namesakes):
            raise PolicyError(
                f"two agents are called {agent.label!r}: give each its own label=file.d3, or the same label to both where they "
                f"are training runs of one method: {agent.label}=FILE,FILE"
            )
        paths = [other.path for other in namesakes]
        for path in paths:
            if paths.count(path) > 1:
                raise PolicyError(f"{path} is given twice as {agent.label!r}: give each run of a method its own file")
    for role in (baseline, reference):
        if role is not None and role not in labels:
            raise PolicyError(f"no agent is called {role!r}; there are {labels}")
    if reference is not None and baseline is None:
        raise EvaluationError("--reference needs --baseline: verdicts judge against it beside the null controls")
    if baseline is not None and baseline == reference:
        raise EvaluationError(f"--baseline and --reference are both {baseline!r}; they must be two agents")
    return agents
