"""The demo: does context sample enhancement close the gap to real data from other contexts?

Three learners are trained with the same algorithm on PendulumGoal: on data at the base context c0 (baseline), on the same data
with context sample enhancement (CSE), and on data from contexts around c0 (local domain randomisation, LDR). All are scored
on sweeps of gravity and of the goal torque. `offctx demo` runs it once, `tools/reproduce.py demo` over seeds and algorithms.
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
from offctx.training.records import AgentRecord, save_agent

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
        cse_radius: radius of the ball around c0 from which CSE draws contexts, in each coordinate's unit.
        data_episodes: episodes of 200 steps in each dataset.
        steps: gradient steps of each learner.
        episodes: evaluation episodes per context.
        device: where the networks are, as d3rlpy takes it: False (CPU), True (the first GPU), a number, or a name.
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
    """The contexts of each split: the training context c0 as "train", and sweeps of gravity g and of the goal torque tau.

    Only the data of LDR contain contexts other than c0.
    """
    space = PendulumGoal.context_space
    gravity = [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0]
    return {"train": space.default, "sweep_g": space.sweep("g", gravity), "sweep_tau": space.sweep("tau", 9)}


def dataset(setting: Setting, kind: str, *, progress: bool = True) -> ContextualDataset:
    """The data of one kind, collected at the first call and loaded afterwards.

    Args:
        setting: what the demo runs with.
        kind: "base" for data at c0, "ldr" for data from contexts around it.
        progress: show a progress bar.
    """
    dataset_id = f"offctx/PendulumGoal/demo-{kind}{setting.data_episodes}-seed{setting.seed}-v0"
    if dataset_folder(dataset_id).exists():
        return load_dataset(dataset_id)
    n, seed = setting.data_episodes, setting.seed
    if kind == "base":
        return collect(ENV, dataset_id, episodes_per_context=n, seed=seed, progress=progress)
    contexts = PendulumGoal.context_space.local(n, setting.ldr_radius, np.random.default_rng([seed, 3]))
    return collect(ENV, dataset_id, contexts=contexts, seed=seed, progress=progress)


def run_method(setting: Setting, method: str, *, progress: bool = True, save: Path | None = None) -> ZeroShotReport:
    """Train one method and score it.

    Args:
        setting: what the demo runs with.
        method: of METHODS.
        progress: show progress bars.
        save: file that the agent is saved to; not saved if None.

    Returns:
        The returns on `splits()`.
    """
    data = dataset(setting, "ldr" if method == "LDR" else "base", progress=progress)
    augmentation = CSE(setting.cse_radius) if method == "CSE" else None
    buffer = data.replay_buffer(augmentation=augmentation, seed=setting.seed)
    agent = make_algorithm(setting.algorithm, buffer, device=setting.device)
    train(agent, buffer, steps=setting.steps, seed=setting.seed, progress=progress)
    if save is not None:
        record = AgentRecord.of(buffer, data, setting.algorithm, steps=setting.steps, seed=setting.seed)
        save_agent(agent, save, record.model_copy(update={"steps": setting.steps}))
    return evaluate(agent, ENV, splits(), episodes=setting.episodes, seed=_EVALUATION_SEED, name=method, progress=progress)


def run(setting: Setting, folder: Path, announce: Callable[[str], None], *, progress: bool = True) -> dict[str, ZeroShotReport]:
    """Run all methods one after the other.

    Args:
        setting: what the demo runs with.
        folder: where the agents are saved, as `<method>.d3`.
        announce: called with a line of text before each method.
        progress: show progress bars.

    Returns:
        From methods to their reports.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reports = {}
    for k, method in enumerate(METHODS):
        source = "episodes in contexts around c0" if method == "LDR" else "episodes at c0"
        announce(f"[{k + 1}/{len(METHODS)}] {method}: {setting.algorithm} on {setting.data_episodes} {source}")
        reports[method] = run_method(setting, method, progress=progress, save=folder / f"{method.lower()}.d3")
    return reports
