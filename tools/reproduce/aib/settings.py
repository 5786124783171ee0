"""What a cell's result depends on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tools.reproduce.aib.methods import OFFLINE, ONLINE, Method
from tools.reproduce.aib.tasks import TASKS, Task
from tools.reproduce.frame.cells import Result, plain

ONLINE_KIND = "online"
OFFLINE_WARMUP = 128  # the window of the presets
SEEN = (1, 2, 4, 8, 16, 32, 64)  # unscored steps beside those of a warm start, for the picture of adaptation
EVALUATION_SEED = 1_000_000  # far from the seeds of data and training: no start state is seen before


@dataclass(frozen=True)
class Run:
    """One learner with one seed.

    Attributes:
        task: a name among TASKS.
        kind: of the offline data, or ONLINE_KIND.
        method: a name among OFFLINE or ONLINE.
        seed: of data, networks, batches and episodes.
        updates: of the learner.
        data_episodes: of the offline data, in each training context.
        random_steps: of an online learner, in each context, before its first update.
        episodes: of the evaluation, in each context.
    """

    task: str
    kind: str
    method: str
    seed: int
    updates: int
    data_episodes: int
    random_steps: int
    episodes: int

    @property
    def of_task(self) -> Task:
        """The environment."""
        return TASKS[self.task]

    @property
    def of_method(self) -> Method:
        """The method."""
        return (ONLINE if self.kind == ONLINE_KIND else OFFLINE)[self.method]

    @property
    def key(self) -> tuple[str | int, ...]:
        """Of the cell."""
        return (self.task, self.kind, self.method, self.seed)

    @property
    def warmup(self) -> int:
        """Unscored steps before a warm start."""
        return self.of_task.window if self.kind == ONLINE_KIND else OFFLINE_WARMUP

    @property
    def seen(self) -> tuple[int, ...]:
        """Unscored steps beside those of a warm start."""
        return SEEN if self.of_task.curve else ()

    def config(self) -> dict[str, Any]:
        """The learner's settings beside those of its preset; offline learners have the preset's window."""
        config = dict(self.of_method.config)
        return config | ({"window": self.of_task.window} if self.of_method.infers and self.kind == ONLINE_KIND else {})

    def quick(self) -> "Run":
        """The same with hardly any work."""
        return replace(self, updates=4, data_episodes=2, random_steps=20, episodes=1)

    def to_dict(self) -> Result:
        """Everything that decides about the result, as plain JSON: the method's settings in full, not its name alone."""
        settings: dict[str, Any] = asdict(self) | {"algorithm": self.of_method.algorithm, "config": self.config()}
        settings |= {
            "preset": preset(self.of_method),
            "contexts": self.of_task.plain_splits(),
            "warmup": self.warmup,
            "seen": self.seen,
        }
        return plain(settings)


def cell_path(work: Path, key: tuple[str | int, ...]) -> Path:
    """The result file of the cell with this key below the folder of all work."""
    return work.joinpath("cells", *map(str, key[:-1]), f"seed{key[-1]}.json")


def preset(method: Method) -> Mapping[str, Any]:
    """The settings of the method's preset: where one is changed, its cells run again."""
    from offctx.algos.dmash.presets import PRESETS  # imports d3rlpy, which takes seconds

    return dict(PRESETS.get(method.algorithm, {}))
