"""The tables of a report, as text in cells.

Dimensions: K contexts of a split, p context coordinates.
"""

from typing import NamedTuple

import numpy as np

from offctx.analysis.sensitivity import Sensitivity
from offctx.contexts.kinds import kinds_text
from offctx.evaluation.arms import is_fixed
from offctx.evaluation.by_kind import kind_rows
from offctx.evaluation.plots.data import varying_coordinates
from offctx.evaluation.provenance import Provenance
from offctx.evaluation.statistics import MIN_SEEDS, Array, GapClosed, Interval
from offctx.evaluation.summary import SummaryRow
from offctx.evaluation.text import return_text
from offctx.evaluation.verdicts import JudgedRuns


class ReportTable(NamedTuple):
    """A table as text.

    Attributes:
        head: names of the columns.
        rows: the cells of each row.
        words: indices of the columns that hold words; the others hold numbers.
        row_heads: indices of the columns that name the row.
        caption: what the table shows, and what is the same in all of its rows; "" for none.
    """

    head: list[str]
    rows: list[list[str]]
    words: tuple[int, ...] = ()
    row_heads: tuple[int, ...] = ()
    caption: str = ""


def summary_table(runs: JudgedRuns) -> ReportTable:
    """The aggregates: one row per split and method."""
    head = ["split", "method", "runs", "AER", "IQM", "worst context", "its return", "gap"]
    contexts = np.concatenate([runs.first.contexts[split] for split in runs.splits])
    varying = varying_coordinates(contexts).tolist() or range(contexts.shape[1])
    names = [runs.first.context_names[k] for k in varying]
    rows = [_summary_cells(row, runs.labels[row.method], names) for row in runs.rows]
    if runs.reference is not None:
        head.append("gap closed")
        for cells, row in zip(rows, runs.rows, strict=True):
            cells.append("" if row.gap_closed is None else share_text(row.gap_closed))
    caption = f"Undiscounted returns of each method in each split, {interval_words(runs)}.{_constants(runs, contexts)}"
    return ReportTable(head, rows, words=(0, 1, 5, 8), row_heads=(0, 1), caption=caption)


def share_text(share: GapClosed) -> str:
    """A share with its interval. `notes.undefined_note` says why a share is undefined."""
    return "undefined" if share.share is None else str(share.share)


def interval_words(runs: JudgedRuns) -> str:
    """What the intervals of the learners are over, for captions."""
    counts = {len(method) for name, method in runs.methods.items() if not is_fixed(name)} or {1}
    percent = f"with {100 * runs.confidence:g} % intervals"
    if counts == {1}:
        return f"{percent} over episodes of one agent"
    if min(counts) >= MIN_SEEDS:
        return f"{percent} over {' or '.join(map(str, sorted(counts)))} training seeds and their episodes"
    if max(counts) < MIN_SEEDS and min(counts) > 1:
        return f"of {' or '.join(map(str, sorted(counts)))} training seeds, too few for intervals"
    return f"{percent} over training seeds (at least {MIN_SEEDS}) and episodes, or over episodes of one agent"


def _summary_cells(row: SummaryRow, label: str, coordinates: list[str]) -> list[str]:
    return [
        row.split,
        label,
        str(row.runs),
        str(row.aer),
        str(row.iqm),
        ", ".join(f"{name}={row.worst_context[name]:.4g}" for name in coordinates),
        return_text(row.worst_return),
        "" if row.gap is None or row.split == "train" else return_text(row.gap),
    ]


