"""report.html: as report.md, with nothing outside the file."""

import base64
import html

from offctx.evaluation.pages.page import Picture, ReportPage
from offctx.evaluation.pages.tables import ReportTable

_LONG = 36  # characters; a longer cell breaks into lines
_ROWS_UNFOLDED = 30  # a longer table of contexts starts folded


def page_html(page: ReportPage) -> str:
    """For each split its picture and the return per context, then the return against distance, then the aggregates."""
    title = html.escape(page.heading)
    parts = [f"<h1>{title}</h1>", f"<p>{html.escape(page.subject)}</p>"]
    parts += [f'<p class="note">{html.escape(page.intervals)}</p>']
    for section in page.splits:
        table = section.contexts
        folded = "" if len(table.rows) > _ROWS_UNFOLDED else " open"
        parts += [f"<h2>{html.escape(section.split)}</h2>", _picture(section.picture)]
        parts += [f"<details{folded}><summary>Mean return per context ({len(table.rows)})</summary>"]
        parts += [_table(table), "</details>"]
    if page.distance is not None:
        parts += ["<h2>Return against distance</h2>", f"<p>{html.escape(page.distance.note)}</p>"]
        if page.distance.picture is not None:
            parts += [_picture(page.distance.picture)]
        parts += [_table(page.distance.sensitivity)]
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in page.columns)
    parts += ["<h2>Aggregates</h2>", _table(page.summary), f"<ul>{notes}</ul>"]
    return _PAGE.format(title=title, style=_STYLE, body="\n".join(parts))


def _picture(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode("ascii")
    return f'<img alt="{html.escape(picture.alt)}" src="data:image/png;base64,{data}">'


def _table(table: ReportTable) -> str:
    body = "\n".join(_row("td", cells, table.words) for cells in table.rows)
    head = _row("th", table.head, table.words)
    return f'<div class="wide"><table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _row(tag: str, cells: list[str], words: tuple[int, ...]) -> str:
    written = []
    for index, cell in enumerate(cells):
        kind = "long" if len(cell) > _LONG else "words" if index in words else "number"
        written.append(f'<{tag} class="{kind}">{html.escape(cell)}</{tag}>')
    return f"<tr>{''.join(written)}</tr>"


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""

_STYLE = """
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: #222; background: #fff;
  max-width: 72rem; margin: 2.5rem auto 4rem; padding: 0 1.25rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 0.5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.75rem; padding-top: 1rem; border-top: 1px solid #ddd; }
p, ul { max-width: 54rem; }
img { width: 100%; max-width: 54rem; height: auto; display: block; margin: 0 0 1rem; }
.wide { overflow-x: auto; margin: 0.5rem 0; }
table { border-collapse: collapse; font-size: 0.85rem; line-height: 1.35; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0 0.3rem 1.1rem; }
th { color: #444; vertical-align: bottom; border-bottom: 2px solid #999; }
td { border-bottom: 1px solid #e6e6e6; }
.number { text-align: right; }
.number, .words { white-space: nowrap; }
.long { min-width: 12rem; }
th:first-child, td:first-child { padding-left: 0.4rem; }
th:last-child, td:last-child { padding-right: 0.4rem; }
tbody tr:hover { background: #f4f7fa; }
summary { cursor: pointer; color: #555; }
.note { color: #444; background: #f4f7fa; border-left: 4px solid #0072B2; padding: 0.6rem 1rem; }
ul { color: #555; font-size: 0.9rem; padding-left: 1.2rem; }
"""
