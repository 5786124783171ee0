"""The folder of a run: what was asked for, what happened, and the agent.

config.json      settings that decide about the result; the command and the versions of packages that began the run
metrics.csv      one line an epoch
checkpoint.pt    while the run lasts: all that is needed to go on
agent.d3         the trained agent, with its record agent.d3.json
report/          returns of the trained agent in contexts
"""

import csv
import io
import json
import os
import sys
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import d3rlpy

from offctx.data.metadata import installed_packages
from offctx.errors import AlgorithmError, OffctxWarning
from offctx.files import read_file, write_file

_FORMAT = "offctx.run/1"


class RunFolder:
    """A run on disk. Two runs with the same settings are one run: the second goes on where the first was stopped.

    Args:
        path: of the folder, which is made where it does not exist.
        settings: all that decides about the result, as JSON has it.

    Attributes:
        path: of the folder.

    Raises:
        AlgorithmError: the folder holds something else, or a run with other settings.

    Warns:
        OffctxWarning: other versions of packages began the run, with which it might have ended otherwise.
    """

    def __init__(self, path: str | os.PathLike[str], settings: dict[str, Any]) -> None:
        self.path = Path(path)
        settings = json.loads(json.dumps(settings))
        if self._config.exists():
            self._check_settings(settings)
            return
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise AlgorithmError(f"{self.path} exists and holds no run: name a new folder, or an empty one")
        self.path.mkdir(parents=True, exist_ok=True)
        start_time = f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S%z}"
        made_by = {"command": sys.argv, "began": start_time, "packages": _packages()}
        write_file(self._config, json.dumps({"format": _FORMAT, "settings": settings, "made_by": made_by}, indent=1) + "\n")

    @property
    def checkpoint(self) -> Path:
        """What a run that was stopped goes on from."""
        return self.path / "checkpoint.pt"

    @property
    def agent(self) -> Path:
        """The trained agent."""
        return self.path / "agent.d3"

    @property
    def report(self) -> Path:
        """The folder of the agent's report."""
        return self.path / "report"

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.agent.exists() and not self.checkpoint.exists()

    def write_metrics(self, rows: list[dict[str, float]]) -> None:
        """Writes one line for each epoch. A number that an epoch does not have is left empty."""
        names = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_file(self.path / "metrics.csv", text.getvalue())

    @property
    def _config(self) -> Path:
        return self.path / "config.json"

    def _check_settings(self, settings: dict[str, Any]) -> None:
        """AlgorithmError where the run in the folder was begun with other settings."""
        try:
            config = json.loads(read_file(self._config))
            recorded = config["settings"] if config.get("format") == _FORMAT else None
        except (OSError, ValueError, AttributeError, KeyError) as error:
            raise AlgorithmError(f"{self._config} is not the config of a run: {error}") from error
        if not isinstance(recorded, dict):
            raise AlgorithmError(f"{self._config} is not the config of a run: its format is not {_FORMAT!r}")
        for name in [*settings, *recorded]:
            if settings.get(name) != recorded.get(name):
                raise AlgorithmError(
                    f"{self.path} holds a run with {name} = {recorded.get(name)!r:.200}; asked for "
                    f"{settings.get(name)!r:.200}. Name another folder, or delete this one"
                )
        if not self.finished:
            self._compare_packages(config.get("made_by", {}).get("packages", {}))

    def _compare_packages(self, recorded: dict[str, str]) -> None:
        """Warns where the versions of packages are not those that began the run."""
        changed = [
            f"{name} {recorded[name]} -> {version}"
            for name, version in _packages().items()
            if recorded.get(name, version) != version
        ]
        if changed:
            text = f"{self.path} was begun with other packages ({', '.join(changed)}): its weights may end otherwise"
            warnings.warn(text, OffctxWarning, stacklevel=2)


def _packages() -> dict[str, str]:
    """The versions that decide about a result."""
    return installed_packages() | {"d3rlpy": d3rlpy.__version__}
