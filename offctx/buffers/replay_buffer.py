"""A d3rlpy replay buffer over contiguous arrays: a batch is one gather of rows, with no Python object per transition.

The buffer has every transition, the last one of a truncated episode with its true next observation included. d3rlpy's own
buffer keeps T observations beside T actions and therefore drops that one.

The way of a batch: `from_dataset.table_of` makes the table, a sampler draws rows, `gathering` takes them and their windows, the
augmentation changes them, and `disclosure` takes out what a learner must not see. The parts are in files of their own: the rows
in `table`, their episodes in `episode_index`, what draws rows in `samplers`, history windows in `windows` and
`offctx.data.history`, views that sample otherwise in `viewed`, what appends online steps in `growing`, `labelled_writer` and
`unlabelled_writer`, trajectories in `trajectories`, what else d3rlpy reads in `d3rlpy_interface`, and its objects in `episode`
and `views`.

Dimensions: N transitions, E episodes, B batch, L length of a trajectory, C contexts, p context, D what the agent sees (o, or
o + p with the context appended), a action.
"""

from typing import Any

import numpy as np
from d3rlpy.dataset import DatasetInfo, PartialTrajectory, TrajectoryMiniBatch, Transition, TransitionPickerProtocol
from d3rlpy.preprocessing import StandardObservationScaler

from offctx.buffers.appended import LongerPicker, appended_by, appended_to, as_played, check_appending, lengthened, longer_info
from offctx.buffers.augmentation import AugmentationLike
from offctx.buffers.augmentation_list import FunctionAugmentation, as_augmentation
from offctx.buffers.batch import ContextualMiniBatch
from offctx.buffers.card import facts_of
from offctx.buffers.disclosure import Disclosure
from offctx.buffers.episode_order import with_hidden_order
from offctx.buffers.first_batch import FirstBatchCheck
from offctx.buffers.from_dataset import info_of, table_of
from offctx.buffers.gathering import gather_batch
from offctx.buffers.multi_step import EpisodePicker, MultiStep
from offctx.buffers.requirements import check_steps, check_trajectories, check_windows, prepare_augmentation
from offctx.buffers.samplers import RowSampler, UniformSampler
from offctx.buffers.scaler import fitted_scaler
from offctx.buffers.table import ReadableTable
from offctx.buffers.trajectories import TrajectorySlicer, first_trajectory
from offctx.buffers.viewed import ViewedBuffer
from offctx.buffers.views import transition_view
from offctx.buffers.window_sampler import WindowSampler
from offctx.cards import HasCard
from offctx.checks import whole_number
from offctx.contexts.space import ContextSpace
from offctx.data.context_levels import ContextLevel, agent_mode, check_level
from offctx.data.dataset import ContextualDataset
from offctx.data.history.settings import History, check_history
from offctx.envs.base import Array
from offctx.errors import DatasetError


