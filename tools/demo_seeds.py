"""Reproduce what docs/results/ shows, over seeds, resumable: a cell that has been run is not run again.

    python tools/reproduce.py demo --algorithms td3 sac --seeds 5 --jobs 2
    python tools/reproduce.py theory --help    # the linear core's papers: tools/theory.py, with options of its own
    python tools/reproduce.py cse --help       # context sample enhancement everywhere: tools/cse.py, likewise

demo: each cell (algorithm, seed, method) trains one learner in `make demo`'s own setting and keeps its report below --work;
when all are there the results are written to --out, with 95 % intervals over seeds. --help lists the options.
"""

import argparse
import itertools
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import torch
from tqdm.auto import tqdm

from offctx.evaluation.report import Comparison, ZeroShotReport, compare
from offctx.training import demo

Cell = tuple[demo.Setting, str, Path]
ELSEWHERE = ("theory", "cse")  # experiments that are modules of their own beside this one


def run_cell(cell: Cell) -> Path:
    """Train and score one method, and keep its report in a file that appears when it is complete."""
    setting, method, path = cell
    torch.set_num_threads(1)  # cells run side by side
    report = demo.run_method(setting, method, progress=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps({"commit": commit(), "report": report.to_dict()}, allow_nan=False))
    os.replace(aside, path)
    return path


def commit() -> str:
    """The commit that is checked out."""
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def cells(args: argparse.Namespace) -> list[Cell]:
    """Every cell asked for, seed by seed."""
    base = demo.Setting(steps=args.steps)
    return [
        (
            replace(base, algorithm=algorithm, seed=seed),
            method,
            args.work / algorithm / f"seed{seed}" / f"{method}.json",
        )
        for seed in range(args.seeds)
        for algorithm in args.algorithms
        for method in demo.METHODS
    ]


def collected(args: argparse.Namespace, algorithm: str, commits: set[str]) -> Comparison:
    """The comparison over seeds of one algorithm; the commits that its cells were run at are added to `commits`."""
    reports: dict[str, list[ZeroShotReport]] = {method: [] for method in demo.METHODS}
    for seed, method in itertools.product(range(args.seeds), demo.METHODS):
        cell = json.loads((args.work / algorithm / f"seed{seed}" / f"{method}.json").read_text())
        commits.add(cell["commit"])
        reports[method].append(ZeroShotReport.from_dict(cell["report"]))
    title = f"PendulumGoal, {algorithm}: zero-shot generalization from one context, {args.seeds} seeds"
    return compare(reports, baseline=demo.BASELINE, reference=demo.REFERENCE, title=title)


def write_demo(args: argparse.Namespace) -> None:
    """docs/results/demo.md and a full report per algorithm."""
    commits: set[str] = set()
    rows = []
    for algorithm in args.algorithms:
        comparison = collected(args, algorithm, commits)
        comparison.save(args.out / f"demo-{algorithm}")
        for split in comparison.splits:
            returns = " | ".join(str(comparison.aer(method, split)) for method in demo.METHODS)
            closed = "" if split == "train" else str(comparison.gap_closed("CSE", split))
            rows.append(f"| {algorithm} | {split} | {returns} | {closed} |")
        print(comparison)
    lines = [
        "# Context sample enhancement from one context: PendulumGoal",
        "",
        "`make demo`'s own setting: 50,000 transitions of random torque at c0 = (g, m, l, tau) = (2, 1, 1, 0); for LDR the",
        f"same amount from 250 contexts c0 + 0.5 N(0, I); {args.steps} gradient steps of a stock d3rlpy algorithm with its",
        "default hyperparameters; CSE of radius 1, as far as the LDR draws lie from c0 in root mean square. Mean return over",
        "64 episodes in each context of a sweep (g: 0.5 to 5 m/s^2, tau: -1 to 1 N m; the data at c0 vary neither), 95 %",
        f"bootstrap intervals over {args.seeds} seeds (of data, networks and batches). The gap closed is the ratio of means",
        "(CSE - baseline) / (LDR - baseline). The split train is c0 itself, where there is no gap to close: its rows show",
        "that all are competent there, and what CSE and LDR pay for serving other contexts too.",
        "",
        f"Command: `{args.command}`. Cells run at commit {', '.join(sorted(commits))}; Python {platform.python_version()},",
        f"torch {torch.__version__}.",
        "",
        "| algorithm | split | baseline | CSE | LDR | gap closed by CSE |",
        "|---|---|---|---|---|---|",
        *rows,
    ]
    lines += ["", "Per-context tables and curves:", ""]
    lines += [f"- [{algorithm}](demo-{algorithm}/report.md)" for algorithm in args.algorithms]
    for algorithm in args.algorithms:
        lines += ["", f"![{algorithm}, sweep of g](demo-{algorithm}/return-sweep_g.png)"]
    (args.out / "demo.md").write_text("\n".join(lines) + "\n")


def run_demo(args: argparse.Namespace) -> None:
    """All cells that are missing, then the tables."""
    os.environ.setdefault("MINARI_DATASETS_PATH", str((args.work / "datasets").resolve()))
    missing = [cell for cell in cells(args) if not cell[2].exists()]
    for setting in {cell[0].seed: cell[0] for cell in missing}.values():  # before cells race for the same id
        for kind in ("base", "ldr"):
            demo.dataset(setting, kind, progress=False)
    with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(run_cell, cell) for cell in missing]
        for future in tqdm(as_completed(futures), total=len(missing), desc="cells"):
            future.result()
    write_demo(args)


def main(arguments: Sequence[str]) -> None:
    """Read the command line and run the experiment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--algorithms", nargs="+", default=["td3", "sac"], help="d3rlpy algorithms by name")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 .. N-1")
    parser.add_argument("--steps", type=int, default=demo.Setting().steps, help="gradient steps of each learner")
    parser.add_argument("--jobs", type=int, default=2, help="cells side by side, one thread each")
    parser.add_argument("--work", type=Path, default=Path("out/reproduce-demo"), help="where cells are kept")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="where results are written")
    args = parser.parse_args(arguments)
    args.command = shlex.join(["python", "tools/reproduce.py", "demo", *arguments])
    args.out.mkdir(parents=True, exist_ok=True)
    run_demo(args)


if __name__ == "__main__":
    main(sys.argv[1:])
