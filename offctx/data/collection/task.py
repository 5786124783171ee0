"""What a user asks `collect` for, checked; and one part of it done.

Dimensions: K contexts, M episodes of each, p context.
"""

from dataclasses import dataclass, fields
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from offctx.contexts.space import Contexts
from offctx.data.collection.parts import Part, all_episodes, cut
from offctx.data.collection.play import play_part
from offctx.data.derivatives.compute import compute_derivatives
from offctx.data.derivatives.inputs import SimulationInputs
from offctx.data.episodes import Episodes, check_episodes
from offctx.data.storage.saved_chunks import save_chunk
from offctx.envs.policies import ContextMode, Mixture
from offctx.envs.resolve import EnvLike, ResolvedEnv
from offctx.envs.sendable import SendableWork


@dataclass(frozen=True)
class Task:
    """A collection.

    Attributes:
        dataset_id: of the new dataset.
        resolved: the environment and its time limit.
        contexts: distinct or not (K, p).
        mixture: the policies.
        episodes_per_context: M.
        seed: determines everything that is random.
        gradients: compute the context derivatives.
        context: whether policies observe the context.
        batch_size: rows per call of the simulator; all at once where None.
    """

    dataset_id: str
    resolved: ResolvedEnv
    contexts: Contexts
    mixture: Mixture
    episodes_per_context: int
    seed: int
    gradients: bool
    context: ContextMode
    batch_size: int | None

    @cached_property
    def parts(self) -> list[Part]:
        """What is played as one batch each."""
        rows = np.repeat(self.contexts, self.episodes_per_context, axis=0)
        return cut(all_episodes(rows, self.mixture, self.seed), self.resolved)

    def do(self, part: Part, *, progress: bool = False) -> Episodes:
        """Plays one part, computes its derivatives where they are asked for, and checks all numbers.

        Raises:
            PolicyError: the policy does not fit the environment.
            EnvError: the environment gives numbers that are not finite.
            DerivativeError: a derivative is not finite.
            DatasetError: an array holds a number beyond float32.
        """
        episodes = play_part(
            self.resolved, part, self.mixture, self.seed, self.context, batch_size=self.batch_size, progress=progress
        )
        if self.gradients:
            inputs = SimulationInputs.of_collected(episodes)
            episodes.infos.update(compute_derivatives(self.resolved.env, inputs, self.batch_size, progress=progress))
        check_episodes(episodes, self.dataset_id, part.first + np.arange(len(part.seeds)))
        return episodes


@dataclass(frozen=True)
class SavedPart:
    """Does a part of a task and saves it.

    Attributes:
        task: what is asked.
        folder: of the saved chunks.
    """

    task: Task
    folder: Path

    def __call__(self, part: Part) -> None:
        """Raises what `Task.do` raises, and DatasetError where the part cannot be saved."""
        save_chunk(self.folder, part.number, self.task.do(part))


def sendable(task: Task, env: EnvLike, folder: Path) -> SendableWork:
    """The work of `SavedPart` for worker processes, which make the environment themselves.

    Args:
        task: what is asked.
        env: the environment as the user gave it.
        folder: of the saved chunks.

    Raises:
        EnvError: the environment cannot be pickled.
        PolicyError: a policy cannot be pickled; the message names it.
    """
    settings = {field.name: getattr(task, field.name) for field in fields(task) if field.name != "resolved"}
    return SendableWork.of(env, task.resolved, task.mixture.policies, partial(_in_worker, settings, folder))


def _in_worker(settings: dict[str, Any], folder: Path, resolved: ResolvedEnv) -> SavedPart:
    return SavedPart(Task(resolved=resolved, **settings), folder)
