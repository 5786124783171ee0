"""report.html: one file with everything inside; `templates/report.html.j2` and `templates/report.css` say how it looks."""

import base64
from functools import lru_cache
from typing import Any

import jinja2

from offctx.evaluation.pages.page import ReportPage
from offctx.evaluation.pages.tables import ReportTable
from offctx.evaluation.plots.style import dark_svg
from offctx.words import printable

_LONG = 36  # characters; a longer cell breaks into lines
_LONG_WORD = 14  # characters; a longer word may break on a narrow page
_COLUMNS_MANY = 9  # a table with more columns is printed in small letters
_ROWS_UNFOLDED = 30  # a longer table of contexts starts folded


def page_html(page: ReportPage) -> str:
    """Verdicts, summary, seeds; returns by kind; cold and warm; each split; return against distance; provenance."""
    template = _environment().get_template("report.html.j2")
    return template.render(page=page, kind=_kind, rows_unfolded=_ROWS_UNFOLDED, columns_many=_COLUMNS_MANY)


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("offctx.evaluation.pages"),
        autoescape=True,
        finalize=_printable,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"data_uri": _data_uri, "dark": dark_svg}
    return environment


def _printable(value: Any) -> Any:
    """Text from outside without control characters; what the template itself made is left alone."""
    return printable(value) if type(value) is str else value


def _kind(table: ReportTable, column: int, cell: str) -> str:
    """The CSS classes of a cell: `splits` may break within words."""
    if len(cell) > _LONG:
        return "long"
    kind = "words" if column in table.words else "number"
    return f"{kind} splits" if max(map(len, cell.split()), default=0) > _LONG_WORD else kind


def _data_uri(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"
