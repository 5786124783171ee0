"""The experiments by name; a row names the module whose EXPERIMENT is run."""

import importlib

from tools.reproduce.frame.experiment import Experiment

EXPERIMENTS: dict[str, str] = {"cse": "tools.reproduce.cse.experiment"}


def load(name: str) -> Experiment:
    """Import one experiment, and no other."""
    experiment: Experiment = importlib.import_module(EXPERIMENTS[name]).EXPERIMENT
    return experiment
