"""What is run: 95 % intervals of simulated experiments whose truth is known.

    python tools/reproduce.py coverage           # three minutes of one core; writes docs/results/coverage.md and coverage.json
    python tools/reproduce.py coverage --draws 200 --out out/coverage --work out/coverage

A cell is one distribution of seeds with one number of seeds, one where only the method fails (its seeds collapse or are skewed;
controls are stable), one with start states that all agents share, or one agent with one number of episodes.
"""

import argparse
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from offctx.checks import whole_number
from offctx.errors import EvaluationError
from tools.reproduce.coverage import populations, rules
from tools.reproduce.coverage.populations import DISTRIBUTIONS, METHOD_ALONE, SHARE, Floats
from tools.reproduce.coverage.report import write_report
from tools.reproduce.frame.cells import Cell, Results
from tools.reproduce.frame.experiment import Destination, Experiment

_DESCRIPTION = __doc__ or ""  # inside the class, __doc__ is the docstring of the class
SEEDS = (5, 10)
EPISODES = (10, 64)
FEW_AND_MANY = (8, 64)  # episodes that all agents share
KINDS = (("normal", "little"), ("normal", "half"), ("normal", "most"), ("skewed", "half"))  # of seeds and start states
ONE_AGENT = "one agent"
_IQM_DRAWS = 4  # one draw of so many is used for the interquartile mean, which is slow
_SECONDS = 0.006  # of a draw, expected


class Coverage(Experiment):
    """The coverage of intervals."""

    name = "coverage"
    description = _DESCRIPTION

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """How many experiments are simulated."""
        parser.add_argument("--draws", type=int, default=3000, help="simulated experiments of each cell (default 3000)")

    def cells(self, options: argparse.Namespace) -> Sequence[Cell]:
        """Every distribution with every number of seeds, seeds that fail in the method alone, then one agent."""
        whole_number(options.draws, "--draws", 1, EvaluationError)
        kinds: list[tuple[str, int, Callable[[str, int, int], Mapping[str, Any]]]] = [
            *((name, seeds, run_seeds) for name in DISTRIBUTIONS for seeds in SEEDS),
            *((name, seeds, run_against_stable_controls) for name in METHOD_ALONE for seeds in SEEDS),
            *((ONE_AGENT, episodes, run_episodes) for episodes in EPISODES),
        ]
        alone = [
            self._cell(options, (name, count), partial(compute, name, count, options.draws)) for name, count, compute in kinds
        ]
        return alone + [
            self._cell(options, (*kind, seeds, episodes), partial(run_crossed, *kind, seeds, episodes, options.draws))
            for kind in KINDS
            for seeds in SEEDS
            for episodes in FEW_AND_MANY
        ]

    def _cell(self, options: argparse.Namespace, key: tuple[str | int, ...], compute: Callable[[], Mapping[str, Any]]) -> Cell:
        name = "-".join(map(str, key)).replace(" ", "-")
        path = options.work / "cells" / f"{name}.json"
        return Cell(key, path, compute, {"draws": options.draws}, options.draws * _SECONDS * (1 if len(key) == 2 else 2))

    def write_report(self, results: Results, options: argparse.Namespace, destination: Destination) -> None:
        """Write coverage.md and coverage.json."""
        write_report(results, options.draws, destination)