class ContextualReplayBuffer(HasCard, ViewedBuffer):
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
        context: what batches tell of the context. "append": it is appended to the observations (o + p). The others leave it out
            of them (o). "hidden": values, ids and derivatives are beside them. "anonymous": ids alone, numbered at random: the
            same id, the same context. "withheld": nothing. At these two levels the episodes stand in an order drawn by the
            seed, so that rows are not those of the dataset. Augmentations are given all of it at every level.
        augmentation: an augmentation, a function (batch, rng) -> batch, or a list of those, applied in order; or None.
        seed: of the sampling, the augmentation, and the order and ids of what is hidden.
        capacity: the largest number of transitions; None for no limit.
        multi_step: makes transitions of several steps, without derivatives and noise; None for single steps.
        history: which windows of other transitions batches carry; None for those that the augmentation reads, if it reads any.

    Attributes:
        sampler: draws the rows of a batch, or the first row of each window where rows share windows.
        augmentation: what changes sampled batches, or None.
        context: whether the agent sees the context: "append" or "hidden".
        context_level: as given: "append", "hidden", "anonymous" or "withheld".
        multi_step: as given.
        history: the settings of the windows, or None.
        truncations_are_terminal: whether `terminals` mark truncations too, as `with_truncations_as_terminals` has it.
        action_space: Box or Discrete.

    Raises:
        DatasetError: a number is out of range, the transitions exceed the capacity, discrete actions do not start at 0, the
            augmentation does not handle history windows, or windows within contexts are asked of withheld contexts.
        DerivativeError: the dataset lacks what the augmentation requires, or transitions of several steps are augmented.
        PolicyError: the context is none of the four.

    Example::

        buffer = offctx.load_dataset("offctx/PendulumGoal/random-v0").replay_buffer(augmentation=offctx.CSE(radius=0.5))
        d3rlpy.algos.TD3PlusBCConfig().create().fit(buffer, n_steps=10_000)
        batch = buffer.sample_transition_batch(256)  # batch.contexts, batch.context_ids beside d3rlpy's own fields
    """

    def __init__(
        self,
        dataset: ContextualDataset,
        *,
        context: ContextLevel = "append",
        augmentation: AugmentationLike | None = None,
        seed: int = 0,
        capacity: int | None = None,
        multi_step: MultiStep | None = None,
        history: History | None = None,
    ) -> None:
        mode = agent_mode(check_level(context))
        self.history = check_history(history)
        whole_number(seed, "seed", 0, DatasetError)
        whole_number(1 if capacity is None else capacity, "capacity", 1, DatasetError, most=10**12)
        self.multi_step = multi_step
        self.augmentation = augmentation
        check_appending(self._augmentation, mode)
        prepare_augmentation(self._augmentation, dataset)
        if self.history is None and self._augmentation is not None:
            self.history = self._augmentation.history
        required = () if self._augmentation is None else self._augmentation.requires
        ordered, space = with_hidden_order(dataset, context, seed), dataset.context_space
        table, info = table_of(ordered, mode, required, capacity), info_of(dataset, mode)
        id_seed = None if context in ("append", "hidden") else seed
        super().__init__(table, ordered.episode_starts.tolist(), info, mode, space, dataset.action_space, id_seed)
        self.context_level = context
        self._disclosure = Disclosure(context, table, space, seed)
        self._windows = self._window_sampler()
        self.truncations_are_terminal = False
        self.sampler: RowSampler = UniformSampler()
        self._rng = np.random.default_rng(seed)
        self._first_batch = FirstBatchCheck()
        self._trajectories = TrajectorySlicer(self._episodes)

    @property
    def table(self) -> ReadableTable:
        """The transitions as columns, such as `table["rewards"]` (N, 1) and `table["context_ids"]` (N,).

        Where contexts are anonymous or withheld, `table["contexts"]` is NaN, and ids are as in batches.
        """
        return self._disclosure.table

    @property
    def context_space(self) -> ContextSpace:
        """Names, units and bounds of the contexts; where they are anonymous or withheld, their number alone."""
        return self._disclosure.space

    @property
    def augmentation(self) -> Any:
        """What changes sampled batches, as it was given; a list as one augmentation; None where there is none."""
        augmentation = self._augmentation
        return augmentation.function if isinstance(augmentation, FunctionAugmentation) else augmentation

    @augmentation.setter
    def augmentation(self, augmentation: AugmentationLike | None) -> None:
        self._augmentation = as_augmentation(augmentation)
        check_steps(self._augmentation, self.multi_step)

    def sample_transition_batch(self, batch_size: int) -> ContextualMiniBatch:
        """B transitions, drawn by the sampler (uniformly with replacement by default) and augmented.

        Raises:
            DatasetError: the buffer is empty; or the first batch that the augmentation returns is wrong.
        """
        if self._windows is None:
            batch = self._gather(self._draw(batch_size), 1)
        else:
            rows = self._windows.with_companions(self._draw(self._windows.leads(batch_size)), self._rng)
            batch = self._gather(rows, self._windows.history.rows_per_window)
        if self._augmentation is not None:
            batch = self._first_batch.apply(self._augmentation, batch, self._rng)
        return self._disclosure.batch(batch)

    def batch(self, indices: Array) -> ContextualMiniBatch:
        """The transitions that begin in the given rows (B,) as a batch, not augmented; each with a window of its own."""
        return self._disclosure.batch(self._gather(np.asarray(indices), 1))

    def _gather(self, indices: Array, rows_per_window: int) -> ContextualMiniBatch:
        """A batch with all that there is."""
        return gather_batch(
            self._episodes,
            indices,
            rows_per_window,
            transition=self.transition,
            space=self._space,
            context=self.context,
            multi_step=self.multi_step,
            truncations_are_terminal=self.truncations_are_terminal,
            windows=self._windows,
            required=() if self._augmentation is None else self._augmentation.requires,
            rng=self._rng,
        )

    @property
    def dataset_info(self) -> DatasetInfo:
        """Shapes, types and the action space; observations are as in batches."""
        return longer_info(self._info, appended_by(self._augmentation))

    def sample_transition(self) -> Transition:
        """One transition, drawn by the sampler, not augmented but for what an augmentation appends."""
        row = int(self._draw(1)[0])
        view = self.transition(row)
        return lengthened(view, self._appended(np.array([row]))[:, 0]) if appended_by(self._augmentation) else view

    def _appended(self, rows: Array) -> Array:
        view = self.with_history(as_played(self.history))
        view._rng = np.random.default_rng(0)  # this buffer's own stays as it is
        return appended_to(view._gather(rows, 1), self._augmentation, view._rng)

    def transition(self, index: int) -> Transition:
        """The transition that begins in a row as d3rlpy's object."""
        view = transition_view(self._episodes, self._info, index)
        return view if self.multi_step is None else self.multi_step.lengthened(view, self._episodes, index)

    @property
    def transition_picker(self) -> TransitionPickerProtocol:
        """d3rlpy's own, for the episodes of this buffer."""
        if appended_by(self._augmentation):
            return LongerPicker(super().transition_picker, self._appended, self.transition_count)
        return super().transition_picker if self.multi_step is None else EpisodePicker(self.multi_step)

    def sample_trajectory_batch(self, batch_size: int, length: int) -> TrajectoryMiniBatch:
        """B trajectories of L steps that end at drawn transitions, padded with zeros before the start of an episode.

        Raises:
            DatasetError: the buffer is empty.
            DerivativeError: the buffer has an augmentation; those change single transitions, not trajectories.
        """
        check_trajectories(self._augmentation)
        return self._trajectories.batch(self._draw(batch_size), length)

    def sample_trajectory(self, length: int) -> PartialTrajectory:
        """One trajectory of L steps as d3rlpy's object."""
        return first_trajectory(self.sample_trajectory_batch(1, length), self._info)

    def _window_sampler(self) -> WindowSampler | None:
        """What draws windows, once the settings are checked."""
        check_windows(self._augmentation, self.history, self.context_level)
        return None if self.history is None else WindowSampler(self.history, self._episodes)

    def _card(self) -> dict[str, str]:
        return facts_of(self)

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
        appended = self.context_space if self.context == "append" else None
        return fitted_scaler(self.table["observations"], appended, appended_by(self._augmentation))
