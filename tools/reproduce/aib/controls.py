"""What needs no training: the zero action and a random action, played in the contexts and from the start states of learners.

A learner that is not above both in its own training contexts has not learned its task, and no claim rests on it.
"""

import argparse
from functools import partial

import numpy as np

from offctx.evaluation.controls import evaluate_controls
from tools.reproduce.aib.settings import EVALUATION_SEED
from tools.reproduce.aib.tasks import TASKS
from tools.reproduce.frame.cells import Cell, Result, plain

CONTROL_KIND = "controls"
_ALL, _SECONDS = "untrained", 60.0


def control_cell(task: str, episodes: int, options: argparse.Namespace) -> Cell:
    """The cell of a task's controls; both experiments have it.

    Args:
        task: a name among TASKS.
        episodes: of the evaluation, in each context.
        options: of the experiment.
    """
    key = (task, CONTROL_KIND, _ALL, 0)
    path = options.work.joinpath("cells", *key[:-1], "seed0.json")
    splits = {name: np.asarray(rows).tolist() for name, rows in TASKS[task].splits().items()}
    settings = plain({"task": task, "kind": CONTROL_KIND, "contexts": splits, "episodes": episodes})
    return Cell(key, path, partial(play, task, episodes), settings, _SECONDS)


def play(task: str, episodes: int) -> Result:
    """The returns of each control by split: (K, M)."""
    reports = evaluate_controls(TASKS[task].env, TASKS[task].splits(), episodes=episodes, seed=EVALUATION_SEED)
    return {
        "returns": {
            control: {split: np.round(returns, 4).tolist() for split, returns in report.returns.items()}
            for control, report in reports.items()
        }
    }
