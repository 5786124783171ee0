"""How a `Comparison` looks: plain text, report.md, report.html and a picture per split.

Dimensions: K contexts of a split, p context coordinates.
"""

from __future__ import annotations

import base64
import html
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from offctx.evaluation.markdown import escape_markdown, markdown_table
from offctx.evaluation.plots.distance import plot_distance
from offctx.evaluation.plots.split import plot_split
from offctx.evaluation.plots.style import figure_png
from offctx.evaluation.statistics import Interval

if TYPE_CHECKING:
    from offctx.analysis.sensitivity import Sensitivity
    from offctx.evaluation.report import Comparison

_FEW_RUNS = 5
_DISTANCE = "distance.png"  # the names of the splits' pictures begin otherwise
_LONG = 36  # characters; a longer cell breaks into lines in HTML
_ROWS_UNFOLDED = 30  # a longer table of contexts starts folded in HTML


def files(comparison: Comparison) -> dict[str, bytes]:
    """File name -> content: a PNG per split, one against distance where that is known, report.md, report.html."""
    images = image_names(comparison.splits)
    pictures = {split: picture(comparison, split) for split in comparison.splits}
    against = distance_picture(comparison)
    return {
        **{images[split]: data for split, data in pictures.items()},
        **({} if against is None else {_DISTANCE: against}),
        "report.md": markdown(comparison, images).encode(),
        "report.html": page(comparison, pictures, against).encode(),
    }


def write_aside(contents: Mapping[str, bytes], folder: Path) -> None:
    """Write all files beside the folder, then move them into it one by one, in their order."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, data in contents.items():
            (aside / name).write_bytes(data)
        folder.mkdir(exist_ok=True)
        for name in contents:
            os.replace(aside / name, folder / name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def image_names(splits: Iterable[str]) -> dict[str, str]:
    """A PNG's name for each split, safe on every file system, distinct though splits differ in case only."""
    names: dict[str, str] = {}
    for split in splits:
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", split).strip("-")[:60] or "split"
        taken = {name.lower() for name in names.values()}
        candidates = (f"return-{stem}{'' if i == 1 else f'-{i}'}.png" for i in range(1, len(taken) + 2))
        names[split] = next(name for name in candidates if name.lower() not in taken)
    return names


def picture(comparison: Comparison, split: str) -> bytes:
    """The picture of a split, as PNG."""
    first = comparison.first
    figure = plot_split(
        split,
        contexts=first.contexts[split],
        context_names=first.context_names,
        context_units=first.context_units,
        train_contexts=comparison.train_contexts,
        per_context=comparison.per_context[split],
        overall={row.method: row.aer for row in comparison.rows if row.split == split},
        title=comparison.heading,
        caption=intervals_note(comparison),
    )
    return figure_png(figure)


def distance_picture(comparison: Comparison) -> bytes | None:
    """Return against distance, over the contexts of all splits, as PNG; None where no context has a finite distance."""
    splits = [split for split in comparison.splits if split in comparison.distances]
    if not splits:
        return None
    contexts = np.concatenate([comparison.first.contexts[split] for split in splits])
    distances = np.concatenate([comparison.distances[split] for split in splits])
    _, first = np.unique(contexts, axis=0, return_index=True)  # a context may be in several splits
    rows = first[np.isfinite(distances[first])]
    if len(rows) == 0:
        return None
    per_context = {}
    for method in comparison.methods:
        parts = zip(*(comparison.per_context[split][method] for split in splits), strict=True)
        estimate, low, high = (np.concatenate(part)[rows] for part in parts)
        per_context[method] = (estimate, low, high)
    figure = plot_distance(
        distances[rows],
        per_context,
        label="distance from the nearest context of the data, in steps",
        title=f"{comparison.heading} · return against distance",
        caption=f"{distance_note(comparison)} {intervals_note(comparison)}",
    )
    return figure_png(figure)


def distance_note(comparison: Comparison) -> str:
    """A sentence or two on what distance is; "" where none is known."""
    found = comparison.sensitivity
    if found is None:
        return ""
    notes = [
        f"Distance: how far going from the nearest context of {found.dataset_id} to this one moves next observations (in "
        "steps' changes) and rewards (in standard deviations), to first order, root mean square along the data."
    ]
    if any(np.isinf(distances).any() for distances in comparison.distances.values()):
        notes.append("Contexts that differ from the data's in a discrete coordinate have none and are not shown.")
    return " ".join(notes)


