"""The report of perm.py: docs/results/perm.md, perm.json and pictures, of whatever cells are there.

Every number is a mean over seeds (of contexts, data, networks and batches) with a 95 % percentile bootstrap interval over them.
Methods of the same data share contexts and data seed by seed, so that differences are taken within seeds.

Dimensions: R seeds, K contexts.
"""

import json
import platform
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from perm import (
    BETAS,
    CHOSEN,
    COST_BETA,
    COST_CONTEXTS,
    COST_TASKS,
    CROSS_GROUPS,
    CROSS_TASKS,
    PESSIMISM_TASKS,
    SEARCH,
    STOCK_BETAS,
    TRAIN,
    UNSEEN,
    Cell,
    Experiment,
    found_cell,
    poor_cover,
)
from perm_tasks import TASKS, Data

from offctx.evaluation.plots import PALETTE
from offctx.evaluation.statistics import Interval, bootstrap_interval
from tools.provenance import commit

NAMES = {
    "perm": "PERM, expectile (IQL-nV)",
    "perm-gradient": "PERM, policy evaluation and gradient",
    "perm-one": "PERM with one critic set",
    "iql": "IQL, merged",
    "td3plusbc": "TD3+BC, merged",
    "cql": "CQL, merged",
    "perm-policy": f"PERM, policy evaluation and gradient, beta {COST_BETA:g}",
    "pppo": f"PPPO, beta {COST_BETA:g}",
}
MERGED = ("iql", "td3plusbc", "cql")
SEPARATE = ("perm", "perm-gradient")
KINDS = ("stochastic", "deterministic")

Number = Callable[[Mapping[str, Any]], float]  # of one cell


def aer(split: str = UNSEEN, policy: str = "mode") -> Number:
    """The mean return over the contexts of a split."""
    return lambda found: float(np.mean(found["returns"][policy][split]))


@dataclass(frozen=True)
class Cells:
    """What is there: experiment, data and method -> seed -> result; and what is not."""

    found: Mapping[tuple[str, str, str], Mapping[int, Mapping[str, Any]]]
    missing: Sequence[Cell]

    @classmethod
    def read(cls, experiments: Sequence[Experiment], work: Path) -> "Cells":
        """All cells of the experiments below a folder."""
        found: dict[tuple[str, str, str], dict[int, Mapping[str, Any]]] = {}
        missing = []
        for experiment in experiments:
            for cell in experiment.cells():
                result = found_cell(experiment, cell, work)
                if result is None:
                    missing.append(cell)
                else:
                    found.setdefault(cell[:3], {})[cell.seed] = result
        return cls(found, missing)

    def by_seed(self, experiment: str, data: Data, method: str, number: Number) -> dict[int, float]:
        """A number of each seed; empty where no cell is there."""
        cells = self.found.get((experiment, str(data), method), {})
        return {seed: number(result) for seed, result in cells.items()}

    def results(self) -> list[Mapping[str, Any]]:
        """All of them."""
        return [result for by_seed in self.found.values() for result in by_seed.values()]


def interval(by_seed: Mapping[int, float]) -> Interval | None:
    """The mean over seeds with its bootstrap interval over them; None without seeds."""
    if not by_seed:
        return None
    return bootstrap_interval(np.array(list(by_seed.values()))[:, None, None], "mean", rng=np.random.default_rng(0))


def difference(first: Mapping[int, float], second: Mapping[int, float]) -> Interval | None:
    """The mean of first - second within seeds; None where they share none."""
    return interval({seed: first[seed] - second[seed] for seed in first if seed in second})


def shown(found: Interval | None) -> str:
    """An interval in a table."""
    return "" if found is None else str(found)


def above(first: Interval | None, second: Interval | None) -> bool | None:
    """Whether the first interval lies above the second; None where either is unknown."""
    if first is None or second is None or not np.isfinite([first.low, second.high]).all():
        return None
    return first.low > second.high


