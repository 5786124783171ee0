"""Every configuration that was run: those of the tables, and those that are not in them any more."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tools.reproduce.cse.arms import TITLES
from tools.reproduce.cse.results import AlgorithmResult
from tools.reproduce.cse.search import SEEDS, TOLERANCES, best_tolerance, search_returns
from tools.reproduce.cse.settings import TRAIN, Environment
from tools.reproduce.frame.cells import Result, Results
from tools.reproduce.frame.markdown import paragraph, table

_NOT_SHOWN = ("contexts", "data_seed", "env")  # settings that the results themselves say


def configuration_lines(results: Iterable[AlgorithmResult]) -> list[str]:
    """The configurations of the tables in Markdown, one line for each algorithm, with the seeds of each arm."""
    lines = []
    for result in results:
        training = result.environment.trainings(result.mode)[result.algorithm]
        arms = ", ".join(f"{TITLES[arm]} {len(runs)}" for arm, runs in result.runs.items())
        lines.append(f"- {result.environment.name}, {result.title}: {training}. Runs: {arms}.")
    return lines


def search_lines(environments: Iterable[Environment], results: Results) -> list[str]:
    """The search for the tolerance: every candidate in every environment where it was tried, and what the tables use."""
    returns = search_returns(results)
    if not returns:
        return []
    text = (
        "The tolerance of CSE's radius is the one number of CSE that was chosen, and jitter and LDR share its radius: "
        "first-order CSE with the first offline algorithm, on contexts drawn uniformly from the box that the sweeps span, with "
        f"other seeds and start states than those reported. Returns of seeds {', '.join(map(str, SEEDS))}; the "
        "tolerance with the higher mean is used. Where both are equal, it is 0.5. A first search, among the runs below, had "
        "contexts halfway between points of a sweep: they leave out the ends of the range, where the tolerances differ; the "
        "search was replaced. What was set by hand stands at the top of this page."
    )
    used, rows = {environment.name: environment.tolerance for environment in environments}, []
    for name, by_tolerance in returns.items():
        values = [by_tolerance.get(tolerance, []) for tolerance in TOLERANCES]
        best = best_tolerance(by_tolerance)
        chosen = "not run or equal" if best is None else f"{best:g}"
        rows.append(
            [
                name,
                *(", ".join(f"{value:.4g}" for value in of_seeds) or "not run" for of_seeds in values),
                chosen,
                f"{used[name]:g}",
            ]
        )
    return [*paragraph(text), *table(["environment", *(f"tolerance {t:g}" for t in TOLERANCES), "higher mean", "used"], rows)]


def other_runs(folder: Path, names: Iterable[str], results: Results) -> list[dict[str, Any]]:
    """The policies in the folder of cells that are not among the results: other settings, and cells that are no longer planned.

    Args:
        folder: of the cells.
        names: of the environments that are reported.
        results: of the report.

    Returns:
        for each configuration its key without the seed, its settings, and for each run its seed, commit and mean returns.
    """
    groups: dict[str, dict[str, Any]] = {}
    for stored in results.others(folder / name for name in names):
        if "report" in stored and "splits" in stored["report"]:
            settings = {name: value for name, value in stored["settings"].items() if name not in _NOT_SHOWN}
            new = {"key": stored["key"][:-1], "settings": settings, "runs": []}
            group = groups.setdefault(json.dumps([new["key"], settings], sort_keys=True), new)
            group["runs"].append(_run(stored))
    return list(groups.values())


def _run(stored: Result) -> dict[str, Any]:
    """A run in short."""
    means = {split: round(float(np.mean(values["returns"])), 4) for split, values in stored["report"]["splits"].items()}
    return {"seed": stored["key"][-1], "commit": stored["commit"], "mean_returns": means}


def other_lines(others: Sequence[dict[str, Any]]) -> list[str]:
    """The same in Markdown, one line for each configuration: its settings and its mean returns."""
    lines = []
    for group in others:
        settings = ", ".join(f"{name} {value}" for name, value in group["settings"].items() if value is not None)
        splits = group["runs"][0]["mean_returns"]
        means = {split: float(np.mean([run["mean_returns"][split] for run in group["runs"]])) for split in splits}
        shown = ", ".join(f"{'c0' if split == TRAIN else split} {mean:.4g}" for split, mean in means.items())
        seeds = ", ".join(str(run["seed"]) for run in group["runs"])
        lines.append(
            f"- {' / '.join(map(str, group['key']))}, seeds {seeds}: {settings or 'as planned'}. Mean returns: {shown}."
        )
    return lines