def text(comparison: Comparison) -> str:
    """The summary for a terminal."""
    table = summary_table(comparison)
    cells = [table.headers, *table.rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    return "\n".join([comparison.heading, "", *lines, "", intervals_note(comparison)])


def markdown(comparison: Comparison, images: Mapping[str, str]) -> str:
    """report.md: for each split its picture and the return per context, then the aggregates. images: split -> file."""
    lines = [
        f"# {escape_markdown(comparison.heading)}",
        "",
        escape_markdown(subject(comparison)),
        "",
        escape_markdown(intervals_note(comparison)),
    ]
    for split in comparison.splits:
        label = escape_markdown(split)
        lines += ["", f"## {label}", "", f"![Mean return per context, {label}]({images[split]})", ""]
        lines += _md_table(context_table(comparison, split))
    if comparison.sensitivity is not None:
        lines += ["", "## Return against distance", "", escape_markdown(distance_note(comparison)), ""]
        if any(np.isfinite(distances).any() for distances in comparison.distances.values()):
            lines += [f"![Mean return against distance]({_DISTANCE})", ""]
        lines += _md_table(sensitivity_table(comparison.sensitivity))
    lines += ["", "## Aggregates", "", *_md_table(summary_table(comparison)), ""]
    lines += [f"- {escape_markdown(note)}" for note in column_notes(comparison)]
    return "\n".join(lines) + "\n"


def page(comparison: Comparison, pictures: Mapping[str, bytes], against: bytes | None = None) -> str:
    """report.html, as report.md, with nothing outside it. pictures: split -> PNG. against: the one against distance."""
    title = html.escape(comparison.heading)
    parts = [f"<h1>{title}</h1>", f"<p>{html.escape(subject(comparison))}</p>"]
    parts += [f'<p class="note">{html.escape(intervals_note(comparison))}</p>']
    for split in comparison.splits:
        label, data = html.escape(split), base64.b64encode(pictures[split]).decode("ascii")
        parts += [f"<h2>{label}</h2>"]
        parts += [f'<img alt="Mean return per context, {label}" src="data:image/png;base64,{data}">']
        table = context_table(comparison, split)
        folded = "" if len(table.rows) > _ROWS_UNFOLDED else " open"
        parts += [f"<details{folded}><summary>Mean return per context ({len(table.rows)})</summary>"]
        parts += [_html_table(table), "</details>"]
    if comparison.sensitivity is not None:
        parts += ["<h2>Return against distance</h2>", f"<p>{html.escape(distance_note(comparison))}</p>"]
        if against is not None:
            data = base64.b64encode(against).decode("ascii")
            parts += [f'<img alt="Mean return against distance" src="data:image/png;base64,{data}">']
        parts += [_html_table(sensitivity_table(comparison.sensitivity))]
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in column_notes(comparison))
    parts += ["<h2>Aggregates</h2>", _html_table(summary_table(comparison)), f"<ul>{notes}</ul>"]
    return _PAGE.format(title=title, style=_STYLE, body="\n".join(parts))


class Table(NamedTuple):
    """Cells as text. words: indices of the columns that are no numbers."""

    headers: list[str]
    rows: list[list[str]]
    words: tuple[int, ...] = ()


def summary_table(comparison: Comparison) -> Table:
    """One row per split and method: the aggregates."""
    headers = ["split", "method", "runs", "AER", "IQM", "worst context", "its return", "gap"]
    rows = []
    for row in comparison.rows:
        worst = ", ".join(f"{name}={value:.4g}" for name, value in row.worst_context.items())
        gap = "" if row.gap is None or row.split == "train" else f"{row.gap:.4g}"
        cells = [
            row.split,
            row.method,
            str(row.runs),
            str(row.aer),
            str(row.iqm),
            worst,
            f"{row.worst_return:.4g}",
            gap,
        ]
        if comparison.baseline is not None:
            cells.append("" if row.gap_closed is None else str(row.gap_closed))
        rows.append(cells)
    return Table(headers if comparison.baseline is None else [*headers, "gap closed"], rows, words=(0, 1, 5))


