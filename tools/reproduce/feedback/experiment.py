"""How far does feedback come without the context? Linear controllers: searched in the simulator, told the context and not told,
and damped feedback with gains set by hand.

    python tools/reproduce.py feedback                       # writes docs/results/feedback.md and feedback.json
    python tools/reproduce.py feedback --only RotatedThrusters --kinds by-hand
    python tools/reproduce.py feedback --env my_package:MyTask-v0 --sweep angle --sweep mass=0.5,2 --out out/my-task

A trained policy that is not told the context may be a poor one. This experiment asks what the best of a simple family does: its
gains are searched in the simulator, in the contexts of a sweep. It knows more than any learner of data at c0,
and is a yardstick of the task, not a control of the methods. Feedback by hand needs no search; it needs positions and
velocities in the observation, which are measured on random transitions (tools/reproduce/cse/by_hand.py).
A cell is one environment, one sweep, one kind of controller, one seed of the search.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import gymnasium
import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.resolve import resolve
from offctx.errors import EnvError
from offctx.evaluation.evaluator import evaluate
from tools.reproduce.cse.by_hand import GAINS, Gains, damped_feedback, motion
from tools.reproduce.cse.environments import ENVIRONMENTS
from tools.reproduce.cse.learners import EVALUATION_SEED
from tools.reproduce.cse.own import add_own_options, own_environment
from tools.reproduce.cse.settings import TRAIN, Environment
from tools.reproduce.feedback.report import BY_HAND, NOT_TOLD, TOLD, write_report
from tools.reproduce.feedback.search import SearchSettings, play, search
from tools.reproduce.frame.cells import Cell, Results, plain
from tools.reproduce.frame.experiment import Destination, Experiment

_DESCRIPTION = __doc__ or ""  # inside the class, __doc__ is the docstring of the class
_KINDS = {kind.replace(" ", "-"): kind for kind in (NOT_TOLD, TOLD, BY_HAND)}  # as the command line names them
_SECONDS = {TOLD: 40.0, NOT_TOLD: 20.0, BY_HAND: 1.0}


class Feedback(Experiment):
    """Linear controllers, searched and by hand."""

    name = "feedback"
    description = _DESCRIPTION
    partial_report = True
    has_quick = True

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """The choice of environments and controllers."""
        parser.add_argument("--only", nargs="+", choices=[entry.name for entry in suitable()], help="some of the environments")
        add_own_options(parser)
        parser.add_argument("--kinds", nargs="+", choices=list(_KINDS), help="some of the controllers (default: all)")
        parser.add_argument(
            "--gains", nargs=2, type=float, default=list(GAINS), metavar=("KP", "KD"),
            help=f"of feedback by hand, in the units of the observation (default {GAINS.kp:g} {GAINS.kd:g})",
        )  # fmt: skip
        parser.add_argument("--seeds", type=int, default=5, help="searches of each controller (default 5)")

    def cells(self, options: argparse.Namespace) -> Sequence[Cell]:
        """Seed by seed, so that an interrupted run has whole comparisons."""
        settings = SearchSettings()
        if options.quick:
            settings = replace(settings, candidates=16, elites=4, rounds=6, evaluation_episodes=4)
        if not all(0 < gain < np.inf for gain in options.gains):
            raise SystemExit(f"--gains: expected two positive numbers; found {' '.join(map(str, options.gains))}")
        kinds = list(_KINDS) if options.kinds is None else options.kinds
        return [
            _cell(environment, sweep, rows, _KINDS[kind], seed, settings, options)
            for seed in range(options.seeds)
            for environment in chosen_environments(options)
            for sweep, rows in environment.splits().items()
            if sweep != TRAIN
            for kind in kinds
            if _KINDS[kind] != BY_HAND or (environment.by_hand and seed == 0)  # nothing is drawn: one run is all
        ]

    def write_report(self, results: Results, options: argparse.Namespace, destination: Destination) -> None:
        """Write feedback.md and feedback.json."""
        without = list(without_by_hand(options)) if options.kinds is None else []
        write_report(results, Gains(*options.gains), without, destination)


def suitable() -> list[Environment]:
    """The environments of the experiment cse with bounded continuous actions and closed-form equations."""
    return [entry for entry in ENVIRONMENTS if entry.closed_form and not entry.discrete_actions]


def chosen_environments(options: argparse.Namespace) -> list[Environment]:
    """The environment that --env names, or those that --only names; SystemExit where feedback cannot be played."""
    given = own_environment(options)
    if given is None:
        return [entry for entry in suitable() if options.only is None or entry.name in options.only]
    actions = resolve(given.env).env.action_space
    if not isinstance(actions, gymnasium.spaces.Box) or not np.isfinite([actions.low, actions.high]).all():
        raise SystemExit(f"--env {given.env}: expected continuous actions with bounds, as feedback needs them; found {actions}")
    if options.kinds is not None and "by-hand" in options.kinds and not given.by_hand:
        raise SystemExit(f"--kinds by-hand: {why_not_by_hand(given.env)}")
    return [given]


def without_by_hand(options: argparse.Namespace) -> Iterator[str]:
    """Why there is no feedback by hand, an item for each environment without it."""
    return (f"{entry.name}: {why_not_by_hand(entry.env)}" for entry in chosen_environments(options) if not entry.by_hand)


def why_not_by_hand(env: str) -> str:
    """The reason in words."""
    try:
        motion(env)
    except EnvError as error:
        return str(error)
    return "not part of the experiment"


def _cell(
    environment: Environment,
    sweep: str,
    rows: Contexts,
    kind: str,
    seed: int,
    search: SearchSettings,
    options: argparse.Namespace,
) -> Cell:
    """The cell of one controller."""
    gains = Gains(*options.gains)
    other = f"-{gains.kp:g}-{gains.kd:g}" if kind == BY_HAND and gains != GAINS else ""  # other gains replace no result
    path = options.work / "cells" / environment.name / sweep / (kind.replace(" ", "-") + other) / f"seed{seed}.json"
    key, task = (environment.name, sweep, kind, seed), {"env": environment.env, "contexts": rows.tolist()}
    if kind == BY_HAND:
        episodes = search.evaluation_episodes
        settings = plain({"gains": gains._asdict(), "evaluation_episodes": episodes} | task)
        return Cell(key, path, partial(run_by_hand, environment.env, rows, gains, episodes), settings, _SECONDS[kind])
    compute = partial(run_search, environment.env, rows, kind, seed, search)
    return Cell(key, path, compute, plain(asdict(search) | task), _SECONDS[kind])


def run_by_hand(env: str, sweep: Contexts, gains: Gains, episodes: int) -> Mapping[str, Any]:
    """The returns of damped feedback by hand in the contexts of the sweep (K, M)."""
    policy = damped_feedback(env, gains)
    report = evaluate(policy, env, {"test": sweep}, episodes=episodes, seed=EVALUATION_SEED, context="hidden")
    return {"returns": np.round(report.returns["test"], 6).tolist()}


def run_search(env: str, sweep: Contexts, kind: str, seed: int, settings: SearchSettings) -> Mapping[str, Any]:
    """One search, and the returns of its controller in the contexts of the sweep (K, M)."""
    told = kind == TOLD
    gains = search(env, sweep, told=told, seed=seed, settings=settings)
    episodes = settings.evaluation_episodes
    returns = play(env, gains[None], sweep, told=told, sweep=sweep, episodes=episodes, seed=EVALUATION_SEED)[0]
    return {"gains": gains.tolist(), "returns": np.round(returns, 6).tolist()}


EXPERIMENT = Feedback()
