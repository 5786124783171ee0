"""The tables of a report, as text in cells.

Dimensions: K contexts of a split, p context coordinates.
"""

from typing import NamedTuple

from offctx.analysis.sensitivity import Sensitivity
from offctx.evaluation.comparison import ComparedRuns
from offctx.evaluation.statistics import Interval
from offctx.evaluation.summary import SummaryRow


class ReportTable(NamedTuple):
    """A table as text.

    Attributes:
        head: names of the columns.
        rows: the cells of each row.
        words: indices of the columns that hold words; the others hold numbers.
    """

    head: list[str]
    rows: list[list[str]]
    words: tuple[int, ...] = ()


def summary_table(runs: ComparedRuns) -> ReportTable:
    """The aggregates: one row per split and method."""
    head = ["split", "method", "runs", "AER", "IQM", "worst context", "its return", "gap"]
    rows = [_summary_cells(row) for row in runs.rows]
    if runs.baseline is not None:
        head.append("gap closed")
        for cells, row in zip(rows, runs.rows, strict=True):
            cells.append("" if row.gap_closed is None else str(row.gap_closed))
    return ReportTable(head, rows, words=(0, 1, 5))


def _summary_cells(row: SummaryRow) -> list[str]:
    return [
        row.split,
        row.method,
        str(row.runs),
        str(row.aer),
        str(row.iqm),
        ", ".join(f"{name}={value:.4g}" for name, value in row.worst_context.items()),
        f"{row.worst_return:.4g}",
        "" if row.gap is None or row.split == "train" else f"{row.gap:.4g}",
    ]


def context_table(runs: ComparedRuns, split: str) -> ReportTable:
    """One row per context of a split: its coordinates, its distance where known, and the mean return of each method."""
    head = coordinate_labels(runs)
    columns = [[f"{value:.4g}" for value in column] for column in runs.first.contexts[split].T.tolist()]
    if split in runs.distances:
        head.append("distance")
        columns.append([f"{value:.3g}" for value in runs.distances[split].tolist()])
    for estimates in runs.per_context[split].values():
        intervals = zip(*(array.tolist() for array in estimates), strict=True)
        columns.append([str(Interval(*interval)) for interval in intervals])
    return ReportTable(head + list(runs.methods), [list(row) for row in zip(*columns, strict=True)])


def sensitivity_table(sensitivity: Sensitivity) -> ReportTable:
    """The context coordinates by how much they change outcomes along the data, when moved by half their range."""
    rows = [
        [row.name, f"{row.by:g} {row.unit}".strip(), *(f"{part:.3g}" for part in (row.next_observation, row.reward, row.both))]
        for row in sensitivity.ranking
    ]
    rows += [[name, "discrete: no derivative", "", "", ""] for name in sensitivity.context_space.discrete]
    return ReportTable(["coordinate", "moved by", "next observation", "reward", "both"], rows, words=(0, 1))


def coordinate_labels(runs: ComparedRuns) -> list[str]:
    """The names of the context coordinates, with units, (p,)."""
    pairs = zip(runs.first.context_names, runs.first.context_units, strict=True)
    return [f"{name} [{unit}]" if unit else name for name, unit in pairs]