class Verdict(NamedTuple):
    """A claim and what was measured; `met` is None where it cannot be judged."""

    claim: str
    found: str
    met: bool | None


class Section(NamedTuple):
    """One experiment in the report: its sentence among the answers, its verdicts, text and tables, and its picture."""

    answer: str
    verdicts: list[Verdict]
    lines: list[str]
    picture: Figure | None


def paragraph(text: str) -> list[str]:
    """Wrapped, with a blank line after it."""
    return [textwrap.fill(text, 120, break_on_hyphens=False, break_long_words=False), ""]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """As Markdown, with a blank line after it."""
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]] + [""]


# --- collapse ----------------------------------------------------------------------------------------------------------


def separated(cells: Cells, method: str, data: Data) -> bool | None:
    """Whether a method's interval on unseen contexts lies above those of all merged learners; None where one is not there."""
    own, *others = (interval(cells.by_seed("collapse", data, name, aer())) for name in (method, *MERGED))
    found = [above(own, other) for other in others]
    return False if False in found else None if None in found else True


def collapse(cells: Cells) -> Section:
    """Where merging the data hurts, and where it does not."""
    lines = paragraph(
        "The context is hidden from all policies. The behaviour's skill falls, and the amount of data grows (8 to 1), with how "
        "well a context pays whatever is done: as where experts are sent to hard cases. Data merged without labels then say "
        "that what the poor behaviour does pays better (Simpson's paradox). The tasks were arranged so on purpose; in the "
        "benign arrangement all contexts have as much data, of a behaviour half way between poor and good, and there is "
        "nothing to be confounded. 16 training contexts, drawn anew for each seed; 48 unseen ones of the same distribution. "
        "PERM with one critic set is PERM without its per-context critics: what drawing contexts equally often gives alone."
    )
    lines += [line for task in TASKS.values() for line in paragraph(f"{task.name}: {task.text}")]
    wins: dict[str, list[str]] = {method: [] for method in SEPARATE}
    verdicts, failed = [], []
    for arrangement in ("confounded", "benign"):
        rows = []
        for task in TASKS:
            data = Data(task, arrangement)
            ours = cells.by_seed("collapse", data, "perm", aer())
            for method in ("perm", "perm-gradient", "perm-one", *MERGED):
                theirs = cells.by_seed("collapse", data, method, aer())
                if theirs:
                    seen = interval(cells.by_seed("collapse", data, method, aer(TRAIN)))
                    gain = "" if method == "perm" else shown(difference(ours, theirs))
                    rows.append([task, NAMES[method], shown(interval(theirs)), shown(seen), gain, str(len(theirs))])
        head = [arrangement, "learner", "AER, unseen", "AER, training contexts", "PERM, expectile, less this", "seeds"]
        lines += table(head, rows)
    for method in SEPARATE:
        judged = {task: separated(cells, method, Data(task)) for task in TASKS}
        wins[method] = [task for task, met in judged.items() if met]
        unknown = [task for task, met in judged.items() if met is None]
        failed += [f"{NAMES[method]} on {task}" for task, met in judged.items() if met is False]
        found = f"on {', '.join(wins[method]) or 'none'}" + (f"; not judged: {', '.join(unknown)}" if unknown else "")
        met = True if len(wins[method]) >= 2 else None if len(wins[method]) + len(unknown) >= 2 else False
        claim = f"{NAMES[method]}: AER on unseen contexts above IQL, TD3+BC and CQL on merged data, intervals disjoint, on "
        verdicts.append(Verdict(claim + f"at least two of {len(TASKS)} tasks", found, met))
    best, unknown = wins["perm"], verdicts[0].met is None
    answer = (
        f"Average-MDP collapse: with the context hidden, PERM (IQL-nV) is above merged IQL, TD3+BC and CQL with disjoint "
        f"intervals on {len(best)} of {len(TASKS)} tasks ({', '.join(best) or 'none'})"
        + (", as far as there are cells to judge by" if unknown else "")
        + (f"; not separated from all three: {'; '.join(failed)}." if failed else ".")
    )
    better = benign_better(cells)
    if better:
        answer += f" Where nothing is confounded, merged learners may be better, with disjoint intervals: {'; '.join(better)}."
    return Section(answer, verdicts, lines, collapse_picture(cells))


