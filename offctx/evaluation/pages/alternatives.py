"""What the pictures of a report show, in words: the finding, for readers who do not see the picture.

Dimensions: K contexts.
"""

import numpy as np

from offctx.evaluation.plots.data import Estimates, varying_coordinates
from offctx.evaluation.plots.split import RINGS_NOTE, has_rings
from offctx.evaluation.statistics import Array
from offctx.evaluation.text import return_text
from offctx.evaluation.verdicts import JudgedRuns

_NAMED = 6  # methods; of more, the best and the worst are named


def split_alternative(runs: JudgedRuns, split: str) -> str:
    """What the picture of a split shows: the methods from the highest to the lowest mean return, and the worst context."""
    contexts = runs.first.contexts[split]
    varying = [int(coordinate) for coordinate in varying_coordinates(contexts)]
    where = f"in the {len(contexts)} contexts of {split}" if len(contexts) > 1 else f"in the only context of {split}"
    moved = " and ".join(_range(runs, coordinate, contexts) for coordinate in varying[:3]) if len(varying) <= 3 else ""
    rows = sorted((row for row in runs.rows if row.split == split), key=lambda row: -row.aer.estimate)
    named = [f"{runs.labels[row.method]} {row.aer}" for row in rows]
    if len(named) > _NAMED:
        named = [named[0], f"{len(named) - 2} more", named[-1]]
    order = ", from highest to lowest" if len(rows) > 1 else ""
    sentences = [f"Mean return per context {where}{f' ({moved})' if moved else ''}.", f"Mean{order}: {', '.join(named)}."]
    if len(contexts) > 1:
        worst = min(rows, key=lambda row: row.worst_return)
        names = [runs.first.context_names[coordinate] for coordinate in varying]
        place = ", ".join(f"{name} = {worst.worst_context[name]:.4g}" for name in names)
        sentences.append(
            f"Lowest in one context: {worst.method} {return_text(worst.worst_return)}{f' at {place}' if place else ''}."
        )
    if has_rings(contexts, runs.train_contexts):
        sentences.append(RINGS_NOTE)
    return " ".join(sentences)


def distance_alternative(distances: Array, per_context: dict[str, Estimates]) -> str:
    """What the picture of returns against distances (K,) shows: returns at the nearest and at the farthest context."""
    near, far = int(np.argmin(distances)), int(np.argmax(distances))
    changes = ", ".join(
        f"{name} from {return_text(mean[near])} to {return_text(mean[far])}" for name, (mean, _, _) in per_context.items()
    )
    span = f"distance {distances[near]:.3g} to {distances[far]:.3g}"
    subject = f"Mean return against distance, {len(distances)} contexts at {span}."
    return f"{subject} From the nearest context to the farthest: {changes}."


def _range(runs: JudgedRuns, coordinate: int, contexts: Array) -> str:
    low, high = contexts[:, coordinate].min(), contexts[:, coordinate].max()
    unit = runs.first.context_units[coordinate]
    return f"{runs.first.context_names[coordinate]} from {low:.4g} to {high:.4g}{f' {unit}' if unit else ''}"
