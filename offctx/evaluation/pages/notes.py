"""The sentences of a report: what was played, how intervals were computed, what columns and distances mean."""

import numpy as np

from offctx.evaluation.comparison import ComparedRuns
from offctx.evaluation.pages.tables import coordinate_labels
from offctx.evaluation.statistics import MIN_SEEDS


def subject_note(runs: ComparedRuns) -> str:
    """What was played."""
    names, first = ", ".join(coordinate_labels(runs)), runs.first
    sizes = ", ".join(f"{split} {k} x {m}" for split, (k, m) in first.sizes().items())
    return f"{first.env_id}, context {names}. Contexts x episodes of each run: {sizes}. Returns are undiscounted."


def intervals_note(runs: ComparedRuns) -> str:
    """How the intervals were computed and what they cover."""
    notes = [f"Intervals: {100 * runs.confidence:g} %, Student t."]
    single = [name for name, method in runs.methods.items() if len(method) == 1]
    several = {name: len(method) for name, method in runs.methods.items() if len(method) > 1}
    if single:
        who = "One training run each" + (f" ({', '.join(single)})" if several else "")
        notes.append(f"{who}: the intervals are over episodes of one agent and say nothing about other training seeds.")
        if min(m for _, m in runs.first.sizes().values()) == 1:
            notes.append("One episode per context gives no interval.")
    if several:
        who = ", ".join(f"{name}: {count} training runs" for name, count in several.items())
        notes.append(f"{who}; the intervals are over training seeds, methods with as many runs are paired by seed.")
        if min(several.values()) < MIN_SEEDS:
            notes.append(f"Fewer than {MIN_SEEDS} seeds give no interval; their values are shown instead.")
    if len({run.seed for method in runs.methods.values() for run in method}) > 1:
        notes.append("Evaluation seeds differ between reports: these are not common random numbers.")
    return " ".join(notes)


def column_notes(runs: ComparedRuns) -> list[str]:
    """What the columns of the summary mean."""
    notes = [
        "AER: average episode return, the mean over runs, contexts and episodes.",
        "IQM: interquartile mean, over episodes (one run) or over runs (several), and contexts.",
        "Worst context: the context of the split with the smallest mean return.",
    ]
    if "train" in runs.splits:
        notes.append("Gap: the AER of train minus the AER of the split.")
    if runs.baseline is not None:
        notes.append(
            f"Gap closed: 0 at the baseline ({runs.baseline}), 1 at the reference ({runs.reference}), "
            "a ratio of mean returns; undefined unless the interval of reference - baseline lies above 0."
        )
    return notes


def distance_note(runs: ComparedRuns) -> str:
    """What distance means; "" where it is not known."""
    if runs.sensitivity is None:
        return ""
    notes = [
        f"Distance: how much a move from the nearest context of {runs.sensitivity.dataset_id} to this one changes next "
        "observations (in units of the change of one step) and rewards (in standard deviations): to first order, root mean "
        "square along the data."
    ]
    if any(np.isinf(distances).any() for distances in runs.distances.values()):
        notes.append("Contexts that differ from the data's in a discrete coordinate have no distance and are not shown.")
    return " ".join(notes)
