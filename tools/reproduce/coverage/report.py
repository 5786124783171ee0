"""What the report says: coverage.md, and every number in coverage.json."""

import json
from collections.abc import Mapping
from typing import Any

from offctx.files import write_file
from tools.reproduce.coverage.populations import DISTRIBUTIONS, METHOD_ALONE
from tools.reproduce.frame.cells import Results
from tools.reproduce.frame.experiment import Destination
from tools.reproduce.frame.markdown import paragraph, table

Coverage = Mapping[str, Mapping[str, Mapping[str, float | None]]]  # statistic -> rule -> what was measured
Cells = Mapping[tuple[str, int], Coverage]  # distribution and number of seeds, or of episodes

_STATISTICS = {"mean": "mean", "difference": "paired difference", "share": "share of a gap", "iqm": "IQM"}
_CONTROLS = {"difference": "paired difference", "less zero": "less zero action"}  # where only the method fails
_RULES = ("Student t", "percentile", "expanded percentile")
_SEEDS_ARE = (
    "Seeds are normal, skewed (minus a lognormal variable: few bad seeds, and very few very bad ones) or collapsing (one seed "
    "in five fails). A seed has one effect in all of nine contexts, and a smaller one in each. Method, baseline and reference "
    "share a part of a seed's effect; the method closes 0.8 of the gap. Means and differences have Student's t interval over "
    "seeds, shares Fieller's, interquartile means (IQM) Student's with the standard error of resampled seeds."
)
_READING = (
    "Where one seed in five collapses, five seeds show no collapse in a third of all experiments, and ten seeds in a tenth of "
    "them: no interval can know then what no seed has shown. Where seeds are skewed, the mean depends on failures that are "
    "rarely seen. More seeds help in both cases, and the values of the seeds, which reports show, say more than an interval."
)
_METHOD_ALONE = (
    "Above, the seeds of all methods are of one kind, so that failures of the method and of the baseline cancel in part. Here "
    "the true difference is 0, the seeds of the method collapse (one in five) or are skewed, and the control (of the same "
    "seeds, or a zero action) hardly varies. Where none of the seeds that were run has failed, the method looks better than it "
    'is, and its verdict is "above" though the true difference is 0: 2.5 % of verdicts should be. Five seeds that agree do not '
    "exclude that one seed in five collapses."
)
_BESIDE = (
    "The same experiments with percentile bootstrap intervals over seeds, joint over methods, and with expanded percentiles "
    "(Hesterberg 2015). At five normal seeds an interval of resampled means cannot reach beyond the smallest and the largest "
    "seed, between which the truth lies in 93.75 % of cases only."
)
_CROSSED = (
    "All agents play the same start states, so that the error of a mean has a part of the seeds and one of the start states "
    "(offctx/evaluation/statistics/crossed.py). Start states: their part of the method's squared error is a tenth of the "
    "seeds' part (little), as large (half), or ten times as large (most). The zero action learns nothing and depends on the "
    "start state twice as much as the method. The last two columns: Student's interval over seeds alone, which takes the start "
    "states that were played for all there are."
)
_CROSSED_STATISTICS = {
    "mean": "mean",
    "difference": "paired difference",
    "less zero": "less zero action",
    "share": "share of a gap",
    "iqm": "IQM",
}
_AGENT = (
    "With one training run the interval is over episodes. An episode starts alike in all contexts, so that it is one unit; to "
    "resample each context on its own would take nine contexts for independent evidence."
)


def write_report(results: Results, draws: int, destination: Destination) -> None:
    """Write coverage.md and coverage.json."""
    cells: Cells = {
        (str(cell.key[0]), int(cell.key[1])): result["coverage"] for cell, result in results.finished if len(cell.key) == 2
    }
    crossed = {tuple(map(str, cell.key)): result["coverage"] for cell, result in results.finished if len(cell.key) > 2}
    lines = [
        *_head_lines(results, draws, destination.command),
        *_seed_lines(cells),
        *_method_alone_lines(cells),
        *_crossed_lines(crossed),
        *_beside_lines(cells),
        *_agent_lines(cells),
    ]
    write_file(destination.folder / "coverage.md", "\n".join(lines))
    stored = {
        "command": destination.command,
        "commits": results.commits,
        "draws": draws,
        "cells": [{"distribution": name, "number": count, "coverage": found} for (name, count), found in cells.items()],
        "crossed": [
            {"distribution": name, "starts": starts, "seeds": int(seeds), "episodes": int(episodes), "coverage": found}
            for (name, starts, seeds, episodes), found in crossed.items()
        ],
    }
    write_file(destination.folder / "coverage.json", json.dumps(stored, indent=1, allow_nan=False) + "\n")


def _head_lines(results: Results, draws: int, command: str) -> list[str]:
    """What was simulated, and by which command."""
    error = 100 * (0.95 * 0.05 / draws) ** 0.5
    return [
        "# How often 95 % intervals contain the truth",
        "",
        *results.unclean_lines(),
        *paragraph(f"Simulated experiments with a known truth, {draws} in each row (a quarter of them for IQM). {_SEEDS_ARE}"),
        *paragraph(f"Command: `{command}`. {results.provenance()}. Standard error of a coverage of 95 %: {error:.1f} points."),
    ]