def run_seeds(name: str, seeds: int, draws: int) -> Mapping[str, Any]:
    """The coverage of intervals over seeds of one distribution: statistic -> rule -> `measured`."""
    draw, rng = DISTRIBUTIONS[name], _generator(name, seeds)
    one = populations.one_method(draw, rng, draws, seeds)
    three = populations.three_methods(draw, rng, draws, seeds)
    experiments = {
        "mean": ([one], 0.0),
        "difference": (three[:2], SHARE * populations.GAP),
        "share": (three, SHARE),
    }
    found = {}
    for statistic, (arms, truth) in experiments.items():
        intervals = {
            "Student t": rules.ours(statistic, arms),
            "percentile": rules.percentiles(statistic, arms, expanded=False),
            "expanded percentile": rules.percentiles(statistic, arms, expanded=True),
        }
        reported = ~np.isnan(intervals["Student t"]).any(axis=1)  # the share is undefined elsewhere
        found[statistic] = {rule: measured(bounds[reported], truth, draws) for rule, bounds in intervals.items()}
    few = max(draws // _IQM_DRAWS, 1)
    found["iqm"] = {"Student t": measured(rules.ours("iqm", [one[:few]]), populations.true_iqm(draw), few)}
    return {"coverage": found}


def run_against_stable_controls(name: str, seeds: int, draws: int) -> Mapping[str, Any]:
    """The coverage of a difference of 0, and how often it is called "above": control -> rule -> `measured` and "above"."""
    method, paired, zero = populations.against_stable_controls(METHOD_ALONE[name], _generator(name, seeds), draws, seeds)
    found = {}
    for control, returns in (("difference", paired), ("less zero", zero)):
        bounds = rules.ours("difference", [method, returns])
        found[control] = {"Student t": measured(bounds, 0.0, draws) | {"above": float((bounds[:, 0] > 0).mean())}}
    return {"coverage": found}


def run_episodes(name: str, episodes: int, draws: int) -> Mapping[str, Any]:
    """The coverage of the mean of one agent over episodes, whose starts are common to all contexts."""
    returns = populations.episodes(_generator(name, episodes), draws, episodes)
    intervals = {"Student t": rules.ours("mean", [returns]), "contexts apart": rules.contexts_apart(returns)}
    return {"coverage": {"mean": {rule: measured(bounds, 0.0, draws) for rule, bounds in intervals.items()}}}


def run_crossed(name: str, starts: str, seeds: int, episodes: int, draws: int) -> Mapping[str, Any]:
    """The coverage of intervals over seeds and start states that all agents share: statistic -> rule -> `measured`."""
    draw, rng = DISTRIBUTIONS[name], _generator(f"{name} {starts}", 1000 * seeds + episodes)
    arms = populations.crossed(draw, rng, draws, seeds, episodes, populations.STARTS[starts])
    gain = SHARE * populations.GAP
    less_zero = gain - populations.ZERO
    share = rules.ours("share", arms[:3])
    found = {
        "mean": {
            "Student t": measured(rules.ours("mean", arms[:1]), gain, draws),
            "seeds alone": measured(rules.seeds_alone(arms.method, 0.0), gain, draws),
        },
        "difference": {"Student t": measured(rules.ours("difference", arms[:2]), gain, draws)},
        "less zero": {
            "Student t": measured(rules.ours("difference", [arms.method, arms.zero]), less_zero, draws),
            "seeds alone": measured(rules.seeds_alone(arms.method, arms.zero), less_zero, draws),
        },
        "share": {"Student t": measured(share[~np.isnan(share).any(axis=1)], SHARE, draws)},
    }
    if name == "normal":  # symmetric, so that the interquartile mean is the mean
        few = max(draws // _IQM_DRAWS, 1)
        found["iqm"] = {"Student t": measured(rules.ours("iqm", [arms.method[:few]]), gain, few)}
    return {"coverage": found}


def measured(bounds: Floats, truth: float, draws: int) -> dict[str, float | None]:
    """The coverage of intervals (D, 2), the share of draws that report one, and the median width; None without any."""
    if not len(bounds):
        return {"coverage": None, "reported": 0.0, "width": None}
    inside = (bounds[:, 0] <= truth) & (truth <= bounds[:, 1])
    return {
        "coverage": float(inside.mean()),
        "reported": len(bounds) / draws,
        "width": float(np.median(bounds[:, 1] - bounds[:, 0])),
    }


def _generator(name: str, count: int) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(name.encode()), count])


EXPERIMENT = Coverage()
