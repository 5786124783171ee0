"""The report: cse.md, cse.json and a picture of each environment, from the results alone."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from offctx.evaluation.statistics import GapClosed
from offctx.files import write_file
from tools import provenance
from tools.reproduce.cse.arms import METHODS, TITLES
from tools.reproduce.cse.environments import WITHDRAWN
from tools.reproduce.cse.pictures import radius_picture, returns_picture
from tools.reproduce.cse.radius import radius_lines, slope_verdicts
from tools.reproduce.cse.results import AlgorithmResult, gather, learners_only
from tools.reproduce.cse.settings import TRAIN, Environment, Learner
from tools.reproduce.cse.verdicts import failure_lines, verdict
from tools.reproduce.frame.cells import Result, Results
from tools.reproduce.frame.experiment import Destination
from tools.reproduce.frame.markdown import paragraph, table
from tools.reproduce.frame.verdicts import Verdict, verdict_table

_INTRODUCTION = (
    "The learners train on data from one context c0 and are scored in contexts that they have never seen: sweeps of one "
    "coordinate, with the others at c0. Baseline: the data as they are. CSE: the same data, moved batch by batch to "
    "contexts that are drawn uniformly from a ball around c0. First-order CSE uses the dataset's derivatives; exact CSE "
    "simulates the transitions again. LDR: as many transitions from contexts c0 + eps N(0, I), the best that CSE can be "
    "expected to reach. Mean returns, 95 % bootstrap intervals over seeds (of data, networks and batches). Gap closed: "
    "(CSE - baseline) / (LDR - baseline), a ratio of means; undefined where the interval of LDR - baseline does "
    "not lie above 0. A threshold is judged by the estimate over all sweeps together."
)


def write_report(environments: Sequence[Environment], results: Results, destination: Destination) -> None:
    """Write the report of these environments."""
    learners, radii = learners_only(results), _radius_results(results)
    algorithms = gather(environments, learners)
    missing = [learner for cell in learners.missing if (learner := Learner.of(cell))]
    verdicts = [verdict(result) for result in algorithms]
    verdicts += [v for e in environments if e.name in radii for v in slope_verdicts(e, radii[e.name])]
    lines = _head(learners, verdicts, destination.command)
    for environment in environments:
        own = [result for result in algorithms if result.environment.name == environment.name]
        lines += _section(environment, own)
        lines += radius_lines(environment, radii.get(environment.name))
        if own:
            returns_picture(own).savefig(destination.folder / f"cse-{environment.name}.png")
    if radii:
        radius_picture(radii).savefig(destination.folder / "cse-radius.png")
        lines += ["", "## First order against exact, as the radius grows", "", "![first-order error](cse-radius.png)"]
    lines += ["", "## What failed, and what is not there", "", *failure_lines(algorithms, verdicts, missing)]
    lines += [f"- Not run: radius report of {e.name}." for e in environments if e.offline and e.name not in radii]
    lines += [f"- {name}: withdrawn, {reason}." for name, reason in WITHDRAWN.items()]
    write_file(destination.folder / "cse.md", "\n".join(lines) + "\n")
    _write_json(learners, algorithms, radii, verdicts, destination)


def _head(learners: Results, verdicts: Sequence[Verdict], command: str) -> list[str]:
    """Title, introduction, provenance and verdicts."""
    return [
        "# Context sample enhancement everywhere",
        "",
        *paragraph(_INTRODUCTION),
        f"Command: `{command}`.",
        f"{learners.provenance()}.",
        "",
        *verdict_table(verdicts)[:-1],
    ]


def _section(environment: Environment, algorithms: Sequence[AlgorithmResult]) -> list[str]:
    """One environment: its settings, mean returns, shares of the gap, picture."""
    trainings = {f"{name}, {mode}": t for mode in ("offline", "online") for name, t in environment.trainings(mode).items()}
    trained = "; ".join(f"{name}: {training}" for name, training in trainings.items())
    lines = ["", f"## {environment.name}", ""]
    lines += paragraph(
        f"`{environment.env}`, c0 = {environment.space.describe(environment.space.default)}. Data: {environment.data_episodes} "
        f"episodes of {environment.behaviour_text}. Radius of CSE, jitter and LDR: relative error of first order "
        f"{environment.tolerance:g}. {trained}; d3rlpy's defaults otherwise. "
        f"{'All seeds share their data. ' if environment.shared_data else ''}{environment.episodes} "
        f"episodes per context. {environment.notes}"
    )
    if not algorithms:
        return [*lines, "No cell has been run."]
    arms = [arm for arm in TITLES if any(arm in result.comparison.methods for result in algorithms)]
    means = [
        [result.title, "c0" if region == TRAIN else region, *(result.mean(arm, region) for arm in arms)]
        for result in algorithms
        for region in [TRAIN, *result.regions]
    ]
    shares = [
        [result.title, region, *(_share(result.closed(method, region)) for method in METHODS)]
        for result in algorithms
        for region in result.regions
    ]
    lines += table(["algorithm", "contexts", *(TITLES[arm] for arm in arms)], means)
    lines += ["Gap closed:", "", *table(["algorithm", "contexts", *(TITLES[method] for method in METHODS)], shares)]
    return [*lines, f"![{environment.name}: return over contexts](cse-{environment.name}.png)"]


def _share(closed: GapClosed | None) -> str:
    """The share of the gap as text; empty where a method is missing."""
    if closed is None:
        return ""
    return str(closed.share) if closed.share is not None else f"undefined: LDR - baseline = {closed.difference}"


def _write_json(
    learners: Results,
    algorithms: Sequence[AlgorithmResult],
    radii: Mapping[str, Result],
    verdicts: Sequence[Verdict],
    destination: Destination,
) -> None:
    report: dict[str, Any] = {
        "command": destination.command,
        "commit": provenance.commit(),
        "cells_at": learners.commits,
        "missing": [str(cell) for cell in learners.missing],
        "verdicts": [v.to_dict() for v in verdicts],
        "results": [_as_json(result) for result in algorithms],
        "radius": {name: {key: result[key] for key in ("report", "used")} for name, result in radii.items()},
    }
    write_file(destination.folder / "cse.json", json.dumps(report, indent=1, allow_nan=False) + "\n")


def _as_json(result: AlgorithmResult) -> dict[str, Any]:
    """Every seed's mean return in every context, and the shares of the gap."""
    comparison = result.comparison
    shares = {
        method: {region: closed.to_dict() for region in result.regions if (closed := result.closed(method, region))}
        for method in METHODS
    }
    return {
        "env": result.environment.name,
        "mode": result.mode,
        "algorithm": result.algorithm,
        "seconds": round(result.seconds),
        "contexts": {split: rows.tolist() for split, rows in comparison.first.contexts.items()},
        "returns": {
            method: {split: comparison.returns(method, split).mean(axis=2).round(4).tolist() for split in comparison.splits}
            for method in comparison.methods
        },
        "gap_closed": shares,
    }


def _radius_results(results: Results) -> dict[str, Result]:
    """The finished radius cells, by environment."""
    return {str(cell.key[0]): result for cell, result in results.finished if cell.key[1:] == ("radius",)}
