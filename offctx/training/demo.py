"""The demo: one context's data and its derivatives, where the context decides what an action does.

A point mass with rotated thrusters (`offctx/RotatedThrusters-v0`). Every learner is trained with the same algorithm and scored
on sweeps of the mounting angle, of the gain and of the wind, in contexts that are not c0:

- baseline: data at the base context c0, the context appended;
- CSE: the same data with context sample enhancement;
- controls, which learn nothing about other contexts: context hidden; jitter, the placebo of CSE;
- references, which see data of other contexts: LDR, from contexts of CSE's ball around c0; GDR, from the whole range.

`offctx demo` runs it once; `tools/reproduce.py controls` runs the same over ten seeds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from d3rlpy.models import VectorEncoderFactory

from offctx.algos import make_algorithm, train
from offctx.augmentations.context_jitter import ContextJitter
from offctx.augmentations.cse import CSE
from offctx.buffers.augmentation import Augmentation
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.data.collection.collect import collect
from offctx.data.dataset import ContextualDataset
from offctx.data.load import load_dataset
from offctx.data.storage.ids import dataset_folder
from offctx.envs import RotatedThrusters
from offctx.envs.policies import ContextMode
from offctx.evaluation.evaluator import evaluate
from offctx.evaluation.report import ZeroShotReport
from offctx.training.records import AgentRecord, save_agent
from offctx.training.side_by_side import run_side_by_side

ENV = "offctx/RotatedThrusters-v0"
BASELINE, REFERENCE = "baseline", "LDR"
_EVALUATION_SEED = 1_000_000  # far from the seeds of the data: no start state is seen in training
_EPOCHS = 50  # how often a learner says how far it is


class Arm(NamedTuple):
    """What a learner is trained on.

    Attributes:
        data: "base" at c0, "ldr" in contexts of CSE's ball, "gdr" in contexts of the whole range.
        context: whether it observes the context.
        augmentation: of its batches, or None.
    """

    data: str = "base"
    context: ContextMode = "append"
    augmentation: Callable[..., Augmentation] | None = None


ARMS: dict[str, Arm] = {
    "baseline": Arm(),
    "context hidden": Arm(context="hidden"),
    "jitter (placebo)": Arm(augmentation=ContextJitter),
    "CSE": Arm(augmentation=CSE),
    "LDR": Arm(data="ldr"),
    "GDR": Arm(data="gdr"),
}


@dataclass(frozen=True)
class Setting:
    """What the demo runs with.

    Attributes:
        algorithm: a d3rlpy algorithm by name.
        seed: of data, learner and batches.
        data_episodes: episodes of 100 steps in each dataset.
        steps: gradient steps of each learner.
        hidden: units of the two hidden layers of every network.
        episodes: evaluation episodes per context.
        device: where the networks are, as d3rlpy takes it: False (CPU), True (the first GPU), a number, or a name.
    """

    algorithm: str = "td3"
    seed: int = 0
    data_episodes: int = 400
    steps: int = 6000
    hidden: int = 128
    episodes: int = 64
    device: Any = False


def splits() -> dict[str, Any]:
    """The contexts of each split: the training context c0 as "train", and sweeps of single coordinates without c0."""
    space = RotatedThrusters.context_space
    values = {"theta": (-1.5, -1, -0.5, 0.5, 1, 1.5), "gain": (0.5, 0.75, 1.25, 1.5, 2), "wind_x": (-0.3, -0.15, 0.15, 0.3)}
    return {"train": space.default} | {f"sweep_{name}": space.sweep(name, line) for name, line in values.items()}


def dataset(setting: Setting, kind: str, *, progress: bool = True) -> ContextualDataset:
    """The data of one kind, collected at the first call and loaded afterwards.

    Args:
        setting: what the demo runs with.
        kind: "base" for data at c0, "ldr" or "gdr" for as many episodes, each in a context of its own.
        progress: show a progress bar.
    """
    n, seed = setting.data_episodes, setting.seed
    dataset_id = f"offctx/RotatedThrusters/demo-{kind}{n}-seed{seed}-v0"
    if dataset_folder(dataset_id).exists():
        return load_dataset(dataset_id)
    if kind == "base":
        return collect(ENV, dataset_id, episodes_per_context=n, seed=seed, progress=progress)
    space, rng = RotatedThrusters.context_space, np.random.default_rng([seed, 3])
    contexts = space.sample(rng, n)
    if kind == "ldr":
        cse = CSE("auto")
        cse.prepare(dataset(setting, "base", progress=progress))
        contexts, _ = cse.perturb(np.tile(space.default, (n, 1)).astype(np.float32), space, rng)
    return collect(ENV, dataset_id, contexts=contexts, seed=seed, gradients=False, progress=progress)


def buffer_of(setting: Setting, name: str, data: ContextualDataset) -> ContextualReplayBuffer:
    """The buffer of an arm; `data` are those of the arm."""
    arm = ARMS[name]
    augmentation = None if arm.augmentation is None else arm.augmentation("auto")
    return data.replay_buffer(context=arm.context, augmentation=augmentation, seed=setting.seed)


def run_arm(
    setting: Setting, name: str, save: Path | None = None, progress: Callable[[float], None] | None = None
) -> ZeroShotReport:
    """Train one learner and score it.

    Args:
        setting: what the demo runs with.
        name: of ARMS.
        save: file that the agent is saved to; not saved if None.
        progress: called with the share of the gradient steps that are done, in (0, 1].

    Returns:
        The returns on `splits()`.
    """
    arm = ARMS[name]
    data = dataset(setting, arm.data, progress=False)
    buffer = buffer_of(setting, name, data)
    networks = VectorEncoderFactory([setting.hidden, setting.hidden])
    config = {"batch_size": 128, "actor_encoder_factory": networks, "critic_encoder_factory": networks}
    agent = make_algorithm(setting.algorithm, buffer, config, device=setting.device)

    def report_progress(_: Any, epoch: int, step: int) -> None:
        if progress is not None:
            progress(step / setting.steps)

    epoch = max(1, setting.steps // _EPOCHS)
    train(
        agent, buffer, steps=setting.steps, seed=setting.seed, progress=False, n_steps_per_epoch=epoch, callback=report_progress
    )
    if save is not None:
        record = AgentRecord.of(buffer, data, setting.algorithm, steps=setting.steps, seed=setting.seed)
        save_agent(agent, save, record.model_copy(update={"steps": setting.steps}))
    return evaluate(
        agent, ENV, splits(), episodes=setting.episodes, seed=_EVALUATION_SEED, context=arm.context, name=name, progress=False
    )


def agent_file(folder: Path, name: str) -> Path:
    """Where the agent of an arm is saved."""
    return folder / f"{name.split(' (', maxsplit=1)[0].replace(' ', '-').lower()}.d3"


def run(setting: Setting, folder: Path, *, progress: bool = True) -> Mapping[str, ZeroShotReport]:
    """Collect the data, then train and score all learners, side by side on the cores of the machine.

    Args:
        setting: what the demo runs with.
        folder: where the agents are saved.
        progress: show progress bars.

    Returns:
        From arms to their reports.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for kind in ("base", "ldr", "gdr"):
        dataset(setting, kind, progress=progress)

    def train_arm(name: str, report_progress: Callable[[float], None]) -> ZeroShotReport:
        return run_arm(setting, name, agent_file(folder, name), report_progress)

    reports = run_side_by_side(train_arm, list(ARMS), description=f"training {len(ARMS)} learners", progress=progress)
    return dict(zip(ARMS, reports, strict=True))