def benign_better(cells: Cells) -> list[str]:
    """Which merged learners are above which of PERM's variants in the benign arrangement."""
    found = []
    for task in TASKS:
        aers = {name: interval(cells.by_seed("collapse", Data(task, "benign"), name, aer())) for name in (*SEPARATE, *MERGED)}
        for merged in MERGED:
            beaten = [NAMES[own] for own in SEPARATE if above(aers[merged], aers[own])]
            if beaten:
                found.append(f"{NAMES[merged]}, above {' and '.join(beaten)} on {task}")
    return found


def collapse_picture(cells: Cells) -> Figure:
    """AER of each method: a panel for each task."""
    figure, panels = canvas(len(TASKS), 4.0)
    for axes, task in zip(panels, TASKS, strict=True):
        names = ["perm", "perm-gradient", "perm-one", *MERGED]
        for shift, colour, arrangement in ((-0.12, PALETTE[0], "confounded"), (0.12, PALETTE[1], "benign")):
            points = {
                i + shift: found
                for i, name in enumerate(names)
                if (found := interval(cells.by_seed("collapse", Data(task, arrangement), name, aer())))
            }
            draw(axes, points, arrangement, colour, line="none")
        axes.set_xticks(range(len(names)), [NAMES[name].replace(", ", "\n", 1) for name in names], rotation=60, fontsize=7)
        axes.set(title=task, ylabel="AER on unseen contexts")
    finish(panels)
    return figure


# --- cross -------------------------------------------------------------------------------------------------------------


def cross(cells: Cells) -> Section:
    """The factors of IQL-nV one at a time."""
    lines = paragraph(
        "PERM with expectile evaluation and advantage-weighted extraction on the confounded data, {1, 4, 16} value networks "
        "(each with Q-functions of its own) times kind of policy, all else the same; four groups by context distance, unless "
        "said otherwise. A stochastic policy is trained by its likelihood and scored by its mode and by its draws, a "
        "deterministic one by squared error."
    )
    scores: list[list[str]] = []
    effects: list[list[str]] = []
    said = []
    for task in CROSS_TASKS:
        data = Data(task)

        def of(name: str, policy: str = "mode", data: Data = data) -> dict[int, float]:
            return cells.by_seed("cross", data, name, aer(policy=policy))

        for groups, extra in [*((g, "") for g in CROSS_GROUPS), (4, "-random")]:
            names = [f"nv{groups}-{kind}{extra}" for kind in KINDS]
            found = [shown(interval(of(names[0], policy))) for policy in ("mode", "sampled")]
            label = f"{groups}{', groups by chance' if extra else ''}"
            scores.append([task, label, *found, shown(interval(of(names[1])))])
        least, most = CROSS_GROUPS[0], CROSS_GROUPS[-1]
        for groups in CROSS_GROUPS[1:]:
            gains = [difference(of(f"nv{groups}-{kind}"), of(f"nv{least}-{kind}")) for kind in KINDS]
            effects.append([task, f"{groups} value networks less {least}", *map(shown, gains)])
        gains = [difference(of(f"nv4-{kind}"), of(f"nv4-{kind}-random")) for kind in KINDS]
        effects.append([task, "4 groups by distance less by chance", *map(shown, gains)])
        for groups in CROSS_GROUPS:
            base = of(f"nv{groups}-deterministic")
            pair = [difference(of(f"nv{groups}-stochastic", policy), base) for policy in ("mode", "sampled")]
            effects.append([task, f"stochastic less deterministic at {groups}: its mode, its draws", *map(shown, pair)])
        networks = difference(of(f"nv{most}-deterministic"), of(f"nv{least}-deterministic"))
        policy = difference(of(f"nv{least}-stochastic"), of(f"nv{least}-deterministic"))
        if networks and policy:
            said.append(
                f"on {task} {most} value networks instead of {least} give {networks} with a deterministic policy, a stochastic "
                f"policy (its mode) instead of a deterministic one {policy} with {least}"
            )
    lines += table(["task", "value networks", "stochastic, mode", "stochastic, draws", "deterministic"], scores)
    lines += ["Effects, differences within seeds:", ""]
    lines += table(["task", "difference", "stochastic (mode)", "deterministic"], [e for e in effects if "less det" not in e[1]])
    lines += table(["task", "difference", "by its mode", "by its draws"], [e for e in effects if "less det" in e[1]])
    return Section(f"IQL-nV taken apart: {'; '.join(said) or 'not measured yet'}.", [], lines, cross_picture(cells))


