"""Views of a replay buffer: the same transitions, sampled in another way.

Dimensions: N transitions.
"""

import copy
from abc import abstractmethod
from typing import TypeVar

import numpy as np

from offctx.buffers.growing import GrowingBuffer
from offctx.buffers.samplers import BalancedSampler, LabelsOfRows, RowSampler
from offctx.buffers.window_sampler import WindowSampler
from offctx.data.history.settings import History, check_history
from offctx.envs.base import Array
from offctx.errors import DatasetError

Viewed = TypeVar("Viewed", bound="ViewedBuffer")


class ViewedBuffer(GrowingBuffer):
    """The part of a replay buffer that makes views of it. They share its transitions and its generator."""

    sampler: RowSampler
    history: History | None
    truncations_are_terminal: bool
    _windows: WindowSampler | None

    @abstractmethod
    def _window_sampler(self) -> WindowSampler | None: ...

    def with_sampler(self: Viewed, sampler: RowSampler) -> Viewed:
        """A view of the same transitions whose batches another sampler draws, from the generator of this buffer.

        Args:
            sampler: such as `offctx.buffers.samplers.BalancedSampler`.
        """
        view = copy.copy(self)
        view.sampler = sampler
        return view

    def with_history(self: Viewed, history: History | None) -> Viewed:
        """A view of the same transitions whose batches carry other history windows, or none; it has this buffer's generator.

        Raises:
            DatasetError: the augmentation or the context level does not allow these windows.
        """
        view = copy.copy(self)
        view.history = check_history(history)
        view._windows = view._window_sampler()
        return view

    def with_truncations_as_terminals(self: Viewed) -> Viewed:
        """A view whose batches set `terminals` wherever an episode ended: a common fault, to compare with code that has it."""
        view = copy.copy(self)
        view.truncations_are_terminal = True
        return view

    def stratified(self: Viewed, labels: Array) -> Viewed:
        """A view of the same transitions whose batches have equally many rows of each label.

        What is left over when a batch does not divide evenly goes to labels drawn at random. The view draws from the generator
        of this buffer. It draws the transitions that the buffer holds now and keeps; those appended later have no label.

        Args:
            labels: integers (N,), such as `buffer.table["context_ids"]`; transitions with a negative label are never drawn.

        Raises:
            DatasetError: not one integer for each transition, or none that is >= 0; or rows share windows, and rows of one
                context have different labels.
        """
        sampler = BalancedSampler(LabelsOfRows(labels, self._episodes.table))
        if self._windows is not None and not self._windows.same_in_each_window(np.asarray(labels)):
            raise DatasetError(
                f"rows_per_window={self._windows.history.rows_per_window} rows of one {self._windows.history.within} share a "
                f"window, and these labels differ within one; expected one label for each {self._windows.history.within}"
            )
        return self.with_sampler(sampler)
