"""The experiments by name. To add an experiment, add a row."""

import importlib
from typing import NamedTuple

from tools.reproduce.frame.experiment import Experiment


class Row(NamedTuple):
    """One experiment.

    Attributes:
        module: whose EXPERIMENT is run.
        summary: for --help.
    """

    module: str
    summary: str


EXPERIMENTS = {
    "theory": Row("tools.reproduce.theory.experiment", "what the papers behind offctx.linear claim"),
    "cse": Row("tools.reproduce.cse.experiment", "context sample enhancement in every environment"),
    "controls": Row("tools.reproduce.controls.experiment", "the headline: CSE beside every control on RotatedThrusters"),
    "matters": Row("tools.reproduce.matters.experiment", "does the context matter here? for every environment"),
    "feedback": Row(
        "tools.reproduce.feedback.experiment", "how far feedback comes without the context, by a search and by hand"
    ),
    "coverage": Row("tools.reproduce.coverage.experiment", "how often the intervals of reports contain the truth"),
    "perm": Row("tools.reproduce.perm.experiment", "PERM and PPPO against merged learners, context hidden"),
    "aib": Row("tools.reproduce.aib.online", "the Actuator Inversion Benchmark: DMA*-SH and others, online"),
    "aib-offline": Row("tools.reproduce.aib.offline", "context inference from data whose contexts are hidden"),
}


def load(name: str) -> Experiment:
    """Import one experiment, and no other."""
    experiment: Experiment = importlib.import_module(EXPERIMENTS[name].module).EXPERIMENT
    return experiment
