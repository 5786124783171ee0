"""The experiments by name; a row names the module whose EXPERIMENT is run."""

import importlib

from tools.reproduce.frame.experiment import Experiment

EXPERIMENTS = {
    "demo": "tools.reproduce.demo.experiment",  # `make demo` over seeds and algorithms
    "theory": "tools.reproduce.theory.experiment",  # what the papers behind offctx.linear claim
    "cse": "tools.reproduce.cse.experiment",  # context sample enhancement in every environment
    "perm": "tools.reproduce.perm.experiment",  # PERM and PPPO against merged learners, context hidden
}


def load(name: str) -> Experiment:
    """Import one experiment, and no other."""
    experiment: Experiment = importlib.import_module(EXPERIMENTS[name]).EXPERIMENT
    return experiment