def _seed_lines(cells: Cells) -> list[str]:
    """One score a seed, the seeds of all methods of one kind."""
    over_seeds = {key: found for key, found in cells.items() if key[0] in DISTRIBUTIONS}
    rows = [[name, str(count), *_ours(found)] for (name, count), found in over_seeds.items()]
    return [
        "## Intervals over seeds",
        "",
        *table(["seeds", "number", *_STATISTICS.values(), "share not reported"], rows),
        *paragraph(f"{_normal_seeds(over_seeds)} {_READING}"),
    ]


def _method_alone_lines(cells: Cells) -> list[str]:
    """Coverage of a difference of 0, and the rate of false verdicts, against a trained control and one that learns nothing."""
    rows = [
        [name, str(count), *(_percent(found[key]["Student t"][what]) for key in _CONTROLS for what in ("coverage", "above"))]
        for (name, count), found in cells.items()
        if name in METHOD_ALONE
    ]
    heads = [f"{title}: {what}" for title in _CONTROLS.values() for what in ("coverage", 'false "above"')]
    lines = ["## Where only the method fails", "", *paragraph(_METHOD_ALONE)]
    return [*lines, *table(["seeds", "number", *heads], rows)]


def _crossed_lines(crossed: Mapping[tuple[str, ...], Coverage]) -> list[str]:
    """Seeds and start states that all agents share."""
    heads = ["seeds", "start states", "number", "episodes", *_CROSSED_STATISTICS.values()]
    heads += ["seeds alone", "seeds alone, less zero"]
    rows = [[*key, *_crossed_row(found)] for key, found in crossed.items()]
    lines = ["## Intervals over seeds and episodes", "", *paragraph(_CROSSED), *table(heads, rows)]
    return lines + (paragraph(_normal_crossed(crossed)) if crossed else [])


def _beside_lines(cells: Cells) -> list[str]:
    """Percentile bootstraps of the same experiments."""
    rows = [
        [name, str(count), _STATISTICS[statistic], *(_with_width(found[statistic][rule]) for rule in _RULES)]
        for (name, count), found in cells.items()
        if name in DISTRIBUTIONS
        for statistic in ("mean", "difference", "share")
    ]
    heads = ["seeds", "number", "statistic", *(f"{rule}: coverage (width)" for rule in _RULES)]
    return ["## Beside percentile bootstraps", "", *paragraph(_BESIDE), *table(heads, rows)]


def _agent_lines(cells: Cells) -> list[str]:
    """One agent over episodes."""
    rows = [
        [str(count), *(_percent(found["mean"][rule]["coverage"]) for rule in ("Student t", "contexts apart"))]
        for (name, count), found in cells.items()
        if name == "one agent"
    ]
    return ["## One agent", "", *paragraph(_AGENT), *table(["episodes", "coverage", "coverage with contexts apart"], rows)]


def _normal_seeds(cells: Mapping[tuple[str, int], Coverage]) -> str:
    """How far the coverage at normal seeds is from what the intervals claim."""
    rows = {
        (_STATISTICS[statistic], count): found[statistic]["Student t"]["coverage"] or 0.0
        for (name, count), found in cells.items()
        if name == "normal"
        for statistic in _STATISTICS
    }
    statistic, count = max(rows, key=lambda row: abs(rows[row] - 0.95))
    far = 100 * abs(rows[statistic, count] - 0.95)
    return f"Where seeds are normal, the coverage is within {far:.1f} points of 95 % (farthest: {statistic}, {count} seeds)."


def _normal_crossed(cells: Mapping[tuple[str, ...], Coverage]) -> str:
    """How far the coverage at normal seeds and start states is from what the intervals claim."""
    rows = {
        (title, *key[1:]): found[statistic]["Student t"]["coverage"] or 0.0
        for key, found in cells.items()
        if key[0] == "normal"
        for statistic, title in _CROSSED_STATISTICS.items()
    }
    statistic, starts, seeds, episodes = max(rows, key=lambda row: abs(rows[row] - 0.95))
    far = 100 * abs(rows[statistic, starts, seeds, episodes] - 0.95)
    return (
        f"Where seeds and start states are normal, the coverage is within {far:.1f} points of 95 % (farthest: {statistic}, "
        f"{starts}, {seeds} seeds, {episodes} episodes)."
    )


def _crossed_row(found: Coverage) -> list[str]:
    """The coverage of our intervals, then of those over seeds alone."""
    ours = [_percent(found[name]["Student t"]["coverage"]) if name in found else "" for name in _CROSSED_STATISTICS]
    return [*ours, *(_percent(found[name]["seeds alone"]["coverage"]) for name in ("mean", "less zero"))]


def _ours(found: Coverage) -> list[str]:
    """The coverage of our intervals of all statistics, and how often there is no share."""
    reported = found["share"]["Student t"]["reported"] or 0.0
    return [*(_percent(found[name]["Student t"]["coverage"]) for name in _STATISTICS), _percent(1 - reported)]


def _with_width(measured: Mapping[str, Any]) -> str:
    return "" if measured["width"] is None else f"{_percent(measured['coverage'])} ({measured['width']:.2f})"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"
