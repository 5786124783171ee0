"""A d3rlpy replay buffer over contiguous arrays: a batch is one gather of rows, with no Python object per transition.

The buffer has every transition, the last one of a truncated episode with its true next observation included. d3rlpy's own
buffer keeps T observations beside T actions and therefore drops that one.

The way of a batch: `from_dataset.table_of` makes the table, a sampler draws rows, `batch` gathers them, and the augmentation
changes them. The parts are in files of their own: the rows in `table`, their episodes in `episode_index`, what draws rows in
`samplers`, what appends online steps in `labelled_writer` and `unlabelled_writer`, trajectories in `trajectories`, what else
d3rlpy reads in `d3rlpy_interface`, and its objects in `episode` and `views`.

Dimensions: N transitions, E episodes, B batch, L length of a trajectory, C contexts, p context, D what the agent sees (o, or
o + p with the context appended), a action.
"""

import copy
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from d3rlpy.dataset import EpisodeBase, PartialTrajectory, TrajectoryMiniBatch, Transition, TransitionPickerProtocol
from d3rlpy.preprocessing import StandardObservationScaler
from numpy.typing import ArrayLike

from offctx.buffers.augmentation import OPTIONAL_ARRAYS, AugmentationLike
from offctx.buffers.augmentation_list import FunctionAugmentation, as_augmentation
from offctx.buffers.batch import ContextualMiniBatch
from offctx.buffers.context_ids import ContextIds
from offctx.buffers.d3rlpy_arguments import read_step
from offctx.buffers.d3rlpy_interface import ReadableBuffer
from offctx.buffers.episode_index import EpisodeIndex
from offctx.buffers.first_batch import FirstBatchCheck
from offctx.buffers.from_dataset import info_of, table_of
from offctx.buffers.labelled_writer import LabelledWriter, check_environment
from offctx.buffers.multi_step import EpisodePicker, MultiStep
from offctx.buffers.requirements import check_labels, check_unlabelled, prepare_augmentation
from offctx.buffers.samplers import BalancedSampler, LabelsOfRows, RowSampler, UniformSampler
from offctx.buffers.scaler import fitted_scaler
from offctx.buffers.trajectories import TrajectorySlicer, first_trajectory
from offctx.buffers.unlabelled_writer import UnlabelledWriter
from offctx.buffers.views import TransitionSequence, transition_view
from offctx.cards import HasCard, contexts_text
from offctx.checks import whole_number
from offctx.data.dataset import ContextualDataset
from offctx.envs.base import Array
from offctx.envs.labels import labels_of
from offctx.envs.policies import ContextMode, check_mode
from offctx.errors import DatasetError, DerivativeError


