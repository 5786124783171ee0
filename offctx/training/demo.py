"""The main job on a small default: does context sample enhancement close the gap to real data from other contexts?

PendulumGoal data at the base context c0 (baseline, CSE) and from contexts around it (LDR); one d3rlpy algorithm trained
on each; all three scored on sweeps of gravity and of the goal torque. `offctx demo` runs it once, `tools/reproduce.py`
over seeds and algorithms.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from offctx.algos import make_algorithm, train
from offctx.augmentations.cse import CSE
from offctx.data.collection.collect import collect
from offctx.data.dataset import ContextualDataset
from offctx.data.load import load_dataset
from offctx.data.storage.ids import dataset_folder
from offctx.envs import PendulumGoal
from offctx.evaluation.evaluator import evaluate
from offctx.evaluation.report import ZeroShotReport

ENV = "offctx/PendulumGoal-v0"
METHODS = ("baseline", "CSE", "LDR")
BASELINE, REFERENCE = "baseline", "LDR"
_EVALUATION_SEED = 1_000_000  # far from the seeds of the data: no start state is seen in training


@dataclass(frozen=True)
class Setting:
    """What the demo runs with.

    Attributes:
        algorithm: a d3rlpy algorithm by name.
        seed: of data, learner and batches.
        ldr_radius: standard deviation of the contexts that LDR draws around c0, in each coordinate's unit.
        cse_radius: of CSE's ball, in each coordinate's unit.
        data_episodes: episodes of 200 steps in each dataset.
        steps: gradient steps of each learner.
        episodes: evaluation episodes per context.
        device: as d3rlpy takes it.
    """

    algorithm: str = "td3"
    seed: int = 0
    ldr_radius: float = 0.5
    cse_radius: float = 1.0  # the root mean square distance of LDR's draws from c0: 0.5 sqrt(4)
    data_episodes: int = 250
    steps: int = 8000
    episodes: int = 64
    device: Any = False


def splits() -> dict[str, Any]:
    """The training context, and the sweeps of g and tau that nobody but LDR has seen anything of."""
    space = PendulumGoal.context_space
    gravity = [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0]
    return {"train": space.default, "sweep_g": space.sweep("g", gravity), "sweep_tau": space.sweep("tau", 9)}


def dataset(setting: Setting, kind: str, *, progress: bool = True) -> ContextualDataset:
    """The data at c0 ("base") or from contexts around it ("ldr"): collected once, then loaded."""
    dataset_id = f"offctx/PendulumGoal/demo-{kind}{setting.data_episodes}-seed{setting.seed}-v0"
    if dataset_folder(dataset_id).exists():
        return load_dataset(dataset_id)
    n, seed = setting.data_episodes, setting.seed
    if kind == "base":
        return collect(ENV, dataset_id, episodes_per_context=n, seed=seed, progress=progress)
    contexts = PendulumGoal.context_space.local(n, setting.ldr_radius, np.random.default_rng([seed, 3]))
    return collect(ENV, dataset_id, contexts=contexts, seed=seed, progress=progress)


def run_method(setting: Setting, method: str, *, progress: bool = True, save: Path | None = None) -> ZeroShotReport:
    """Train one method and score it; the agent is saved where asked."""
    data = dataset(setting, "ldr" if method == "LDR" else "base", progress=progress)
    augmentation = CSE(setting.cse_radius) if method == "CSE" else None
    buffer = data.replay_buffer(augmentation=augmentation, seed=setting.seed)
    agent = make_algorithm(setting.algorithm, buffer, device=setting.device)
    train(agent, buffer, steps=setting.steps, seed=setting.seed, progress=progress)
    if save is not None:
        agent.save(str(save))
    return evaluate(agent, ENV, splits(), episodes=setting.episodes, seed=_EVALUATION_SEED, name=method, progress=progress)


def run(setting: Setting, folder: Path, say: Callable[[str], None], *, progress: bool = True) -> dict[str, ZeroShotReport]:
    """All three methods, one after the other; `say` tells what is happening."""
    folder.mkdir(parents=True, exist_ok=True)
    reports = {}
    for k, method in enumerate(METHODS):
        source = "episodes in contexts around c0" if method == "LDR" else "episodes at c0"
        say(f"[{k + 1}/{len(METHODS)}] {method}: {setting.algorithm} on {setting.data_episodes} {source}")
        reports[method] = run_method(setting, method, progress=progress, save=folder / f"{method.lower()}.d3")
    return reports
