"""What the report says: demo.md, and a full report of each algorithm in demo-ALGORITHM/."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from offctx.evaluation.compare import compare
from offctx.evaluation.report import Comparison, ZeroShotReport
from offctx.files import write_file
from offctx.training import demo
from tools.reproduce.frame.cells import Results
from tools.reproduce.frame.experiment import Destination
from tools.reproduce.frame.markdown import paragraph, table


@dataclass(frozen=True)
class Facts:
    """What was run, and with what.

    Attributes:
        seeds: number of seeds.
        steps: gradient steps of each learner.
        command: that made the report.
        commits: that the cells were run at.
        python: version that the cells were run with.
        torch: likewise.
    """

    seeds: int
    steps: int
    command: str
    commits: Sequence[str]
    python: str
    torch: str


def write_report(results: Results, steps: int, destination: Destination) -> None:
    """Write all files of the report, and print the comparisons."""
    comparisons = compare_methods(results)
    for algorithm, comparison in comparisons.items():
        comparison.save(destination.folder / f"demo-{algorithm}")
        print(comparison)
    seeds = len({cell.key[1] for cell, _ in results.finished})
    versions = [", ".join(results.versions(name)) for name in ("python", "torch")]
    text = markdown(comparisons, Facts(seeds, steps, destination.command, results.commits, *versions))
    write_file(destination.folder / "demo.md", text)


def compare_methods(results: Results) -> dict[str, Comparison]:
    """algorithm -> the comparison of its methods over seeds."""
    reports: dict[str, dict[str, list[ZeroShotReport]]] = {}
    for cell, result in results.finished:
        algorithm, _, method = map(str, cell.key)
        by_method = reports.setdefault(algorithm, {name: [] for name in demo.METHODS})
        by_method[method].append(ZeroShotReport.from_dict(result["report"]))
    return {algorithm: compare_seeds(algorithm, by_method) for algorithm, by_method in reports.items()}


def compare_seeds(algorithm: str, reports: Mapping[str, Sequence[ZeroShotReport]]) -> Comparison:
    """The comparison of the methods of one algorithm; each method has a report for each seed."""
    seeds = len(reports[demo.BASELINE])
    title = f"PendulumGoal, {algorithm}: zero-shot generalization from one context, {seeds} seeds"
    return compare(reports, baseline=demo.BASELINE, reference=demo.REFERENCE, title=title)


def markdown(comparisons: Mapping[str, Comparison], facts: Facts) -> str:
    """The text of demo.md."""
    lines = [
        "# Context sample enhancement from one context: PendulumGoal",
        "",
        *paragraph(_explanation(facts)),
        *paragraph(
            f"Command: `{facts.command}`. Cells run at commit {', '.join(facts.commits)}; Python {facts.python}, "
            f"torch {facts.torch}."
        ),
        *table(["algorithm", "split", *demo.METHODS, "gap closed by CSE"], _rows(comparisons)),
        "Per-context tables and curves:",
        "",
        *(f"- [{algorithm}](demo-{algorithm}/report.md)" for algorithm in comparisons),
    ]
    for algorithm in comparisons:
        lines += ["", f"![{algorithm}, sweep of g](demo-{algorithm}/return-sweep_g.png)"]
    return "\n".join(lines) + "\n"


def _explanation(facts: Facts) -> str:
    """What was run, and how it is measured."""
    return (
        "The setting of `make demo`. Baseline: 50,000 transitions of random torque at c0 = (g, m, l, tau) = (2, 1, 1, 0). LDR: "
        "as many transitions from 250 contexts c0 + 0.5 N(0, I). CSE: the data of the baseline, moved batch by batch to "
        "contexts in a ball of radius 1 around c0; this radius is the root mean square distance of LDR's contexts from c0. "
        f"Each learner makes {facts.steps} gradient steps of a stock d3rlpy algorithm with its default hyperparameters. Mean "
        "return over 64 episodes in each context of a sweep (g: 0.5 to 5 m/s^2, tau: -1 to 1 N m; the data at c0 vary "
        f"neither), with 95 % bootstrap intervals over {facts.seeds} seeds (of data, networks and batches). Gap closed is "
        "(CSE - baseline) / (LDR - baseline), a ratio of means. The split train is c0 itself, where there is no gap to close: "
        "its rows show that all methods solve the task there, and what CSE and LDR lose at c0 by serving other contexts too."
    )


def _rows(comparisons: Mapping[str, Comparison]) -> list[list[str]]:
    """One row for each algorithm and split."""
    rows = []
    for algorithm, comparison in comparisons.items():
        for split in comparison.splits:
            returns = [str(comparison.aer(method, split)) for method in demo.METHODS]
            gap = "" if split == "train" else str(comparison.gap_closed("CSE", split))
            rows.append([algorithm, split, *returns, gap])
    return rows
