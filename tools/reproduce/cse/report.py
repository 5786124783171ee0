"""The report: cse.md, cse.json and a picture of each environment, from the results alone."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from offctx.files import write_file
from tools.reproduce.cse.configurations import configuration_lines, other_lines, other_runs, search_lines
from tools.reproduce.cse.environments import WITHDRAWN
from tools.reproduce.cse.head import SET_BY_HAND, definition_lines, fact_lines, missing_lines, summary_lines
from tools.reproduce.cse.matters import complete_proofs
from tools.reproduce.cse.pictures import radius_picture, returns_picture
from tools.reproduce.cse.radius import radius_lines, slope_verdicts
from tools.reproduce.cse.records import report_record
from tools.reproduce.cse.results import AlgorithmResult, gather
from tools.reproduce.cse.search import search_returns
from tools.reproduce.cse.settings import OFFLINE, ONLINE, Environment
from tools.reproduce.cse.tables import judgement_table, means_table, proof_table
from tools.reproduce.cse.verdicts import judgements
from tools.reproduce.frame.cells import Result, Results
from tools.reproduce.frame.experiment import Destination
from tools.reproduce.frame.markdown import paragraph
from tools.reproduce.frame.verdicts import verdict_table

_QUESTION = (
    "Learners of data from one context c0 are scored in contexts that are not in the data. Does context sample enhancement "
    "(CSE, arXiv 2507.07348) help, beyond what a placebo gives? Each verdict is against the baseline and every null control."
)


def write_report(environments: Sequence[Environment], results: Results, destination: Destination, work: Path) -> None:
    """Write the report of these environments; `work` is the folder of cells."""
    algorithms, radii = gather(environments, results), radius_results(results)
    names = [environment.name for environment in environments]
    others = other_runs(work / "cells", names, results)
    lines = ["# Context sample enhancement against its controls", "", *paragraph(_QUESTION), *paragraph(SET_BY_HAND)]
    lines += fact_lines(results, missing_lines(results), destination.command)
    lines += ["## Summary", "", *summary_lines(algorithms), *definition_lines()]
    for environment in environments:
        own = [result for result in algorithms if result.environment.name == environment.name]
        lines += _section(environment, own, radii.get(environment.name), destination.folder)
    lines += _radius_section(environments, radii, destination.folder)
    lines += [
        "## Every configuration that was run",
        "",
        *search_lines(environments, results),
        *configuration_lines(algorithms),
        "",
    ]
    if others:
        lines += ["Run, and not in the tables above:", "", *other_lines(others), ""]
    lines += [f"- {name}: withdrawn, {reason}." for name, reason in WITHDRAWN.items()]
    write_file(destination.folder / "cse.md", "\n".join(lines) + "\n")
    record = report_record(results, destination.command, algorithms, others)
    record["search"] = {
        name: [{"tolerance": tolerance, "returns": values} for tolerance, values in by_tolerance.items()]
        for name, by_tolerance in search_returns(results).items()
    }
    record["radius"] = {name: {key: result[key] for key in ("report", "radius", "used")} for name, result in radii.items()}
    write_file(destination.folder / "cse.json", json.dumps(record, allow_nan=False) + "\n")


def radius_results(results: Results) -> dict[str, Result]:
    """The finished radius cells, by environment."""
    return {str(cell.key[0]): result for cell, result in results.finished if cell.key[1:] == ("radius",)}


def _section(environment: Environment, algorithms: Sequence[AlgorithmResult], radius: Result | None, folder: Path) -> list[str]:
    """One environment: its settings, its picture, and the tables of each algorithm."""
    lines = [f"## {environment.name}", "", *paragraph(setting(environment))]
    if not algorithms:
        return [*lines, "No cell has been run.", ""]
    returns_picture(algorithms).savefig(folder / f"cse-{environment.name}.png")
    lines += [f"![{environment.name}: return over contexts; lines are means, dots are seeds](cse-{environment.name}.png)", ""]
    for result in algorithms:
        lines += algorithm_lines(result)
    return [*lines, *radius_lines(environment, radius)]


def algorithm_lines(result: AlgorithmResult) -> list[str]:
    """One algorithm: verdicts, mean returns, and whether the context matters."""
    lines = [f"### {result.environment.name}: {result.title}", ""]
    judged = judgements(result)
    lines += judgement_table(judged) if judged else []
    lines += means_table(result)
    proofs = complete_proofs(result)
    return lines + (["Does the context matter here?", "", *proof_table(proofs)] if proofs else [])


def setting(environment: Environment) -> str:
    """What is run, in words."""
    trainings = {f"{name}, {mode}": t for mode in (OFFLINE, ONLINE) for name, t in environment.trainings(mode).items()}
    trained = "; ".join(f"{name}: {training}" for name, training in trainings.items())
    moved = "" if environment.moves is None else f" in {', '.join(environment.moves)}"
    return (
        f"`{environment.env}`, c0 = {environment.space.describe(environment.space.default)}. Data: {environment.data_episodes} "
        f"episodes of {environment.behaviour_text}. CSE, jitter and LDR move contexts{moved} as far as the relative error of "
        f"first order is {environment.tolerance:g} on the training data. {trained}; d3rlpy's defaults otherwise. "
        f"{'All seeds share their data. ' if environment.shared_data else ''}{environment.episodes} episodes per context. "
        f"{environment.notes}"
    )


def _radius_section(environments: Sequence[Environment], radii: Mapping[str, Result], folder: Path) -> list[str]:
    """First order against exact in all environments."""
    if not radii:
        return []
    radius_picture(radii).savefig(folder / "cse-radius.png")
    verdicts = [
        v
        for environment in environments
        if environment.name in radii
        for v in slope_verdicts(environment, radii[environment.name])
    ]
    lines = ["## First order against exact, as the radius grows", "", *verdict_table(verdicts)]
    return [*lines, "![first-order error](cse-radius.png)", ""]