def context_table(comparison: Comparison, split: str) -> Table:
    """One row per context of the split: its coordinates, its distance where known, and the mean return of each method."""
    first, headers = comparison.first, _coordinates(comparison)
    columns = [[f"{value:.4g}" for value in column] for column in first.contexts[split].T.tolist()]
    if split in comparison.distances:
        headers.append("distance")
        columns.append([f"{value:.3g}" for value in comparison.distances[split].tolist()])
    for parts in comparison.per_context[split].values():
        columns.append([str(Interval(*row)) for row in zip(*(part.tolist() for part in parts), strict=True)])
    return Table(headers + list(comparison.methods), [list(row) for row in zip(*columns, strict=True)])


def sensitivity_table(found: Sensitivity) -> Table:
    """The context coordinates by how far they move outcomes along the data, moved by half their range."""
    rows = [
        [row.name, f"{row.by:g} {row.unit}".strip(), *(f"{part:.3g}" for part in (row.next_observation, row.reward, row.both))]
        for row in found.ranking
    ]
    rows += [[name, "discrete: no derivative", "", "", ""] for name in found.context_space.discrete]
    return Table(["coordinate", "moved by", "next observation", "reward", "both"], rows, words=(0, 1))


def subject(comparison: Comparison) -> str:
    """A sentence that says what was played."""
    names, first = ", ".join(_coordinates(comparison)), comparison.first
    sizes = ", ".join(f"{split} {k} x {m}" for split, (k, m) in first.sizes().items())
    return f"{first.env_id}, context {names}. Contexts x episodes of each run: {sizes}. Returns are undiscounted."


def intervals_note(comparison: Comparison) -> str:
    """A sentence or two on how the intervals were made and what they cover."""
    notes = [f"Intervals: {100 * comparison.confidence:g} % percentile bootstrap, {comparison.replicates} replicates."]
    single = [name for name, runs in comparison.methods.items() if len(runs) == 1]
    several = {name: len(runs) for name, runs in comparison.methods.items() if len(runs) > 1}
    if single:
        who = "One training run each" + (f" ({', '.join(single)})" if several else "")
        notes.append(
            f"{who}: episodes are resampled within each context, so the intervals cover "
            "evaluation episodes only, not training seeds."
        )
        if min(m for _, m in comparison.first.sizes().values()) == 1:
            notes.append("One episode per context gives no interval.")
    if several:
        who = ", ".join(f"{name}: {count} training runs" for name, count in several.items())
        notes.append(f"{who}; whole runs are resampled, jointly across contexts.")
        if min(several.values()) < _FEW_RUNS:
            notes.append(f"Intervals over fewer than {_FEW_RUNS} runs are too narrow.")
    if len({run.seed for runs in comparison.methods.values() for run in runs}) > 1:
        notes.append("Evaluation seeds differ between reports: these are not common random numbers.")
    return " ".join(notes)


def column_notes(comparison: Comparison) -> list[str]:
    """What the columns of the summary mean."""
    notes = [
        "AER: average episode return, the mean over runs, contexts and episodes.",
        "IQM: interquartile mean, over episodes (one run) or over runs (several), and contexts.",
        "Worst context: the least mean return over the contexts of the split.",
    ]
    if "train" in comparison.splits:
        notes.append("Gap: the AER of train less the AER of the split.")
    if comparison.baseline is not None:
        notes.append(
            f"Gap closed: 0 at the baseline ({comparison.baseline}), 1 at the reference ({comparison.reference}), "
            "a ratio of mean returns; undefined unless the interval of reference - baseline lies above 0."
        )
    return notes


def _coordinates(comparison: Comparison) -> list[str]:
    """The names of the context's coordinates, with units, (p,)."""
    pairs = zip(comparison.first.context_names, comparison.first.context_units, strict=True)
    return [f"{name} [{unit}]" if unit else name for name, unit in pairs]


def _md_table(table: Table) -> list[str]:
    numbers = set(range(len(table.headers))) - set(table.words)
    head, *rows = ([escape_markdown(cell) for cell in row] for row in (table.headers, *table.rows))
    return markdown_table(head, rows, right=numbers)


def _html_table(table: Table) -> str:
    def cell(tag: str, index: int, words: str) -> str:
        kind = "long" if len(words) > _LONG else "words" if index in table.words else "number"
        return f'<{tag} class="{kind}">{html.escape(words)}</{tag}>'

    def row(tag: str, cells: list[str]) -> str:
        return f"<tr>{''.join(cell(tag, index, words) for index, words in enumerate(cells))}</tr>"

    body = "\n".join(row("td", cells) for cells in table.rows)
    head = row("th", table.headers)
    return f'<div class="wide"><table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


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
