"""What is run: the learners of `make demo`, for several algorithms and seeds."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from offctx.training import demo
from tools.reproduce.demo.report import write_report
from tools.reproduce.frame.cells import Cell, Results, plain
from tools.reproduce.frame.experiment import Destination, Experiment

_STEP_SECONDS = 0.008  # expected, as are the seconds of collecting a dataset
_COLLECT_SECONDS = 5.0


class Demo(Experiment):
    """Baseline, CSE and LDR on PendulumGoal."""

    name = "demo"
    description = """`make demo` over seeds and algorithms: baseline, CSE and LDR on PendulumGoal.

    python tools/reproduce.py demo                                    # writes docs/results/demo.md and demo-ALGORITHM/
    python tools/reproduce.py demo --algorithms td3 --seeds 2 --steps 100 --out out/quick --work out/quick

A cell is one learner: algorithm / seed / method."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Options that choose learners."""
        algorithms, steps = ["td3", "sac"], demo.Setting().steps
        parser.add_argument("--algorithms", nargs="+", default=algorithms, help="d3rlpy algorithms by name (default td3 sac)")
        parser.add_argument("--seeds", type=int, default=5, help="seeds 0 .. N-1 (default 5)")
        parser.add_argument("--steps", type=int, default=steps, help=f"gradient steps of each learner (default {steps})")

    def cells(self, options: argparse.Namespace) -> Sequence[Cell]:
        """Every learner, seed by seed."""
        return [
            learner_cell(demo.Setting(algorithm=algorithm, seed=seed, steps=options.steps), method, options.work)
            for seed in range(options.seeds)
            for algorithm in options.algorithms
            for method in demo.METHODS
        ]

    def preparation(self, missing: Sequence[Cell], options: argparse.Namespace) -> Sequence[Cell]:
        """The datasets of the missing cells: collected before several cells want to collect the same one."""
        seeds = sorted({int(cell.settings["seed"]) for cell in missing})
        return [dataset_cell(demo.Setting(seed=seed), kind, options.work) for seed in seeds for kind in ("base", "ldr")]

    def write_report(self, results: Results, options: argparse.Namespace, destination: Destination) -> None:
        """Write demo.md and a full report of each algorithm."""
        write_report(results, options.steps, destination)


def learner_cell(setting: demo.Setting, method: str, work: Path) -> Cell:
    """The cell that trains and scores one learner."""
    return Cell(
        key=(setting.algorithm, setting.seed, method),
        path=work / setting.algorithm / f"seed{setting.seed}" / f"{method}.json",
        compute=partial(run_learner, setting, method, work),
        settings=plain(asdict(setting)),
        cost=setting.steps * _STEP_SECONDS,
    )


def dataset_cell(setting: demo.Setting, kind: str, work: Path) -> Cell:
    """The cell that collects one dataset, or loads it where it exists."""
    return Cell(
        key=("data", kind, setting.seed),
        path=work / "data" / f"{kind}-seed{setting.seed}.json",
        compute=partial(collect_dataset, setting, kind, work),
        settings={"episodes": setting.data_episodes, "ldr_radius": setting.ldr_radius},
        cost=_COLLECT_SECONDS,
    )


def run_learner(setting: demo.Setting, method: str, work: Path) -> Mapping[str, Any]:
    """Compute a learner's cell."""
    _set_datasets_folder(work)
    return {"report": demo.run_method(setting, method, progress=False).to_dict()}


def collect_dataset(setting: demo.Setting, kind: str, work: Path) -> Mapping[str, Any]:
    """Compute a dataset's cell."""
    _set_datasets_folder(work)
    return {"transitions": len(demo.dataset(setting, kind, progress=False))}


def _set_datasets_folder(work: Path) -> None:
    """Keep datasets below the working folder, unless the user has chosen another folder."""
    os.environ.setdefault("MINARI_DATASETS_PATH", str((work / "datasets").resolve()))


EXPERIMENT = Demo()
