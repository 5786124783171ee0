"""The reports: NAME.md, NAME.png, and every number in NAME.json."""

import json

from offctx.files import write_file
from tools.reproduce.aib.claims import claims
from tools.reproduce.aib.methods import ONLINE, ONLINE_OF_TASK, VARIANTS
from tools.reproduce.aib.picture import adaptation_picture, returns_picture
from tools.reproduce.aib.pilots import pilot_lines
from tools.reproduce.aib.record import compared_with, record
from tools.reproduce.aib.results import Group, gather
from tools.reproduce.aib.settings import ONLINE_KIND
from tools.reproduce.aib.tables import difference_table, leakage_table, returns_table, share_table
from tools.reproduce.aib.tasks import KINDS
from tools.reproduce.frame.cells import Results
from tools.reproduce.frame.experiment import Destination
from tools.reproduce.frame.markdown import paragraph
from tools.reproduce.frame.verdicts import RULE, verdict_table

_TITLES = {"aib": "DMA*-SH and others, online", "aib-offline": "DMA*-SH and others, offline: contexts hidden, ids alone"}
_OTHER = {
    "aib": "Offline: `python tools/reproduce.py aib-offline`.",
    "aib-offline": "Online: `python tools/reproduce.py aib`.",
}
_TERMS = (
    "AER: average episode return, over contexts and episodes; IQM: interquartile mean over runs and contexts; brackets: 95 % "
    "intervals over seeds and episodes; with one seed over the episodes of its agent, which say nothing of other seeds; with "
    "two to four none, and the seeds are listed instead. Cold: nothing was seen of the context. Warm: after unscored steps in "
    "it (128; online as many as the benchmark has, 24 but for CartpoleBalance). Splits: those of the benchmark, 20 contexts "
    "each; learners train on `train`; start states of evaluations are in no training. Controls: the zero action and a random "
    "action, in the same contexts and from the same start states. A learner has learned its task where its AER in `train`, "
    "warm, is above both, by the whole interval of each difference; others of five seeds are marked."
)
_OFFLINE = (
    "Ceiling: the same actor-critic, TD3+BC, told the true context. Share: (method - blind) / (ceiling - blind) in AER, where "
    "blind is TD3+BC without context. Data are collected by each cell anew, the same for all methods of a seed."
)


def write_report(name: str, results: Results, destination: Destination) -> None:
    """Write the report of one experiment.

    Args:
        name: "aib" or "aib-offline".
        results: of its cells.
        destination: where it goes.
    """
    groups, folder = gather(results), destination.folder
    verdicts = claims(groups)
    lines = [f"# {_TITLES[name]}", "", *missing_lines(results)]
    lines += [*paragraph(f"Command: `{destination.command}`. {results.provenance()}. {_OTHER[name]}"), *results.unclean_lines()]
    lines += paragraph(_TERMS + ("" if name == "aib" else f" {_OFFLINE}"))
    lines += [f"![returns of all methods]({name}.png)", "", "## Claims", "", *paragraph(RULE), *verdict_table(verdicts)]
    lines += paragraph(not_planned()) if name == "aib" else []
    for group in groups:
        lines += group_lines(group)
        if any(group.adaptation(method, "eval-in") for method in group.runs):
            picture = f"{name}-{group.task}-{group.kind}.png"
            adaptation_picture(group).savefig(folder / picture)
            lines += [f"![return against transitions seen]({picture})", ""]
    lines += pilot_lines() if name == "aib-offline" else []
    returns_picture(groups).savefig(folder / f"{name}.png")
    write_file(folder / f"{name}.md", "\n".join(lines) + "\n")
    facts = record(name, results, groups, verdicts, destination.command)
    write_file(folder / f"{name}.json", json.dumps(facts, allow_nan=False) + "\n")


def missing_lines(results: Results) -> list[str]:
    """What was planned and has not run, by name."""
    lines = results.missing_lines()
    return [f"**Not all of the planned cells have run: {len(results.missing)} are missing.**", "", *lines, ""] if lines else []


def not_planned() -> str:
    """The methods that environments do not have online, for time."""
    rest = {
        task: [ONLINE[name].title for name in ONLINE if name not in (*planned, *VARIANTS)]
        for task, planned in ONLINE_OF_TASK.items()
    }
    cut = "; ".join(f"{task}: {', '.join(titles)}" for task, titles in rest.items() if titles)
    return f"Not planned, for time: {cut}."


def group_lines(group: Group) -> list[str]:
    """The tables of one group."""
    online = group.kind == ONLINE_KIND
    lines = [f"## {group.task}, {group.kind}", ""]
    if online:
        lines += paragraph(f"{group.updates:,} updates, each after a step in all 20 contexts.")
    else:
        lines += paragraph(f"Data: {KINDS[group.kind]}. Mean return of the data: {group.behaviour:.1f}.")
    lines += [*returns_table(group), *difference_table(group, compared_with(group))]
    return lines if online else [*lines, *share_table(group), *leakage_table(group)]
