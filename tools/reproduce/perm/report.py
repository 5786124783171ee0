"""The report: perm.md, perm.json and a picture of each study, from the results alone."""

import json
from collections.abc import Sequence
from pathlib import Path

from offctx.files import write_file
from tools.reproduce.frame.cells import Results
from tools.reproduce.frame.experiment import Destination
from tools.reproduce.frame.markdown import paragraph
from tools.reproduce.frame.verdicts import RULE_OVER_SEEDS, Verdict, verdict_table
from tools.reproduce.perm.cell import CONTROLS
from tools.reproduce.perm.choices import Choice, unconfirmed_lines
from tools.reproduce.perm.records import other_lines, other_runs, report_record
from tools.reproduce.perm.results import StudyResults
from tools.reproduce.perm.selection import selection_lines
from tools.reproduce.perm.studies import levels, search
from tools.reproduce.perm.study import Section, Study

_QUESTION = (
    "One policy that does not see the context is trained on the labelled data of several contexts, and scored in contexts "
    "that no learner has seen (AER, the mean return over them). Are separate critics for each context (PERM, arXiv "
    "2503.07988) better than merging the data? What does each factor of the paper's IQL-nV contribute? What does pessimism "
    "contribute? What do PERM and PPPO cost?"
)
_CONDITIONS = (
    "Means over seeds of training contexts, data, networks and batches, with 95 % intervals over these seeds alone; "
    "differences are taken within seeds. The unseen contexts (48; 200 levels of Mine) and start states are the same for all "
    "seeds and are not resampled: an interval holds for them, and does not say what others would change (docs/statistics.md "
    "measures what intervals over seeds alone cover). Networks of two layers of 64, batches of 256, 2000 updates (1000 on "
    "Mine), actor rate 3e-4, critic rate 1e-3 and standardised observations for all learners alike; one hyperparameter of "
    "each was chosen as said at the top of this page. A learner is marked as not learned if it is not above the zero action "
    "and random actions in its training contexts."
)


def write_report(studies: Sequence[Study], results: Results, destination: Destination, work: Path) -> None:
    """Write the report of these studies; `work` is the working folder."""
    searched, tuned = _choices(results)
    choices, others = [*searched, *tuned], other_runs(results, [study.name for study in studies], work / "cells")
    sections = [study.section(StudyResults.of(study.name, results)) for study in studies]
    verdicts = [verdict for section in sections for verdict in section.verdicts]
    lines = ["# PERM and PPPO, deep", "", *paragraph(_QUESTION), *selection_lines(searched, tuned, others)]
    lines += _head(results, sections, verdicts, choices, destination.command)
    for study, section in zip(studies, sections, strict=True):
        lines += _section_lines(study, section, destination.folder) if _has_run(study, results) else _not_run_lines(study)
    failures = [f"- {v.claim}: {v.measured}." for v in verdicts if v.met is not True] or ["Every claim is met."]
    lines += ["## What is not better", "", *failures, *other_lines(others)]
    write_file(destination.folder / "perm.md", "\n".join(lines) + "\n")
    record = report_record(results, destination.command, choices, verdicts, others)
    write_file(destination.folder / "perm.json", json.dumps(record, allow_nan=False) + "\n")


def _head(
    results: Results, sections: Sequence[Section], verdicts: Sequence[Verdict], choices: Sequence[Choice], command: str
) -> list[str]:
    """Answers, provenance and verdicts."""
    return [
        *(line for section in sections if section.answer for line in paragraph(section.answer)),
        *paragraph(_CONDITIONS),
        f"Command: `{command}`.",
        f"{results.provenance()}, cells side by side on shared cores.",
        "",
        *results.unclean_lines(),
        *unconfirmed_lines(choices),
        *(["Planned, and not run:", "", *results.missing_lines(), ""] if results.missing else []),
        *paragraph(RULE_OVER_SEEDS),
        *verdict_table(verdicts),
    ]


def _choices(results: Results) -> tuple[list[Choice], list[Choice]]:
    """Every hyperparameter that was searched for: on the arranged tasks, and on Mine."""
    searched = search.choices(StudyResults.of(search.STUDY.name, results))
    return searched, levels.choices(StudyResults.of(levels.TUNING.name, results))


def _has_run(study: Study, results: Results) -> bool:
    """Whether a learner of the study is there."""
    return any(cell.key[0] == study.name and cell.key[2] != CONTROLS for cell, _ in results.finished)


def _not_run_lines(study: Study) -> list[str]:
    """The section of a study whose cells are all missing."""
    return [f"## {study.title}", "", "Not run yet.", ""] if study.title else []


def _section_lines(study: Study, section: Section, folder: Path) -> list[str]:
    """One study in perm.md; its picture is written. A study without a title has no section."""
    lines = [f"## {study.title}", "", *section.lines] if study.title else []
    if section.picture is None:
        return lines
    name = f"perm-{study.name}.png"
    section.picture.savefig(folder / name)
    return [*lines, f"![{study.title}]({name})", ""]
