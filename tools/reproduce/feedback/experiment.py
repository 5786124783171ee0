"""How far does feedback come without the context? Linear controllers, searched in the simulator, told the context and not told.

    python tools/reproduce.py feedback                       # writes docs/results/feedback.md and feedback.json
    python tools/reproduce.py feedback --only RotatedThrusters

A trained policy that is not told the context may be a poor one. This experiment asks what the best of a simple family does: its
gains are searched in the simulator, in the contexts of a sweep. It knows more than any learner of data at c0,
and is a yardstick of the task, not a control of the methods. A cell is one environment, one sweep, told or not, one seed.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import gymnasium
import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.resolve import resolve
from tools.reproduce.cse.environments import BY_NAME, ENVIRONMENTS
from tools.reproduce.cse.learners import EVALUATION_SEED
from tools.reproduce.cse.settings import TRAIN, Environment
from tools.reproduce.feedback.report import write_report
from tools.reproduce.feedback.search import SearchSettings, play, search
from tools.reproduce.frame.cells import Cell, Results, plain
from tools.reproduce.frame.experiment import Destination, Experiment

_DESCRIPTION = __doc__ or ""  # inside the class, __doc__ is the docstring of the class
TOLD, NOT_TOLD = "told", "not told"
_SECONDS = {TOLD: 40.0, NOT_TOLD: 20.0}


class Feedback(Experiment):
    """Searched linear controllers."""

    name = "feedback"
    description = _DESCRIPTION
    partial_report = True
    has_quick = True

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """The choice of environments."""
        parser.add_argument("--only", nargs="+", choices=[entry.name for entry in suitable()], help="some of the environments")
        parser.add_argument("--seeds", type=int, default=5, help="searches of each controller (default 5)")

    def cells(self, options: argparse.Namespace) -> Sequence[Cell]:
        """Seed by seed, so that an interrupted run has whole comparisons."""
        settings = SearchSettings()
        if options.quick:
            settings = replace(settings, candidates=16, elites=4, rounds=6, evaluation_episodes=4)
        return [
            Cell(
                key=(environment.name, sweep, kind, seed),
                path=options.work / "cells" / environment.name / sweep / kind.replace(" ", "-") / f"seed{seed}.json",
                compute=partial(run_cell, environment.env, rows, kind, seed, settings),
                settings=plain(asdict(settings) | {"env": environment.env, "contexts": rows.tolist()}),
                cost=_SECONDS[kind],
            )
            for seed in range(options.seeds)
            for environment in suitable()
            if options.only is None or environment.name in options.only
            for sweep, rows in environment.splits().items()
            if sweep != TRAIN
            for kind in (NOT_TOLD, TOLD)
        ]

    def write_report(self, results: Results, options: argparse.Namespace, destination: Destination) -> None:
        """Write feedback.md and feedback.json."""
        write_report(results, destination)


def suitable() -> list[Environment]:
    """The environments of the experiment cse with bounded continuous actions and closed-form equations."""
    return [
        entry
        for entry in ENVIRONMENTS
        if entry.closed_form and isinstance(resolve(BY_NAME[entry.name].env).env.action_space, gymnasium.spaces.Box)
    ]


def run_cell(env: str, sweep: Contexts, kind: str, seed: int, settings: SearchSettings) -> Mapping[str, Any]:
    """One search, and the returns of its controller in the contexts of the sweep (K, M)."""
    told = kind == TOLD
    gains = search(env, sweep, told=told, seed=seed, settings=settings)
    episodes = settings.evaluation_episodes
    report = play(env, gains[None], sweep, told=told, sweep=sweep, episodes=episodes, seed=EVALUATION_SEED)
    return {"gains": gains.tolist(), "returns": np.round(report.returns["test"], 6).tolist()}


EXPERIMENT = Feedback()
