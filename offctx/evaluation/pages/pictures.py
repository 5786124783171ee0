"""The pictures of a report, as PNG and SVG: one per split, and one of the return against the distance from the data."""

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from offctx.evaluation.pages.alternatives import distance_alternative, split_alternative
from offctx.evaluation.pages.notes import distance_note, intervals_note
from offctx.evaluation.plots.distance import plot_distance
from offctx.evaluation.plots.split import plot_split
from offctx.evaluation.plots.style import figure_png, figure_svg
from offctx.evaluation.verdicts import JudgedRuns


class Drawing(NamedTuple):
    """A picture, and what it shows in words.

    Attributes:
        png: with title and caption, for report.md and for use alone.
        svg: without them, for report.html.
        alt: the finding.
    """

    png: bytes
    svg: bytes
    alt: str


def split_picture(runs: JudgedRuns, split: str) -> Drawing:
    """The picture of a split."""
    figure = plot_split(
        split,
        contexts=runs.first.contexts[split],
        context_names=runs.first.context_names,
        context_units=runs.first.context_units,
        train_contexts=runs.train_contexts,
        per_context={runs.labels[name]: estimates for name, estimates in runs.per_context[split].items()},
        overall={runs.labels[row.method]: row.aer for row in runs.rows if row.split == split},
        muted=_muted(runs),
        title=runs.heading,
        caption=intervals_note(runs),
    )
    return Drawing(figure_png(figure), figure_svg(figure), split_alternative(runs, split))


def distance_picture(runs: JudgedRuns) -> Drawing | None:
    """Return against distance, over the contexts of all splits; None where no context has a finite distance."""
    splits = [split for split in runs.splits if split in runs.distances]
    if not splits:
        return None
    contexts = np.concatenate([runs.first.contexts[split] for split in splits])
    distances = np.concatenate([runs.distances[split] for split in splits])
    _, first = np.unique(contexts, axis=0, return_index=True)  # a context may be in several splits
    rows = first[np.isfinite(distances[first])]
    if len(rows) == 0:
        return None
    per_context = {}
    for method in runs.methods:
        arrays = zip(*(runs.per_context[split][method] for split in splits), strict=True)
        estimate, low, high = (np.concatenate(array)[rows] for array in arrays)
        per_context[runs.labels[method]] = (estimate, low, high)
    figure = plot_distance(
        distances[rows],
        per_context,
        muted=_muted(runs),
        label="distance from the nearest context of the data, in steps",
        title=f"{runs.heading} · return against distance",
        caption=f"{distance_note(runs)} {intervals_note(runs)}",
    )
    return Drawing(figure_png(figure), figure_svg(figure), distance_alternative(distances[rows], per_context))


def _muted(runs: JudgedRuns) -> frozenset[str]:
    """The labels of the methods that are drawn in grey: the null controls."""
    return frozenset(runs.labels[name] for name in runs.null_controls)


def picture_names(splits: Iterable[str], kind: str = "return") -> dict[str, str]:
    """A file name for each split's picture of a kind: safe on every file system, and distinct even where case is ignored."""
    names: dict[str, str] = {}
    for split in splits:
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", split).strip("-")[:60] or "split"
        used = {name.lower() for name in names.values()}
        candidates = (f"{kind}-{stem}{'' if i == 1 else f'-{i}'}.png" for i in range(1, len(used) + 2))
        names[split] = next(name for name in candidates if name.lower() not in used)
    return names
