"""The growing half of a replay buffer: online steps, whole episodes, and the ids of new contexts.

Dimensions: D what the agent sees, a action, C contexts, p context.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium
from d3rlpy.dataset import DatasetInfo, EpisodeBase
from gymnasium import spaces
from numpy.typing import ArrayLike

from offctx.buffers.augmentation import Augmentation
from offctx.buffers.context_ids import ContextIds
from offctx.buffers.d3rlpy_arguments import read_step
from offctx.buffers.d3rlpy_interface import ReadableBuffer
from offctx.buffers.episode_index import EpisodeIndex
from offctx.buffers.labelled_writer import LabelledWriter, check_environment
from offctx.buffers.requirements import check_labels, check_unlabelled
from offctx.buffers.table import TransitionTable
from offctx.buffers.unlabelled_writer import UnlabelledWriter
from offctx.contexts.space import ContextSpace
from offctx.envs.labels import labels_of
from offctx.envs.policies import ContextMode


class GrowingBuffer(ReadableBuffer):
    """The half of a replay buffer that appends; a subclass samples.

    Args:
        table: the transitions, all columns.
        episode_starts: the first row of each episode (E,).
        info: shapes, types and the action space.
        context: whether observations have the context appended.
        context_space: of the contexts.
        action_space: Box or Discrete.
        id_seed: of the order in which new contexts are numbered; None for that in which they come.
    """

    _augmentation: Augmentation | None = None

    def __init__(
        self,
        table: TransitionTable,
        episode_starts: Sequence[int],
        info: DatasetInfo,
        context: ContextMode,
        context_space: ContextSpace,
        action_space: spaces.Box | spaces.Discrete,
        id_seed: int | None = None,
    ) -> None:
        super().__init__(EpisodeIndex(table, episode_starts), info)
        self.context, self.action_space = context, action_space
        self._space = context_space
        self._context_ids = ContextIds(table, id_seed)
        self._unlabelled = UnlabelledWriter(self._episodes, self._context_ids, context, context_space.size)
        self._labelled: LabelledWriter | None = None  # once the buffer is connected to an environment

    def connect(self, env: gymnasium.Env[Any, Any]) -> None:
        """Connects the buffer to the environment of `fit_online`, where it looks up what d3rlpy does not give it of a step.

        Args:
            env: with `offctx.envs.LabelTransitions` among its wrappers.

        Raises:
            EnvError: `env` has no LabelTransitions; or its context, observations or actions are not those of this buffer.
            DerivativeError: `env` does not label transitions with what the augmentation requires.
        """
        labels = labels_of(env)
        check_environment(env, labels, self._info, self.action_space, self._space, self.context)
        check_labels(self._augmentation, labels)
        self.clip_episode(False)
        self._labelled = LabelledWriter(self._episodes, self._context_ids, labels)

    def append(self, observation: Any, action: Any, reward: Any) -> None:
        """Appends one online step.

        Args:
            observation: what the agent saw (D,).
            action: (a,), or one integer where Discrete.
            reward: one number.

        Raises:
            DatasetError: the step does not fit the buffer, or is not the last step of the environment that it is connected to.
            DerivativeError: the buffer is not connected, and the augmentation requires more than the step brings.
        """
        step = read_step(self._info, self.context, observation, action, reward)
        if self._labelled is not None:
            self._labelled.append(*step)
            return
        check_unlabelled(self._augmentation)
        self._unlabelled.append(*step)

    def clip_episode(self, terminated: bool) -> None:
        """Ends the online episode. In a buffer that is not connected, the last step is left out unless `terminated`."""
        (self._labelled or self._unlabelled).clip_episode(terminated)

    def append_episode(self, episode: EpisodeBase) -> None:
        """Appends a whole episode of d3rlpy, whose observations are what the agent sees in this buffer.

        Raises:
            DerivativeError: the augmentation requires more than the episode brings.
        """
        check_unlabelled(self._augmentation)
        if episode.transition_count:
            self.clip_episode(False)
            self._unlabelled.append_episode(episode)

    def register_contexts(self, ids: Sequence[int], contexts: ArrayLike) -> None:
        """Registers the ids (C,) of contexts (C, p), before steps in them are appended.

        Without this, the buffer assigns new ids. A context that the buffer has already keeps its id.
        """
        self._context_ids.register(ids, contexts)
