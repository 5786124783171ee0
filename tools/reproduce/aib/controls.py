"""What needs no training: the zero action and a random action, played in the contexts and from the start states of learners.

A learner that is not above both in its own training contexts has not learned its task, and no claim rests on it.
"""

import argparse
from functools import partial

from offctx.evaluation.controls import evaluate_controls
from tools.reproduce.aib.cell import plain_returns
from tools.reproduce.aib.settings import EVALUATION_SEED, cell_path
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
    contexts = TASKS[task].plain_splits()
    settings = plain({"task": task, "kind": CONTROL_KIND, "contexts": contexts, "episodes": episodes})
    return Cell(key, cell_path(options.work, key), partial(play, task, episodes), settings, _SECONDS)


def play(task: str, episodes: int) -> Result:
    """The returns of each control by split: (K, M)."""
    reports = evaluate_controls(TASKS[task].env, TASKS[task].splits(), episodes=episodes, seed=EVALUATION_SEED)
    return {"returns": {control: plain_returns(report) for control, report in reports.items()}}