def cross_picture(cells: Cells) -> Figure:
    """AER over the number of value networks."""
    figure, panels = canvas(len(CROSS_TASKS), 3.6)
    curves = [("stochastic", "mode"), ("stochastic", "sampled"), ("deterministic", "mode")]
    for axes, task in zip(panels, CROSS_TASKS, strict=True):
        for (kind, policy), colour in zip(curves, PALETTE, strict=False):
            points = {
                groups: found
                for groups in CROSS_GROUPS
                if (found := interval(cells.by_seed("cross", Data(task), f"nv{groups}-{kind}", aer(policy=policy))))
            }
            draw(axes, points, kind if kind == "deterministic" else f"{kind}, {policy}", colour)
        axes.set_xscale("log", base=2)
        axes.set_xticks(CROSS_GROUPS, map(str, CROSS_GROUPS))
        axes.set(title=task, xlabel="value networks", ylabel="AER on unseen contexts")
    finish(panels)
    return figure


# --- pessimism ---------------------------------------------------------------------------------------------------------


def tuned(by_beta: Mapping[float, Mapping[int, float]]) -> dict[int, float]:
    """For each seed, the score of the beta > 0 that is best on average over the other seeds: no seed chooses for itself."""
    positive = {beta: scores for beta, scores in by_beta.items() if beta > 0 and scores}
    seeds = set.intersection(*(set(scores) for scores in positive.values())) if positive else set()
    found = {}
    for seed in seeds if len(seeds) > 1 else ():
        others = {beta: np.mean([scores[s] for s in seeds if s != seed]) for beta, scores in positive.items()}
        found[seed] = positive[max(others, key=lambda beta: others[beta])][seed]
    return found


def pessimism(cells: Cells) -> Section:
    """AER over beta."""
    lines = paragraph(
        "Poorly covered data: 15 % of the episodes, as many in all contexts, of the good behaviour with 30 % of its noise: "
        "they do not show what other actions would do. PERM with policy evaluation and gradient, without imitation (bc_weight "
        "0), which would do in the place of pessimism, subtracts beta Gamma from its critics; d3rlpy's TD3, which has neither, "
        "sees rewards less beta Gamma. Gamma is elliptical on random Fourier features, per context. "
        "Tuned: for each seed the beta > 0 that is best over the other seeds."
    )
    families = {"perm": ("PERM", BETAS), "td3": ("TD3", STOCK_BETAS)}
    said, verdicts = [], []
    for family, (name, betas) in families.items():
        rows = []
        for task in PESSIMISM_TASKS:
            by_beta = {beta: cells.by_seed("pessimism", poor_cover(task), f"{family}-beta{beta:g}", aer()) for beta in betas}
            best = tuned(by_beta)
            gain = difference(best, by_beta[0.0])
            rows.append([task, *(shown(interval(by_beta[beta])) for beta in betas), shown(interval(best)), shown(gain)])
            if gain is not None and np.isfinite(gain.low):
                said.append(f"{name} on {task} {gain}")
                claim = f"{name} on {task}, poorly covered: a tuned beta is above beta = 0 within seeds"
                verdicts.append(Verdict(claim, str(gain), gain.low > 0))
        lines += table([name, *(f"beta {beta:g}" for beta in betas), "tuned", "tuned less 0"], rows)
    answer = f"Pessimism, a tuned beta less beta = 0 on poorly covered data: {'; '.join(said) or 'not measured yet'}."
    return Section(answer, verdicts, lines, pessimism_picture(cells, families))


