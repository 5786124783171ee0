"""Cold and warm in a report: the table, its sentences, and the pictures of return against transitions seen."""

from offctx.evaluation.pages.notes import intervals_note
from offctx.evaluation.pages.pictures import Drawing
from offctx.evaluation.pages.tables import ReportTable, interval_words
from offctx.evaluation.plots.adaptation import plot_adaptation
from offctx.evaluation.plots.style import figure_png, figure_svg
from offctx.evaluation.verdicts import JudgedRuns
from offctx.evaluation.warm import WarmRow, adapting_methods, rewards_by_step, warm_rows, warmed_methods

_NO_DIFFERENCE = {
    "episode": "forgets at the end of each episode",
    "none": "has no memory",
}


def warm_table(runs: JudgedRuns) -> ReportTable:
    """One row per split, method and number of transitions seen."""
    rows = [
        [
            row.split,
            runs.labels[row.method],
            str(row.seen) if row.memory == "context" else "any",
            str(row.aer),
            "" if row.gain is None else str(row.gain),
        ]
        for row in warm_rows(runs)
    ]
    caption = (
        f"Return of the scored episode after so many transitions in the same context, {interval_words(runs)}. "
        "0 transitions: cold. Gain: the return minus the cold one, paired by training seed or episode."
    )
    return ReportTable(
        ["split", "method", "transitions seen", "AER", "gain"], rows, words=(0, 1), row_heads=(0, 1), caption=caption
    )


def warm_notes(runs: JudgedRuns) -> list[str]:
    """Who played the warm-ups, to which methods they make no difference, and what the other tables show."""
    adapting, warmed = adapting_methods(runs), warmed_methods(runs)
    notes = ["Warm-up steps are not scored."] if adapting else []
    players = {name: {each.warmup_policy or "the policy itself" for each in warmed[name]} for name in adapting}
    for policies in dict.fromkeys(frozenset(each) for each in players.values()):
        names = ", ".join(name for name in adapting if players[name] == policies)
        looking = "" if policies == {"the policy itself"} else ", while the policy looked on"
        notes.append(f"Those of {names} were played by {' and '.join(sorted(policies))}{looking}.")
    for kind, sentence in _NO_DIFFERENCE.items():
        idle = [name for name, adaptations in warmed.items() if name not in adapting and adaptations[0].memory == kind]
        notes += [f"{name!r} {sentence}: a warm-up makes no difference, and none was played." for name in idle]
    if adapting:
        notes.append("All other tables and pictures, and the verdicts, are of the cold start.")
    return notes


def adaptation_picture(runs: JudgedRuns, split: str) -> Drawing | None:
    """Return and gain against transitions seen, and reward against time step; None where no method adapts."""
    methods = adapting_methods(runs)
    if not methods:
        return None
    rows = {method: [row for row in warm_rows(runs) if (row.method, row.split) == (method, split)] for method in methods}
    adaptation = warmed_methods(runs)[methods[0]][0]
    edges = adaptation.edges
    figure = plot_adaptation(
        [row.seen for row in rows[methods[0]]],
        returns={runs.labels[method]: [row.aer for row in rows[method]] for method in methods},
        gains={runs.labels[method]: [row.gain for row in rows[method]] for method in methods},
        steps=(edges[:-1] + edges[1:] - 1) / 2,
        rewards={
            runs.labels[method]: {seen: rewards_by_step(runs, method, split, seen) for seen in adaptation.seen}
            for method in methods
        },
        title=f"{runs.heading} · {split}, cold and warm",
        caption=f"Gain: return minus that of the cold start, paired. Reward per step: 0 after the end of an episode. "
        f"{intervals_note(runs)}",
    )
    return Drawing(figure_png(figure), figure_svg(figure), _alternative(split, rows))


def _alternative(split: str, rows: dict[str, list[WarmRow]]) -> str:
    """What the picture shows, in words."""
    sentences = [f"Return against transitions seen in the same context, {split}."]
    for method, own in rows.items():
        cold, *warm = own
        gains = ", ".join(f"{row.gain} after {row.seen}" for row in warm)
        sentences.append(f"{method}: {cold.aer} cold; gain {gains}.")
    return " ".join(sentences)
