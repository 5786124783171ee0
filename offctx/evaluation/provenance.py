"""Where the numbers of a report come from: date, command, versions, datasets and agents."""

from __future__ import annotations

import datetime
import hashlib
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from offctx.errors import EvaluationError
from offctx.files import read_file

if TYPE_CHECKING:
    from offctx.data.dataset import ContextualDataset

_PACKAGES = ("offctx", "d3rlpy", "torch", "numpy", "gymnasium", "mujoco", "minari")


@dataclass(frozen=True)
class Provenance:
    """Where the numbers of a report come from. What is not given is not in the report: nothing is guessed.

    Attributes:
        date: when the numbers were made, as ISO 8601, or None.
        command: the command line that made them, or None.
        versions: package -> version.
        datasets: dataset id -> SHA-256 of its data; None where the dataset has no checksum.
        agents: label -> {"file": its path, "sha256": of the file}.

    Example::

        provenance = offctx.Provenance.collect(datasets=[dataset], agents={"CSE": "out/cse.d3"})
        offctx.compare(reports, provenance=provenance).save("out/report")
    """

    date: str | None = None
    command: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    datasets: Mapping[str, str | None] = field(default_factory=dict)
    agents: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def collect(
        cls,
        *,
        command: str | None = None,
        datasets: Mapping[str, str | None] | Iterable[ContextualDataset] = (),
        agents: Mapping[str, str | os.PathLike[str]] | None = None,
    ) -> Provenance:
        """Returns the provenance of numbers that this process makes now.

        The date is that of this call, in UTC. The versions are those of Python, of offctx and of the installed packages that
        decide about the numbers. Two calls with the same arguments differ in their date only.

        Args:
            command: the command line, or None.
            datasets: that the agents learnt from; or the SHA-256 of each by its id.
            agents: label -> file of the agent, which is read for its SHA-256.

        Raises:
            EvaluationError: a file of an agent cannot be read.
        """
        if not isinstance(datasets, Mapping):
            datasets = {data.dataset_id: data.checksum for data in datasets}
        return cls(
            date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            command=command,
            versions=_installed_versions(),
            datasets=dict(datasets),
            agents={label: {"file": os.fspath(path), "sha256": _file_sha256(path)} for label, path in (agents or {}).items()},
        )

    def to_dict(self) -> dict[str, Any]:
        """The record for strict JSON."""
        return {
            "date": self.date,
            "command": self.command,
            "versions": dict(self.versions),
            "datasets": [{"id": name, "sha256": sha256} for name, sha256 in self.datasets.items()],
            "agents": [{"label": label, **agent} for label, agent in self.agents.items()],
        }


def _installed_versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _file_sha256(path: str | os.PathLike[str]) -> str:
    try:
        return hashlib.sha256(read_file(path)).hexdigest()
    except OSError as error:
        raise EvaluationError(f"expected the file of an agent at {os.fspath(path)}, found none that reads: {error}") from error
