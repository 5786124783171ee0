"""The checkpoints of a training, and the log.csv that lists them.

Columns of the log: steps, mean return of the mode, its standard deviation, return of the last training episode, seconds.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offctx.errors import PolicyError


@dataclass(frozen=True)
class Checkpoint:
    """A policy that a training kept.

    Attributes:
        steps: of the training before it.
        mean: mean return of the policy's mode.
        deviation: standard deviation of this return over episodes.
    """

    steps: int
    mean: float
    deviation: float

    def path(self, folder: Path) -> Path:
        """The file of the policy in the folder of its training."""
        return policy_path(folder, self.steps)


def policy_path(folder: Path, steps: int) -> Path:
    """The file of the policy that a training keeps after `steps` steps."""
    return folder / f"{steps:07d}.safetensors"


def append_log(folder: Path, steps: int, returns: NDArray[np.float64], last_return: float, seconds: float) -> None:
    """Add a line to the log of a training.

    Args:
        folder: of the training.
        steps: of the training so far.
        returns: of the evaluation episodes (E,).
        last_return: of the last finished training episode.
        seconds: of the training so far.
    """
    with open(folder / "log.csv", "a", newline="", encoding="utf-8") as file:
        file.write(f"{steps},{returns.mean():.1f},{returns.std():.1f},{last_return:.1f},{seconds:.0f}\n")


def read_log(folder: Path) -> list[Checkpoint]:
    """The checkpoints of a training, in order of steps.

    Raises:
        PolicyError: there is no log, or it is damaged.
    """
    path = folder / "log.csv"
    try:
        with open(path, newline="", encoding="utf-8") as file:
            checkpoints = [Checkpoint(int(row[0]), float(row[1]), float(row[2])) for row in csv.reader(file)]
    except OSError as error:
        raise PolicyError(f"cannot read {path}: {error.strerror}; is this a folder of a training?") from error
    except (ValueError, IndexError) as error:
        raise PolicyError(f"{path} is not the log of a training: {error}") from error
    steps = [checkpoint.steps for checkpoint in checkpoints]
    if not checkpoints or steps != sorted(set(steps)) or not np.isfinite([checkpoint.mean for checkpoint in checkpoints]).all():
        raise PolicyError(f"{path} must have lines in rising order of steps with finite returns")
    return checkpoints
