"""d3rlpy's log in files, and how often a row of it is written."""

from datetime import datetime
from pathlib import Path
from typing import Any

import d3rlpy

from offctx.errors import AlgorithmError

_MOST_EPOCHS = 10


def file_log(root: Path, name: str) -> tuple[dict[str, Any], Path]:
    """Arguments of d3rlpy's `fit` for d3rlpy's log in files.

    Args:
        root: the folder of all logs.
        name: how the folder of this log begins; the time follows.

    Returns:
        The arguments, and the folder of this log, in which d3rlpy writes a CSV file for each metric, the parameters as JSON,
        and the agent after each epoch.
    """
    name = f"{name}_{datetime.now():%Y%m%d%H%M%S}"
    adapter = d3rlpy.logging.FileAdapterFactory(root_dir=str(root))
    return {"logger_adapter": adapter, "experiment_name": name, "with_timestamp": False}, root / name


def steps_per_epoch(steps: int, epochs: int | None) -> int:
    """The steps between two rows of the log.

    Args:
        steps: of the whole training, at least 1.
        epochs: how many rows; where not given, at most 10, such that the epochs have equally many steps.

    Raises:
        AlgorithmError: the steps cannot be divided among the epochs, which d3rlpy would make fewer steps of.
    """
    if epochs is None:
        epochs = max((k for k in range(1, _MOST_EPOCHS + 1) if steps % k == 0), default=1)
    if epochs < 1 or steps % epochs:
        raise AlgorithmError(f"the epochs must have equally many steps: {steps} steps cannot be divided among {epochs} epochs")
    return steps // epochs