def context_table(runs: JudgedRuns, split: str) -> ReportTable:
    """One row per context of a split: its coordinates, its distance where known, and the mean return of each method.

    Coordinates that have the same value in all rows are in the caption instead.
    """
    contexts, labels = runs.first.contexts[split], coordinate_labels(runs)
    varying = varying_coordinates(contexts).tolist()
    head = [labels[coordinate] for coordinate in varying]
    columns = [[f"{value:.4g}" for value in contexts[:, coordinate].tolist()] for coordinate in varying]
    if split in runs.distances:
        head.append("distance")
        columns.append([f"{value:.3g}" for value in runs.distances[split].tolist()])
    for estimates in runs.per_context[split].values():
        intervals = zip(*(array.tolist() for array in estimates), strict=True)
        columns.append([str(Interval(*interval)) for interval in intervals])
    caption = f"Mean return in each context of {split}, {interval_words(runs)}.{_constants(runs, contexts)}"
    rows = [list(row) for row in zip(*columns, strict=True)]
    return ReportTable(head + list(runs.labels.values()), rows, row_heads=tuple(range(len(varying))), caption=caption)


def _constants(runs: JudgedRuns, contexts: Array) -> str:
    """A sentence with the coordinates that are the same in all contexts (K, p); "" where there is none."""
    constant = sorted(set(range(contexts.shape[1])) - set(varying_coordinates(contexts).tolist()))
    names, units = runs.first.context_names, runs.first.context_units
    values = [f"{names[k]} = {contexts[0, k]:.4g} {units[k]}".strip() for k in constant]
    return f" Constant: {', '.join(values)}." if values else ""


def sensitivity_table(sensitivity: Sensitivity) -> ReportTable:
    """The context coordinates by how much they change outcomes along the data, when moved by half their range."""
    kinds, discrete = sensitivity.context_space.kinds, sensitivity.context_space.discrete
    rows = [
        [
            kinds_text(row.kinds),
            row.name,
            f"{row.by:g} {row.unit}".strip(),
            *(f"{part:.3g}" for part in (row.next_observation, row.reward, row.both)),
        ]
        for group in sensitivity.by_kind.values()
        for row in group
    ]
    caption = f"Change of outcomes along the data of {sensitivity.dataset_id}, where a coordinate moves by half its range."
    rows += [[kinds_text(kinds[name]), name, "discrete: no derivative", "", "", ""] for name in discrete]
    head = ["changes", "coordinate", "moved by", "next observation", "reward", "both"]
    return ReportTable(head, rows, words=(0, 1, 2), row_heads=(0, 1), caption=caption)


def kinds_table(runs: JudgedRuns) -> ReportTable | None:
    """Returns by what the context changes; None where that tells nothing."""
    rows = [
        [
            kinds_text(row.changes, "nothing: as in training"),
            runs.labels[row.method],
            str(row.contexts),
            str(row.aer),
            "" if row.gap is None else return_text(row.gap),
        ]
        for row in kind_rows(runs)
    ]
    caption = (
        f"Mean return in the distinct contexts of all splits, by what the coordinates change whose values no training context "
        f"has, {interval_words(runs)}. Gap: the return in contexts as in training minus this one."
    )
    head = ["changes", "method", "contexts", "AER", "gap"]
    return ReportTable(head, rows, words=(0, 1), row_heads=(0, 1), caption=caption) if rows else None


def provenance_table(provenance: Provenance) -> ReportTable:
    """What is known of where the numbers come from, one fact a row."""
    rows = [["date", provenance.date], ["command", provenance.command]]
    rows += [[f"dataset {name}", _checksum(sha256)] for name, sha256 in provenance.datasets.items()]
    rows += [[f"agent {label}", f"{agent['file']}, {_checksum(agent['sha256'])}"] for label, agent in provenance.agents.items()]
    rows += [["versions", ", ".join(f"{name} {version}" for name, version in provenance.versions.items()) or None]]
    known = [[fact, value] for fact, value in rows if fact is not None and value is not None]
    caption = "Where the numbers come from, as far as it was recorded."
    return ReportTable(["what", "value"], known, words=(0, 1), row_heads=(0,), caption=caption)


def _checksum(sha256: str | None) -> str:
    return "without checksum" if sha256 is None else f"SHA-256 {sha256}"


def coordinate_labels(runs: JudgedRuns) -> list[str]:
    """The names of the context coordinates, with units, (p,)."""
    pairs = zip(runs.first.context_names, runs.first.context_units, strict=True)
    return [f"{name} [{unit}]" if unit else name for name, unit in pairs]
