"""The summary of a comparison for a terminal."""

from offctx.evaluation.comparison import ComparedRuns
from offctx.evaluation.pages.notes import intervals_note
from offctx.evaluation.pages.tables import summary_table
from offctx.evaluation.text import text_table


def summary_text(runs: ComparedRuns) -> str:
    """The heading, the aggregates as a table, and how the intervals were computed."""
    table = summary_table(runs)
    body = text_table(table.head, table.rows, rule=True)
    return "\n".join([runs.heading, "", *body, "", table.caption, intervals_note(runs)])