def pessimism_picture(cells: Cells, families: Mapping[str, tuple[str, Sequence[float]]]) -> Figure:
    """AER over beta; its axis is linear near 0."""
    figure, panels = canvas(len(PESSIMISM_TASKS), 3.6)
    for axes, task in zip(panels, PESSIMISM_TASKS, strict=True):
        for (family, (name, betas)), colour in zip(families.items(), PALETTE, strict=False):
            points = {
                beta: found
                for beta in betas
                if (found := interval(cells.by_seed("pessimism", poor_cover(task), f"{family}-beta{beta:g}", aer())))
            }
            draw(axes, points, name, colour)
        axes.set_xscale("symlog", linthresh=0.1)
        axes.set(title=task, xlabel="beta", ylabel="AER on unseen contexts")
    finish(panels)
    return figure


# --- cost --------------------------------------------------------------------------------------------------------------

_MEASURES: dict[str, Number] = {
    "AER on unseen contexts": aer(),
    "training [s of one core]": lambda found: float(found["cost"]["processor_seconds"]),
    "parameters and optimisers [MB]": lambda found: found["cost"]["memory"] / 1e6,
    "growth of peak memory [MB]": lambda found: found["cost"]["peak_growth"] / 1e6,
}
_COSTED = ("perm", "perm-policy", "pppo")


def cost(cells: Cells) -> Section:
    """AER, time and memory over n."""
    lines = paragraph(
        "PERM against PPPO as training contexts are added, each with as much data on average, all with as many updates in "
        "all and the same batch. PERM by default has no quantifier; PERM with policy evaluation has PPPO's. PPPO goes three "
        "rounds over the contexts and keeps one critic set; its step size is the best of 0.3, 1 and 3 on Dosing with 8 "
        "contexts and another seed. The peak of memory includes what torch loads at its first step."
    )
    said = []
    for task in COST_TASKS:
        for what, number in _MEASURES.items():
            rows = []
            for name in _COSTED:
                found = [cells.by_seed("cost", Data(task, contexts=n), name, number) for n in COST_CONTEXTS]
                if any(found):
                    rows.append([NAMES[name], *(shown(interval(by_seed)) for by_seed in found)])
            lines += table([f"{task}: {what}", *(f"n = {n}" for n in COST_CONTEXTS)], rows)
        said += _cost_sentence(cells, task)
    answer = f"PERM against PPPO: {'; '.join(said) or 'not measured yet'}."
    return Section(answer, [], lines, cost_picture(cells))


def _cost_sentence(cells: Cells, task: str) -> list[str]:
    """Both at the largest n that is there."""
    for n in reversed(COST_CONTEXTS):
        data = Data(task, contexts=n)
        pairs = [[cells.by_seed("cost", data, name, number) for name in ("perm", "pppo")] for number in _MEASURES.values()]
        if all(all(pair) for pair in pairs):
            gain = difference(*pairs[0])
            time, size = (np.mean([*pair[0].values()]) / np.mean([*pair[1].values()]) for pair in pairs[1:3])
            return [f"with {n} contexts of {task} PERM's AER is {gain} above PPPO's, at {time:.2g} times its training time and "
                    f"{size:.2g} times its parameters and optimiser states"]  # fmt: skip
    return []


