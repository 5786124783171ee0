"""The report: controls.md, controls.json and controls.png."""

import json
from collections.abc import Sequence

from offctx.files import write_file
from tools.reproduce.controls.claims import METHOD, claimed_sweeps, claims, disjoint_from
from tools.reproduce.cse.arms import BY_HAND, REFERENCES, TITLES
from tools.reproduce.cse.head import definition_lines, fact_lines, missing_lines
from tools.reproduce.cse.pictures import sweeps_picture
from tools.reproduce.cse.radius import radius_lines
from tools.reproduce.cse.records import report_record
from tools.reproduce.cse.report import algorithm_lines, radius_results, setting
from tools.reproduce.cse.results import AlgorithmResult, gather
from tools.reproduce.cse.settings import Environment
from tools.reproduce.cse.tables import interval_text, region_title, seeds_table, share_text
from tools.reproduce.cse.verdicts import judgement
from tools.reproduce.frame.cells import Results
from tools.reproduce.frame.experiment import Destination
from tools.reproduce.frame.markdown import paragraph
from tools.reproduce.frame.verdicts import Verdict, verdict_table


def write_report(environment: Environment, results: Results, destination: Destination) -> None:
    """Write the report of one task."""
    algorithms = gather([environment], results)
    verdicts = [claim for result in algorithms for claim in claims(result)]
    lines = [f"# CSE beside every control: {environment.name}", ""]
    lines += fact_lines(results, missing_lines(results), destination.command)
    lines += paragraph(setting(environment))
    for result in algorithms:
        sweeps_picture(result, claimed_sweeps(result)).savefig(destination.folder / "controls.png")
        lines += ["![return over contexts; lines are means, dots are seeds](controls.png)", ""]
        lines += [*answer_lines(result), ""]
        lines += _claim_lines(result, verdicts) + algorithm_lines(result) + _seed_lines(result)
    lines += radius_lines(environment, radius_results(results).get(environment.name)) + definition_lines()
    write_file(destination.folder / "controls.md", "\n".join(lines) + "\n")
    record = report_record(results, destination.command, algorithms, ())
    record["claims"] = [verdict.to_dict() for verdict in verdicts]
    record["cse_less_by_hand"] = [
        {"env": result.environment.name, "sweep": sweep, "difference": less.to_dict()}
        for result in algorithms
        for sweep in claimed_sweeps(result)
        if {METHOD, BY_HAND} <= set(result.runs) and (less := result.difference(METHOD, BY_HAND, sweep)) is not None
    ]
    write_file(destination.folder / "controls.json", json.dumps(record, allow_nan=False) + "\n")


def answer_lines(result: AlgorithmResult) -> list[str]:
    """The outcome in words, one item for each claimed sweep."""
    lines = []
    for sweep in claimed_sweeps(result):
        found = judgement(result, METHOD, sweep)
        if found is not None:
            arms = [arm for arm in dict.fromkeys((METHOD, found.control, found.strongest, *REFERENCES)) if arm in result.runs]
            means = ", ".join(f"{TITLES[arm]} {interval_text(result.interval(arm, sweep))}" for arm in arms)
            shares = [f"{share_text(share)} of {TITLES[arm]}'s gain" for arm, share in found.shares.items() if share.share]
            gain = f" Over that control, CSE has {' and '.join(shares)}." if shares else ""
            lead = f"CSE's lead over the best control of each context: {interval_text(found.lead)}."
            against = f"The deciding control: {TITLES[found.control]}, CSE less it {interval_text(found.difference)}. {lead}"
            strongest = f"The strongest control: {TITLES[found.strongest]}."
            sentences = f"{against} {strongest}{gain}{_by_hand(result, sweep)}"
            lines += paragraph(f"- Mean returns over {region_title(sweep)}: {means}. {sentences}")[:-1]
    return lines


def _by_hand(result: AlgorithmResult, sweep: str) -> str:
    """CSE beside damped feedback by hand, which is no control; "" where there is none."""
    if BY_HAND not in result.runs:
        return ""
    mean, less = interval_text(result.interval(BY_HAND, sweep)), interval_text(result.difference(METHOD, BY_HAND, sweep))
    return f" Not a control: {TITLES[BY_HAND]}, not told the context and not trained, has {mean}; CSE less it {less}."


def _claim_lines(result: AlgorithmResult, verdicts: Sequence[Verdict]) -> list[str]:
    """The claims, and from which controls the interval of CSE itself is disjoint."""
    if not verdicts:
        return []
    lines = [*verdict_table(verdicts)]
    for sweep in claimed_sweeps(result):
        disjoint = disjoint_from(result, sweep)
        overlap = [TITLES[control] for control in result.nulls if control not in disjoint]
        names = ", ".join(TITLES[control] for control in disjoint) or "none"
        text = f"Intervals of mean returns over {region_title(sweep)}: that of {TITLES[METHOD]} lies above those of: {names}."
        lines += paragraph(text + (f" It overlaps with, or lies below: {', '.join(overlap)}." if overlap else ""))
    return lines


def _seed_lines(result: AlgorithmResult) -> list[str]:
    """Every seed's mean return over the claimed sweeps, folded."""
    lines = []
    for sweep in claimed_sweeps(result):
        lines += [f"<details><summary>Mean return over {region_title(sweep)}, seed by seed</summary>", ""]
        lines += [*seeds_table(result, sweep), "</details>", ""]
    return lines
