"""The search for the one number that is chosen: the tolerance from which the radius of CSE follows.

It is chosen once for all environments, on other training seeds, start states and contexts than those that are reported: the
contexts lie halfway between neighbouring contexts of a sweep and c0. Every candidate is in the report.

Dimensions: K contexts, p context.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from offctx.contexts.space import Contexts
from offctx.evaluation.evaluator import evaluate
from offctx.evaluation.report import ZeroShotReport
from tools.reproduce.cse.data import radius
from tools.reproduce.cse.learners import learner_settings, train_offline
from tools.reproduce.cse.settings import OFFLINE, TRAIN, Environment, Learner
from tools.reproduce.frame.cells import Result, Results

TOLERANCES = (0.2, 0.5)
SEARCHED = ("RotatedThrusters", "PendulumGoal", "SimpleDirection")
SEEDS = (100, 101)
_METHOD, _EVALUATION_SEED, _EPISODES = "cse", 2_000_000, 32


def halfway_contexts(environment: Environment) -> Contexts:
    """The contexts (K, p) halfway between neighbours of each sweep, c0 among them."""
    rows, space = [], environment.space
    for sweep, contexts in environment.splits().items():
        if sweep != TRAIN:
            line = np.unique(np.concatenate([contexts, space.default[None]]), axis=0)
            rows.append((line[1:] + line[:-1]) / 2)
    middle = np.concatenate(rows)
    return middle[space.valid(middle)]


def candidate(environment: Environment, tolerance: float) -> Environment:
    """The environment with a candidate of the search."""
    return replace(environment, tolerance=tolerance)


def search_learner(environment: Environment, seed: int) -> Learner:
    """First-order CSE with the first offline algorithm."""
    return Learner(environment.name, OFFLINE, next(iter(environment.offline)), _METHOD, seed)


def search_settings(environment: Environment, seed: int) -> Result:
    """What a candidate's result depends on."""
    settings = learner_settings(environment, search_learner(environment, seed))
    return settings | {"contexts": halfway_contexts(environment).tolist(), "episodes": _EPISODES}


def run_search(environment: Environment, seed: int) -> Result:
    """Train a candidate, and score it on the contexts of the search."""
    radii = radius(environment, environment.data_seed(seed))
    agent = train_offline(environment, search_learner(environment, seed), radii)
    contexts = {"search": halfway_contexts(environment)}
    options = {"episodes": _EPISODES, "seed": _EVALUATION_SEED, "progress": False}
    report = evaluate(agent, environment.env, contexts, **options)  # type: ignore[arg-type]  # of different types
    return {"report": report.to_dict(), "radius": radii.tolist()}


def search_returns(results: Results) -> dict[str, dict[float, list[float]]]:
    """environment -> tolerance -> the mean return of each seed, of the finished cells of the search."""
    returns: dict[str, dict[float, list[float]]] = {}
    for cell, result in results.finished:
        if cell.key[1] == "search":
            mean = ZeroShotReport.from_dict(result["report"]).aer("search")
            by_tolerance = returns.setdefault(str(cell.key[0]), {})
            by_tolerance.setdefault(float(cell.settings["tolerance"]), []).append(mean)
    return returns


def best_tolerance(returns: Mapping[str, Mapping[float, Sequence[float]]]) -> float | None:
    """The tolerance that has the highest mean return in most environments; None where a candidate is missing."""
    if set(returns) != set(SEARCHED) or any(len(v.get(t, ())) < len(SEEDS) for v in returns.values() for t in TOLERANCES):
        return None
    winners = [max(TOLERANCES, key=lambda t, v=values: float(np.mean(v[t]))) for values in returns.values()]  # type: ignore[misc]
    return max(TOLERANCES, key=winners.count)