def cost_picture(cells: Cells) -> Figure:
    """Each measure over n, a row for each task."""
    measures = list(_MEASURES.items())[:3]
    figure, panels = canvas(len(measures) * len(COST_TASKS), 3.4, columns=len(measures))
    places = [(task, measure) for task in COST_TASKS for measure in measures]
    for axes, (task, (what, number)) in zip(panels, places, strict=True):
        for name, colour in zip(_COSTED, PALETTE, strict=False):
            points = {
                n: found
                for n in COST_CONTEXTS
                if (found := interval(cells.by_seed("cost", Data(task, contexts=n), name, number)))
            }
            draw(axes, points, NAMES[name], colour)
        axes.set_xscale("log", base=2)
        axes.set_xticks(COST_CONTEXTS, map(str, COST_CONTEXTS))
        axes.set(title=task, xlabel="training contexts", ylabel=what)
    finish(panels)
    return figure


# --- search ------------------------------------------------------------------------------------------------------------


def search(cells: Cells) -> Section:
    """What the hyperparameters were chosen by."""
    seeds = sorted({seed for key, by_seed in cells.found.items() if key[0] == "search" for seed in by_seed})
    rows = []
    for task in TASKS:
        for name, (key, values) in SEARCH.items():
            found = [cells.by_seed("search", Data(task), f"{name}-{value:g}", aer()) for value in values]
            if any(found):
                scores = [f"{value:g}: {np.mean([*f.values()]):.4g}" for value, f in zip(values, found, strict=True) if f]
                rows.append([task, NAMES[name], key, ", ".join(scores)])
    lines = paragraph(
        f"Values of one hyperparameter for each method, on each task as confounded, by the mean AER on the unseen "
        f"contexts with seed {', '.join(map(str, seeds))}, which is none of the reported ones. The best one is used everywhere "
        "else; where it is the first or the last, one beyond it might be better still."
    )
    return Section("", [], lines + table(["task", "learner", "hyperparameter", "value: AER"], rows), None)


# --- writing -----------------------------------------------------------------------------------------------------------

_TITLES: dict[str, tuple[str, Callable[[Cells], Section]]] = {
    "collapse": ("Average-MDP collapse", collapse),
    "cross": ("The factors of IQL-nV", cross),
    "pessimism": ("Pessimism on poorly covered data", pessimism),
    "cost": ("PERM against PPPO as contexts are added", cost),
    "search": ("How hyperparameters were chosen", search),
}


