"""report.md."""

from offctx.evaluation.markdown import escape_markdown, markdown_table
from offctx.evaluation.pages.page import Picture, ReportPage
from offctx.evaluation.pages.tables import ReportTable


def page_markdown(page: ReportPage) -> str:
    """Verdicts, summary, seeds; returns by kind; cold and warm; each split; return against distance; provenance."""
    lines = [f"# {escape_markdown(page.heading)}", "", escape_markdown(page.subject)]
    if page.verdicts is not None:
        lines += ["", "## Verdicts", "", *_table(page.verdicts)]
    if page.verdict_notes:
        lines += ["", *(f"- {escape_markdown(note)}" for note in page.verdict_notes)]
    lines += ["", "## Summary", "", *_table(page.summary), "", escape_markdown(page.intervals), ""]
    lines += [f"- {escape_markdown(note)}" for note in page.columns]
    if page.seeds is not None:
        lines += ["", "## Seeds", "", *_table(page.seeds)]
    if page.kinds is not None:
        lines += ["", "## By what the context changes", "", *_table(page.kinds)]
    if page.adaptation is not None:
        lines += ["", "## Cold and warm", "", *_table(page.adaptation.table), ""]
        lines += [f"- {escape_markdown(note)}" for note in page.adaptation.notes]
        for picture in page.adaptation.pictures:
            lines += ["", _picture(picture)]
    for section in page.splits:
        lines += ["", f"## {escape_markdown(section.split)}", "", _picture(section.picture), "", *_table(section.contexts)]
    if page.distance is not None:
        lines += ["", "## Return against distance", "", escape_markdown(page.distance.note), ""]
        if page.distance.picture is not None:
            lines += [_picture(page.distance.picture), ""]
        lines += _table(page.distance.sensitivity)
    if page.provenance is not None:
        lines += ["", "## Provenance", "", *_table(page.provenance)]
    return "\n".join(lines) + "\n"


def _picture(picture: Picture) -> str:
    return f"![{escape_markdown(picture.alt)}]({picture.file})"


def _table(table: ReportTable) -> list[str]:
    numbers = set(range(len(table.head))) - set(table.words)
    head, *rows = ([escape_markdown(cell) for cell in row] for row in (table.head, *table.rows))
    caption = [escape_markdown(table.caption), ""] if table.caption else []
    return [*caption, *markdown_table(head, rows, right=numbers)]
