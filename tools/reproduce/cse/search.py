"""The search for the one number that is chosen in each environment: the tolerance from which the radius of CSE follows.

It is chosen on other training seeds, start states and contexts than those that are reported: the contexts are drawn uniformly
from the evaluation range, the box that the sweeps span. Every candidate is in the report.

Dimensions: K contexts, p context.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from offctx.contexts.space import Contexts
from offctx.evaluation.evaluator import evaluate
from offctx.evaluation.report import ZeroShotReport
from tools.reproduce.cse.data import radius, range_contexts
from tools.reproduce.cse.learners import learner_settings, train_offline
from tools.reproduce.cse.settings import OFFLINE, Environment, Learner
from tools.reproduce.frame.cells import Result, Results

TOLERANCES = (0.2, 0.5)
SEEDS = (100, 101)
_METHOD, _EVALUATION_SEED = "cse", 2_000_000
_CONTEXTS, _EPISODES = 64, 8


def search_contexts(environment: Environment) -> Contexts:
    """The contexts (K, p) of the search, uniform in the evaluation range; none is one of the sweeps, with probability 1."""
    return range_contexts(environment, _CONTEXTS, np.random.default_rng(_EVALUATION_SEED))


def candidate(environment: Environment, tolerance: float) -> Environment:
    """The environment with a candidate of the search."""
    return replace(environment, tolerance=tolerance)


def search_learner(environment: Environment, seed: int) -> Learner:
    """First-order CSE with the first offline algorithm."""
    return Learner(environment.name, OFFLINE, next(iter(environment.offline)), _METHOD, seed)


def search_settings(environment: Environment, seed: int) -> Result:
    """What a candidate's result depends on."""
    settings = learner_settings(environment, search_learner(environment, seed))
    return settings | {"contexts": search_contexts(environment).tolist(), "episodes": _EPISODES}


def run_search(environment: Environment, seed: int) -> Result:
    """Train a candidate, and score it on the contexts of the search."""
    radii = radius(environment, environment.data_seed(seed))
    agent = train_offline(environment, search_learner(environment, seed), radii)
    contexts = {"search": search_contexts(environment)}
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


def best_tolerance(by_tolerance: Mapping[float, Sequence[float]]) -> float | None:
    """The tolerance with the highest mean return in an environment; None where a candidate is missing, or where they are equal.

    Args:
        by_tolerance: tolerance -> the mean return of each seed.
    """
    if any(len(by_tolerance.get(tolerance, ())) < len(SEEDS) for tolerance in TOLERANCES):
        return None
    means = {tolerance: float(np.mean(by_tolerance[tolerance])) for tolerance in TOLERANCES}
    best = max(means, key=lambda tolerance: means[tolerance])
    return None if len(set(means.values())) == 1 else best