def canvas(panels: int, height: float, columns: int | None = None) -> tuple[Figure, list[Axes]]:
    """A figure with a row of panels, or several of so many columns."""
    columns = columns or panels
    rows = -(-panels // columns)
    figure = Figure(figsize=(4.2 * columns, height * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def draw(axes: Axes, points: Mapping[float, Interval], label: str, colour: str, line: str = "-") -> None:
    """Means with their intervals."""
    if points:
        means = np.array([found.estimate for found in points.values()])
        ends = np.array([[found.estimate - found.low, found.high - found.estimate] for found in points.values()]).T
        style: dict[str, Any] = {"marker": "o", "markersize": 4, "capsize": 3, "linestyle": line, "color": colour}
        axes.errorbar(list(points), means, np.nan_to_num(ends).clip(0), label=label, **style)


def finish(panels: Iterable[Axes]) -> None:
    """Grid and legend."""
    for axes in panels:
        axes.grid(True, color="#D9D9D9", linewidth=0.7)
        if axes.has_data():
            axes.legend(fontsize=7)


def missing_lines(missing: Sequence[Cell]) -> list[str]:
    """In plain words."""
    counts: dict[tuple[str, str, str], int] = {}
    for cell in missing:
        counts[cell[:3]] = counts.get(cell[:3], 0) + 1
    return [f"- Not run: {' / '.join(key)}, {n} seed{'s' if n > 1 else ''}." for key, n in counts.items()]


def head_lines(cells: Cells, command: str, sections: Sequence[Section]) -> list[str]:
    """What was asked, what was found, and by what."""
    results = cells.results()
    commits = sorted({result["commit"].split(" ")[0] for result in results})  # without the list of what was dirty
    versions = sorted({f"{name} {number}" for result in results for name, number in result["versions"].items()})
    minutes = sum(result["seconds"] for result in results) / 60
    words = {True: "met", False: "**not met**", None: "cannot be judged"}
    verdicts = [verdict for section in sections for verdict in section.verdicts]
    asked = (
        "One policy that does not see the context is trained on the labelled data of several contexts, and scored in contexts "
        "that nobody has seen (AER, the mean return over them). Do critics of their own for each context (PERM, arXiv "
        "2503.07988) help against merging the data, which of the factors of the paper's IQL-nV does what, what does pessimism "
        "give, and what do PERM and PPPO cost?"
    )
    return [
        "# PERM and PPPO, deep",
        "",
        *paragraph(asked),
        *(line for section in sections if section.answer for line in paragraph(section.answer)),
        *paragraph(
            "Means over seeds of contexts, data, networks and batches, 95 % percentile bootstrap intervals over seeds (narrow "
            "with five of them); differences are taken within seeds. Separated means that intervals are disjoint. Networks of "
            "two layers of 64, batches of 256, 2000 updates, actor rate 3e-4, critic rate 1e-3 and standardised observations "
            "for all learners alike; one hyperparameter of each was searched for on another seed, over more values for the "
            "merged learners."
        ),
        f"Command: `{command}`.",
        f"Report at commit {commit()}, cells run at {', '.join(commits) or 'none'}; Python {platform.python_version()}, "
        f"{', '.join(versions)}; {minutes:.0f} core-minutes of training and scoring, cells side by side on shared cores.",
        "",
        *table(["claim", "measured", "threshold"], [[v.claim, v.found, words[v.met]] for v in verdicts]),
    ]


def as_json(result: Mapping[str, Any]) -> dict[str, Any]:
    """A cell, with the mean return over each split instead of each context's."""
    means = {
        policy: {split: round(float(np.mean(returns)), 4) for split, returns in splits.items()}
        for policy, splits in result["returns"].items()
    }
    return {key: result[key] for key in ("cell", "commit", "cost")} | {"aer": means}


def write(experiments: Sequence[Experiment], work: Path, out: Path, command: str) -> list[Cell]:
    """perm.md, perm.json and a picture for each experiment; returns the cells that were missing."""
    out.mkdir(parents=True, exist_ok=True)
    cells = Cells.read(experiments, work)
    sections = {experiment.name: _TITLES[experiment.name][1](cells) for experiment in experiments}
    lines = head_lines(cells, command, list(sections.values()))
    for name, section in sections.items():
        lines += [f"## {_TITLES[name][0]}", "", *section.lines]
        if section.picture is not None:
            section.picture.savefig(out / f"perm-{name}.png")
            lines += [f"![{_TITLES[name][0]}](perm-{name}.png)", ""]
    verdicts = [verdict for section in sections.values() for verdict in section.verdicts]
    failures = [f"- {v.claim}: {v.found}." for v in verdicts if v.met is not True] + missing_lines(cells.missing)
    failures = failures or ["Every cell is there, and every claim is met."]
    lines += ["## What is not better, and what is not there", "", *failures]
    (out / "perm.md").write_text("\n".join(lines) + "\n")
    report = {
        "command": command,
        "commit": commit(),
        "chosen": [[*key, value] for key, value in CHOSEN.items()],
        "verdicts": [verdict._asdict() for verdict in verdicts],
        "missing": [str(cell) for cell in cells.missing],
        "cells": [as_json(result) for result in cells.results()],
    }
    (out / "perm.json").write_text(json.dumps(report, allow_nan=False) + "\n")
    return list(cells.missing)
