"""The sentences of a report: what was played, how intervals were computed, what columns and distances mean."""

import numpy as np

from offctx.evaluation.controlled import ControlledRuns
from offctx.evaluation.pages.tables import coordinate_labels
from offctx.evaluation.statistics import MIN_SEEDS
from offctx.evaluation.verdicts import JudgedRuns

_FEW_NAMES = 3


def subject_note(runs: JudgedRuns) -> str:
    """What was played."""
    names, first = ", ".join(coordinate_labels(runs)), runs.first
    sizes = ", ".join(f"{split} {k} x {m}" for split, (k, m) in first.sizes().items())
    return f"{first.env_id}, context {names}. Contexts x episodes of each run: {sizes}. Returns are undiscounted."


def intervals_note(runs: JudgedRuns) -> str:
    """How the intervals were computed and what they cover."""
    notes = [f"Intervals: {100 * runs.confidence:g} %, Student t."]
    single = [name for name, method in runs.methods.items() if len(method) == 1]
    several = {name: len(method) for name, method in runs.methods.items() if len(method) > 1}
    if single:
        subject = "One training run each" + (f" ({', '.join(single)})" if several else "")
        notes.append(f"{subject}: the intervals are over episodes of one agent and say nothing about other training seeds.")
        if min(m for _, m in runs.first.sizes().values()) == 1:
            notes.append("One episode per context gives no interval.")
    if several:
        notes += _several_notes(runs, several, bool(single))
    if len({run.seed for method in runs.methods.values() for run in method}) > 1:
        notes.append("Evaluation seeds differ between reports: these are not common random numbers.")
    return " ".join([*notes, *repeated_notes(runs)])


def _several_notes(runs: JudgedRuns, several: dict[str, int], beside_single: bool) -> list[str]:
    """What intervals of methods with several runs, method -> their number, are over."""
    subject = ", ".join(f"{name}: {count} training runs" for name, count in several.items())
    if len(several) > _FEW_NAMES and len(set(several.values())) == 1:
        subject = f"{'The others' if beside_single else 'All'}: {min(several.values())} training runs each"
    notes = [
        f"{subject}; the intervals are over training seeds and evaluation episodes, methods with as many runs are paired by "
        "seed, and all by episode."
    ]
    if min(several.values()) < MIN_SEEDS:
        notes.append(f"Fewer than {MIN_SEEDS} seeds give no interval; their values are shown instead.")
    if min(m for _, m in runs.first.sizes().values()) == 1:
        notes.append("With one episode per context, the intervals hold for this start state alone.")
    return notes


def repeated_notes(runs: ControlledRuns) -> list[str]:
    """A sentence for each group of runs with identical returns."""
    return [
        f"Runs {', '.join(map(str, group[:-1]))} and {group[-1]} of {method} have identical returns: they are no independent "
        "seeds, so that verdicts and intervals over seeds do not hold."
        for method, groups in runs.repeated.items()
        for group in groups
    ]


def lookalike_notes(runs: ControlledRuns) -> list[str]:
    """A sentence for each method whose name looks like that of a null control."""
    return [
        f"The name {method!r} looks like that of a null control, but {method} is judged as a method. If it is a null control, "
        f"give offctx.compare(..., controls=[{method!r}])."
        for method in runs.unrecognised_controls
    ]


def column_notes(runs: JudgedRuns) -> list[str]:
    """What the columns of the summary mean."""
    notes = [
        "AER: average episode return, the mean over runs, contexts and episodes.",
        "IQM: interquartile mean, over episodes (one run) or over runs (several), and contexts.",
        "Worst context: the context of the split with the smallest mean return.",
    ]
    if "train" in runs.splits:
        notes.append("Gap: the AER of train minus the AER of the split.")
    if runs.reference is not None:
        notes.append(
            f"Gap closed: 0 at the strongest of baseline and null controls ({starts_words(runs)}), 1 at the reference "
            f"({runs.reference}), a ratio of mean returns."
        )
    undefined = undefined_note(runs)
    return notes + ([undefined] if undefined else [])


def starts_words(runs: ControlledRuns) -> str:
    """Where shares start in each split."""
    starts = {split: runs.start(split) for split in runs.splits}
    if len(set(starts.values())) == 1:
        return str(starts[runs.splits[0]])
    return ", ".join(f"{split}: {start}" for split, start in starts.items())


def undefined_note(runs: JudgedRuns) -> str:
    """Which shares of a reference's gain are undefined, with that gain; "" where none is."""
    shares = [(row.split, str(runs.reference), row.gap_closed) for row in runs.rows if row.gap_closed is not None]
    shares += [(verdict.split, name, share) for verdict in runs.verdicts for name, share in verdict.shares.items()]
    gains: dict[tuple[str, str], str] = {}
    for split, name, share in shares:
        if share.share is None:
            gains.setdefault((name, split), f"{name} - {runs.start(split)} in {split} = {share.difference}")
    if not gains:
        return ""
    return f"Undefined shares, as the reference's gain has no interval that lies above 0: {'; '.join(gains.values())}."


def distance_note(runs: JudgedRuns) -> str:
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
