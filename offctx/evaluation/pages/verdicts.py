"""Verdicts in words: the table that a report begins with, what it means, and the values of each seed.

Dimensions: R training runs (seeds) of one method.
"""

from offctx.evaluation.arms import is_fixed
from offctx.evaluation.pages.notes import lookalike_notes, starts_words
from offctx.evaluation.pages.tables import ReportTable, interval_words, share_text
from offctx.evaluation.run import TRAIN
from offctx.evaluation.statistics import MIN_SEEDS
from offctx.evaluation.text import return_text
from offctx.evaluation.verdicts import JudgedRuns, Verdict


def verdict_table(runs: JudgedRuns) -> ReportTable | None:
    """One row per split and method that is judged; None where there is nothing to judge against."""
    with_null = [verdict for verdict in runs.verdicts if verdict.null is not None]
    if not with_null:
        return None
    references = list(runs.references)
    head = ["split", "method", "verdict", "deciding null", "difference", "lead by context"]
    head += [f"share of {name}'s gain" for name in references]
    rows = [_cells(runs, verdict, references) for verdict in with_null]
    words = (0, 1, 2, 3)
    caption = f"Each method against each null: differences of mean returns {interval_words(runs)}."
    return ReportTable(head, rows, words=words, row_heads=(0, 1), caption=caption)


def _cells(runs: JudgedRuns, verdict: Verdict, references: list[str]) -> list[str]:
    assert verdict.null is not None
    shares = [share_text(verdict.shares[name]) if name in verdict.shares else "" for name in references]
    differences = [str(verdict.difference), str(verdict.lead)]
    return [verdict.split, verdict.method, verdict.status, runs.labels[verdict.null], *differences, *shares]


def verdict_notes(runs: JudgedRuns) -> list[str]:
    """What the verdicts mean, which learners have not learnt, and what is missing; none where nothing is judged."""
    if not runs.nulls:
        return [runs.controls_note] if runs.controls_note else []
    percent = f"{100 * runs.confidence:g} %"
    notes = [
        f"Verdict: above where the whole {percent} interval of method - null over training seeds and episodes lies above 0 for "
        f"each null ({', '.join(runs.nulls)}). The deciding null is the one whose interval has the lowest lower end. Below: "
        "the whole interval against it lies below 0. Not above: else.",
        "Lead by context: the lead over the best null of each context, method - control, where the control takes in each "
        "context the null with the highest mean return there.",
    ]
    if runs.missing_controls:
        notes.append(
            f"Not among the methods, by their names: {', '.join(runs.missing_controls)}. The verdicts hold against "
            f"{' and '.join(runs.nulls)} only."
        )
    distinct = {name: runs.distinct_runs(name) for name in runs.methods if not is_fixed(name)}
    few = {name: count for name, count in distinct.items() if count < MIN_SEEDS}
    few = {name: count for name, count in few.items() if name not in runs.controls or name in runs.repeated}
    if few:
        counts = f"found {', '.join(f'{count} of {name}' for name, count in few.items())}"
        if len(set(few.values())) == 1 and len(few) > 1:
            counts = f"found {min(few.values())} of each"
        notes.append(
            f"No interval over seeds: a verdict needs at least {MIN_SEEDS} agents of each method, one for each training seed; "
            f"{counts}. An interval over episodes of one agent says nothing about other training seeds."
        )
    notes += [*_learned_notes(runs), *lookalike_notes(runs)]
    if runs.references:
        notes.append(
            "Share of a reference's gain: (method - start) / (reference - start), a ratio of mean returns. It starts at the "
            f"strongest null, with the highest mean return in the split ({starts_words(runs)}). References know more than the "
            "other methods do."
        )
    return notes + ([runs.controls_note] if runs.controls_note else [])


def _learned_notes(runs: JudgedRuns) -> list[str]:
    """Which learners have not learnt, or why this cannot be said."""
    names = [name for name, learned in runs.learned.items() if learned is False]
    if names:
        return [
            f"Not learned: {', '.join(names)}. In the training context (split {TRAIN}) the return does not lie above that of "
            f"{' and '.join(runs.bar)}, by the whole interval of the difference. Nothing is concluded from such a learner."
        ]
    if None in runs.learned.values():
        missing = f"no split {TRAIN!r}" if TRAIN not in runs.splits else "no zero action"
        reason = missing if runs.null_action is None or TRAIN not in runs.splits else "only one episode"
        if runs.nothing_to_learn:
            reason = f"no action that changes the return in the training context (split {TRAIN})"
        return [f"Whether the methods have learnt at all cannot be said here: there is {reason}."]
    return []


def seed_table(runs: JudgedRuns) -> ReportTable | None:
    """The mean return of each training run; None where no method has several."""
    most = max(len(method) for method in runs.methods.values())
    if most == 1:
        return None
    rows = []
    for split in runs.splits:
        for method, label in runs.labels.items():
            values = [return_text(value) for value in runs.seed_means(method, split).tolist()]
            rows.append([split, label, *values, *[""] * (most - len(values))])
    head = ["split", "method", *(f"seed {position}" for position in range(most))]
    caption = "Mean return of each training run, by its position, over the contexts and episodes of the split."
    return ReportTable(head, rows, words=(0, 1), row_heads=(0, 1), caption=caption)
