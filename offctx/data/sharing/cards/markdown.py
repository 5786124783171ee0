"""Markdown and YAML from text that anybody may have written: nothing in it becomes markup, a link or another key."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from offctx.words import one_line

_MARKUP = re.compile(r"([\\`*_\[\]|~$])")  # the hub reads $ as mathematics
_AT_THE_START = re.compile(r"^([-+=#]|\d+(?=[.)](\s|$)))")  # headings and lists
_CELL = 160  # characters of a text in a table


def escaped(text: str, most: int = 2000) -> str:
    """Returns text that Markdown shows as it is, on one line.

    Args:
        text: anything.
        most: characters that are kept.
    """
    line = one_line(text, most).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = _MARKUP.sub(r"\\\1", line)
    start = _AT_THE_START.match(escaped)
    if start is None:
        return escaped
    return f"{start[1]}\\{escaped[start.end() :]}" if start[1].isdigit() else f"\\{escaped}"


def code(text: str, most: int = _CELL) -> str:
    """Returns text as a code span, which may stand in a table."""
    line = one_line(text, most).replace("|", "¦")  # no escape of a pipe holds in code both within and outside a table
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if not line or line[0] in "` " or line[-1] in "` " else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Returns the lines of a table; heads and cells are Markdown already."""
    lines = [list(heads), ["---"] * len(heads), *map(list, rows)]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def yaml_header(values: Mapping[str, str | bool | Sequence[str]]) -> list[str]:
    """Returns the lines of a YAML block between `---`.

    Each scalar is written as JSON, which is a subset of YAML: its double-quoted strings hold any text.

    Args:
        values: from keys, which are plain words, to a text, a truth value or a list of texts.
    """
    lines = ["---"]
    for key, value in values.items():
        if isinstance(value, str | bool):
            lines.append(f"{key}: {_scalar(value)}")
        else:
            lines += [f"{key}:", *(f"- {_scalar(each)}" for each in value)]
    return [*lines, "---"]


def _scalar(value: str | bool) -> str:
    return json.dumps(value if isinstance(value, bool) else one_line(value, _CELL), ensure_ascii=False)
