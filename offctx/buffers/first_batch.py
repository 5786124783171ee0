"""The check of the first batch that an augmentation returns, so that a wrong one fails here and not inside d3rlpy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from d3rlpy.dataset import TransitionMiniBatch

from offctx.buffers.augmentation import OPTIONAL_ARRAYS, Augmentation
from offctx.buffers.augmentation_list import members_of
from offctx.buffers.batch import BatchError, ContextualMiniBatch, described
from offctx.data.history.windows import SHOWN, HistoryWindows
from offctx.envs.base import Array
from offctx.errors import DatasetError

_ARRAYS = (
    "observations", "actions", "rewards", "next_observations", "next_actions", "terminals", "intervals", "contexts",
    "context_ids", *OPTIONAL_ARRAYS,
)  # fmt: skip


class FirstBatchCheck:
    """Applies an augmentation, and checks what each of its members returns until one batch has passed.

    One object serves a buffer and all views of it, so that the check is made once.
    """

    def __init__(self) -> None:
        self._passed = False

    def apply(self, augmentation: Augmentation, batch: ContextualMiniBatch, rng: np.random.Generator) -> ContextualMiniBatch:
        """The augmented batch.

        Raises:
            DatasetError: a member of the augmentation returns no batch, or one that does not fit the batch that it was given.
        """
        if self._passed:
            return augmentation(batch, rng)
        for member in members_of(augmentation):
            batch = _checked(member, batch, rng)
        self._passed = True
        return batch


def _checked(member: Augmentation, batch: ContextualMiniBatch, rng: np.random.Generator) -> ContextualMiniBatch:
    """The batch that one augmentation returns, checked."""
    # Before the call, which may write into the batch.
    expected = [_ExpectedArray.of(name, batch, member.appends) for name in _ARRAYS]
    try:
        returned: Any = member(batch, rng)
        if not isinstance(returned, ContextualMiniBatch):
            description = described(returned)
            if isinstance(returned, TransitionMiniBatch):
                description += " of d3rlpy, which carries no contexts"
            raise BatchError("a ContextualMiniBatch, as dataclasses.replace(batch, ...) makes", description)
        for array in expected:
            array.check(getattr(returned, array.name))
        _check_history(batch.history, returned.history)
    except BatchError as error:
        raise DatasetError(f"expected {member.name} to return {error.expected}; it returned {error.found}") from error
    return returned


def _check_history(windows: HistoryWindows | None, returned: Any) -> None:
    """Raises a BatchError where windows are lost or changed in shape, or where slots that are not filled are not zero."""
    if windows is None:
        return
    if not isinstance(returned, HistoryWindows):
        raise BatchError("history, as the batch that it was given has it", described(returned))
    for name in (*SHOWN, "mask", "window_of_row"):
        expected, array = getattr(windows, name), getattr(returned, name)
        if not isinstance(array, np.ndarray) or array.shape != expected.shape or array.dtype != expected.dtype:
            raise BatchError(f"history.{name} as a NumPy array, {expected.dtype} of shape {expected.shape}", described(array))
        if name in SHOWN and array[~returned.mask].any():
            raise BatchError(f"history.{name} that is zero in slots that are not filled", "other numbers there")


@dataclass(frozen=True)
class _ExpectedArray:
    """One array of a batch before the call: the array after the call must have the same shape and dtype, and be as finite.

    Attributes:
        name: of the array.
        shape: (B, ...), or None where the batch has no such array.
        dtype: of the array.
        finite: whether all its numbers are.
    """

    name: str
    shape: tuple[int, ...] | None
    dtype: Any = None
    finite: bool = True

    @classmethod
    def of(cls, name: str, batch: ContextualMiniBatch, appends: int) -> "_ExpectedArray":
        array: Array | None = getattr(batch, name)
        if array is None:
            return cls(name, None)
        shape = array.shape
        if name in ("observations", "next_observations"):
            shape = (*shape[:-1], shape[-1] + appends)
        return cls(name, shape, array.dtype, bool(np.isfinite(array).all()))

    def check(self, array: Any) -> None:
        """Raises a BatchError where the array of the returned batch is not as expected."""
        if self.shape is None or (array is None and self.name in OPTIONAL_ARRAYS):
            return  # an augmentation may add an optional array, or drop one that its change has made invalid
        expected = f"{self.name} as a NumPy array, {self.dtype} of shape {self.shape}"
        if not isinstance(array, np.ndarray) or array.shape != self.shape or array.dtype != self.dtype:
            size = f", {len(array)} transitions for {self.shape[0]}" if np.shape(array)[:1] not in ((), self.shape[:1]) else ""
            raise BatchError(expected, described(array) + size)
        if self.finite and not np.isfinite(array).all():
            not_finite = ~np.isfinite(array)
            raise BatchError(
                f"finite {self.name}", f"nan or inf in {not_finite.sum()} places, first in row {np.argwhere(not_finite)[0][0]}"
            )