class ContextualReplayBuffer(HasCard, ReadableBuffer):
    """A replay buffer for every d3rlpy algorithm, whose batches also carry contexts, context ids and derivatives.

    `ContextualDataset.replay_buffer` makes one from a dataset, and `offctx.online_buffer` an empty one. Row numbers count
    from the oldest transition that is kept.

    Online steps (`fit_online`) are appended to the transitions of the dataset. After `connect`, they have all that a
    dataset's transitions have. Without `connect`, the buffer learns the next observation of a step from the step after it, as
    d3rlpy's buffer does: the last step of a truncated episode is left out; contexts are read off the observations where they
    are appended, and are unknown (NaN, id -1) where they are hidden; and an augmentation that requires more is refused.

    With a capacity, the oldest transitions are overwritten. What is left of an episode still counts as an episode.

    Args:
        dataset: its transitions are the first ones of the buffer.
        context: "append" the context to the observations (o + p), or leave it "hidden" (o).
        augmentation: an augmentation, a function (batch, rng) -> batch, or a list of those, applied in order; or None.
        seed: of the sampling and of the augmentation.
        capacity: the largest number of transitions; None for no limit.
        multi_step: makes transitions of several steps, without derivatives and noise; None for single steps.

    Attributes:
        table: the transitions as columns, such as `table["rewards"]` (N, 1) and `table["context_ids"]` (N,).
        sampler: draws the rows of a batch.
        augmentation: what changes sampled batches, or None.
        context: "append" or "hidden".
        multi_step: as given.
        context_space: names, units and bounds of the contexts.
        action_space: Box or Discrete.

    Raises:
        DatasetError: a number is out of range, the transitions exceed the capacity, or discrete actions do not start at 0.
        DerivativeError: the dataset lacks what the augmentation requires, or transitions of several steps are augmented.
        PolicyError: the context is neither "append" nor "hidden".

    Example::

        buffer = offctx.load_dataset("offctx/PendulumGoal/random-v0").replay_buffer(augmentation=offctx.CSE(radius=0.5))
        d3rlpy.algos.TD3PlusBCConfig().create().fit(buffer, n_steps=10_000)
        batch = buffer.sample_transition_batch(256)  # batch.contexts, batch.context_ids beside d3rlpy's own fields
    """

    def __init__(
        self,
        dataset: ContextualDataset,
        *,
        context: ContextMode = "append",
        augmentation: AugmentationLike | None = None,
        seed: int = 0,
        capacity: int | None = None,
        multi_step: MultiStep | None = None,
    ) -> None:
        check_mode(context)
        whole_number(seed, "seed", 0, DatasetError)
        whole_number(1 if capacity is None else capacity, "capacity", 1, DatasetError)
        self.multi_step = multi_step
        self.augmentation = augmentation
        prepare_augmentation(self._augmentation, dataset)
        required = () if self._augmentation is None else self._augmentation.requires
        info = info_of(dataset, context)
        self.table = table_of(dataset, context, required, capacity)
        super().__init__(EpisodeIndex(self.table, dataset.episode_starts.tolist()), info)
        self.context, self.context_space, self.action_space = context, dataset.context_space, dataset.action_space
        self.sampler: RowSampler = UniformSampler()
        self._rng = np.random.default_rng(seed)
        self._first_batch = FirstBatchCheck()
        self._trajectories = TrajectorySlicer(self._episodes)
        self._context_ids = ContextIds(self.table)
        self._unlabelled = UnlabelledWriter(self._episodes, self._context_ids, context, self.context_space.size)
        self._labelled: LabelledWriter | None = None  # once the buffer is connected to an environment

    @property
    def augmentation(self) -> Any:
        """What changes sampled batches, as it was given; a list as one augmentation; None where there is none."""
        given = self._augmentation
        return given.function if isinstance(given, FunctionAugmentation) else given

    @augmentation.setter
    def augmentation(self, augmentation: AugmentationLike | None) -> None:
        self._augmentation = as_augmentation(augmentation)
        if self._augmentation is not None and self.multi_step is not None:
            raise DerivativeError(
                f"{self._augmentation.name} changes single transitions; it cannot change returns of n steps, as this buffer's "
                f"MultiStepTransitionPicker makes them (n_steps={self.multi_step.steps}): leave out the augmentation, or make "
                f"the buffer without transition_picker"
            )

    def sample_transition_batch(self, batch_size: int) -> ContextualMiniBatch:
        """B transitions, drawn by the sampler (uniformly with replacement by default) and augmented.

        Raises:
            DatasetError: the buffer is empty; or the first batch that the augmentation returns is wrong.
        """
        batch = self.batch(self._draw(batch_size))
        return batch if self._augmentation is None else self._first_batch.apply(self._augmentation, batch, self._rng)

    def batch(self, indices: Array) -> ContextualMiniBatch:
        """The transitions that begin in the given rows (B,) as a batch, not augmented."""
        rows: dict[str, Any] = dict.fromkeys(OPTIONAL_ARRAYS) | self.table.rows(indices)
        rows["intervals"] = np.ones((len(indices), 1), dtype=np.float32)
        if self.multi_step is not None:
            rows |= dict.fromkeys(OPTIONAL_ARRAYS) | self.multi_step.columns(self._episodes, np.asarray(indices))
        return ContextualMiniBatch(
            transitions=TransitionSequence(self.transition, indices),
            context_ids=self.table.take("context_ids", indices),
            context_space=self.context_space,
            context=self.context,
            **rows,
        )

    def with_sampler(self, sampler: RowSampler) -> "ContextualReplayBuffer":
        """A view of the same transitions whose batches another sampler draws, from the generator of this buffer.

        Args:
            sampler: such as `offctx.buffers.samplers.BalancedSampler`.
        """
        view = copy.copy(self)
        view.sampler = sampler
        return view

    def stratified(self, labels: Array) -> "ContextualReplayBuffer":
        """A view of the same transitions whose batches have equally many rows of each label.

        What is left over when a batch does not divide evenly goes to labels drawn at random. The view draws from the generator
        of this buffer. It draws the transitions that the buffer holds now and keeps; those appended later have no label.

        Args:
            labels: integers (N,), such as `buffer.table["context_ids"]`; transitions with a negative label are never drawn.

        Raises:
            DatasetError: not one integer for each transition, or none that is >= 0.
        """
        return self.with_sampler(BalancedSampler(LabelsOfRows(labels, self.table)))

    def sample_transition(self) -> Transition:
        """One transition, drawn by the sampler, not augmented."""
        return self.transition(int(self._draw(1)[0]))

    def transition(self, index: int) -> Transition:
        """The transition that begins in a row as d3rlpy's object."""
        view = transition_view(self._episodes, self._info, index)
        return view if self.multi_step is None else self.multi_step.lengthened(view, self._episodes, index)

    @property
    def transition_picker(self) -> TransitionPickerProtocol:
        """d3rlpy's own, for the episodes of this buffer."""
        return super().transition_picker if self.multi_step is None else EpisodePicker(self.multi_step)

    def sample_trajectory_batch(self, batch_size: int, length: int) -> TrajectoryMiniBatch:
        """B trajectories of L steps that end at drawn transitions, padded with zeros before the start of an episode.

        Raises:
            DatasetError: the buffer is empty.
            DerivativeError: the buffer has an augmentation; those change single transitions, not trajectories.
        """
        if self._augmentation is not None:
            raise DerivativeError(
                f"{self._augmentation.name} augments single transitions, not trajectories: make the buffer for trajectory "
                f"algorithms without an augmentation"
            )
        return self._trajectories.batch(self._draw(batch_size), length)

    def sample_trajectory(self, length: int) -> PartialTrajectory:
        """One trajectory of L steps as d3rlpy's object."""
        return first_trajectory(self.sample_trajectory_batch(1, length), self._info)

    def _card(self) -> dict[str, str]:
        ids, first = np.unique(self.table["context_ids"], return_index=True)
        contexts = self.table["contexts"][first[ids >= 0]]
        return {
            "transitions": str(self.transition_count),
            "episodes": str(self.size()),
            "contexts": contexts_text(self.context_space.names, contexts),
            "observations": f"{self._info.observation_signature.shape[0][0]} numbers, context {self.context}",
            "actions": str(self.action_space).replace("\n", " "),
            "augmentation": "none" if self.augmentation is None else repr(self.augmentation).replace("\n", " "),
        }

    def _draw(self, batch_size: int) -> Array:
        if not self.table.size:
            raise DatasetError("the buffer holds no transitions yet: append some, or let fit_online do so")
        return self.sampler.draw(self.table, batch_size, self._rng)

    def observation_scaler(self) -> StandardObservationScaler:
        """A fitted d3rlpy scaler: observations standardised by the data, appended contexts by the bounds of their space.

        d3rlpy's own scalers, fitted on data from one context, divide an appended context by its spread there, which is zero.

        Raises:
            DatasetError: the buffer is empty.
        """
        return fitted_scaler(self.table["observations"], self.context_space if self.context == "append" else None)

    def connect(self, env: gymnasium.Env[Any, Any]) -> None:
        """Connects the buffer to the environment of `fit_online`, where it looks up what d3rlpy does not give it of a step.

        Args:
            env: with `offctx.envs.LabelTransitions` among its wrappers.

        Raises:
            EnvError: `env` has no LabelTransitions; or its context, observations or actions are not those of this buffer.
            DerivativeError: `env` does not label transitions with what the augmentation requires.
        """
        labels = labels_of(env)
        check_environment(env, labels, self._info, self.action_space, self.context_space, self.context)
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
