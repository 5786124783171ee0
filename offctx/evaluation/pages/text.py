"""The summary of a comparison for a terminal."""

from offctx.evaluation.pages.adaptation import warm_notes, warm_table
from offctx.evaluation.pages.notes import intervals_note, undefined_note
from offctx.evaluation.pages.tables import summary_table
from offctx.evaluation.pages.verdicts import verdict_notes, verdict_table
from offctx.evaluation.text import text_table
from offctx.evaluation.verdicts import JudgedRuns
from offctx.evaluation.warm import has_warm_ups


def summary_text(runs: JudgedRuns) -> str:
    """The heading, the verdicts, the aggregates as a table, how the intervals were computed; cold and warm."""
    summary, verdicts = summary_table(runs), verdict_table(runs)
    lines = [runs.heading, ""]
    if verdicts is not None:
        lines += [*text_table(verdicts.head, verdicts.rows, rule=True), "", verdicts.caption]
    notes = verdict_notes(runs)
    lines += [*notes, *([""] if verdicts is not None or notes else [])]
    undefined = undefined_note(runs)
    lines += [
        *text_table(summary.head, summary.rows, rule=True),
        "",
        summary.caption,
        *([undefined] if undefined else []),
        intervals_note(runs),
    ]
    if has_warm_ups(runs):
        warm = warm_table(runs)
        lines += ["", *text_table(warm.head, warm.rows, rule=True), "", warm.caption, *warm_notes(runs)]
    return "\n".join(lines)
