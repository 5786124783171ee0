"""What users give as an augmentation, in the form of the protocol: functions, and lists that are applied in order."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from offctx.buffers.augmentation import Augmentation, AugmentationLike, BatchFunction
from offctx.contexts.space import ContextSpace
from offctx.data.history.settings import History
from offctx.errors import DatasetError

if TYPE_CHECKING:
    from offctx.buffers.batch import ContextualMiniBatch
    from offctx.data.dataset import ContextualDataset


class FunctionAugmentation(Augmentation):
    """A callable that is no `Augmentation`: a plain function, or an object that has only some members of the protocol.

    Args:
        function: (batch, rng) -> batch. Its own `requires`, `prepare` and `check` are used where it has them.
    """

    def __init__(self, function: BatchFunction) -> None:
        self.function = function

    @property
    def requires(self) -> tuple[str, ...]:
        """The function's own `requires`, or none."""
        return tuple(getattr(self.function, "requires", ()))

    @property
    def handles_history(self) -> bool:
        """The function's own `handles_history`, or False."""
        return bool(getattr(self.function, "handles_history", False))

    @property
    def appends(self) -> int:
        """The function's own `appends`, or 0."""
        return int(getattr(self.function, "appends", 0))

    @property
    def history(self) -> History | None:
        """The function's own `history`, or None."""
        return getattr(self.function, "history", None)

    @property
    def name(self) -> str:
        """The name of the function, or of its class."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def prepare(self, dataset: "ContextualDataset") -> None:
        """Calls the function's own `prepare` where it has one."""
        if hasattr(self.function, "prepare"):
            self.function.prepare(dataset)

    def check(self, space: ContextSpace) -> None:
        """Calls the function's own `check` where it has one."""
        if hasattr(self.function, "check"):
            self.function.check(space)

    def __call__(self, batch: "ContextualMiniBatch", rng: np.random.Generator) -> "ContextualMiniBatch":
        """Returns function(batch, rng)."""
        return self.function(batch, rng)

    def __repr__(self) -> str:
        return repr(self.function)


class AugmentationList(Augmentation):
    """Several augmentations, applied in order. They draw from the same generator, one after the other.

    Args:
        members: the augmentations, first to last.
    """

    def __init__(self, members: Sequence[Augmentation]) -> None:
        self.members = tuple(members)

    @property
    def requires(self) -> tuple[str, ...]:
        """The arrays that any member requires."""
        return tuple(dict.fromkeys(name for member in self.members for name in member.requires))

    @property
    def handles_history(self) -> bool:
        """Whether every member does."""
        return all(member.handles_history for member in self.members)

    @property
    def appends(self) -> int:
        """What the members append together."""
        return sum(member.appends for member in self.members)

    @property
    def history(self) -> History | None:
        """The windows of the first member that reads any."""
        return next((member.history for member in self.members if member.history is not None), None)

    @property
    def name(self) -> str:
        """The names of the members."""
        return f"[{', '.join(member.name for member in self.members)}]"

    def prepare(self, dataset: "ContextualDataset") -> None:
        """Prepares the members, first to last, on the dataset as it is."""
        for member in self.members:
            member.prepare(dataset)

    def check(self, space: ContextSpace) -> None:
        """Checks that the space suits all members."""
        for member in self.members:
            member.check(space)

    def __call__(self, batch: "ContextualMiniBatch", rng: np.random.Generator) -> "ContextualMiniBatch":
        """Returns the batch that the last member makes of what the members before it make."""
        for member in self.members:
            batch = member(batch, rng)
        return batch

    def __repr__(self) -> str:
        return repr(list(self.members))


def as_augmentation(augmentation: AugmentationLike | None) -> Augmentation | None:
    """What a user gives as an augmentation, in the form of the protocol.

    Args:
        augmentation: an `Augmentation`, a function (batch, rng) -> batch, a list or tuple of those, or None.

    Returns:
        None for None and for an empty list; the one member of a list of one.

    Raises:
        DatasetError: it, or a member of it, is none of those.
    """
    members = members_of(augmentation)
    return AugmentationList(members) if len(members) > 1 else members[0] if members else None


def members_of(augmentation: Any) -> tuple[Augmentation, ...]:
    """The single augmentations in what a user gives, first to last; raises as `as_augmentation` does."""
    if augmentation is None:
        return ()
    if isinstance(augmentation, (list, tuple)):
        if any(item is None for item in augmentation):
            raise DatasetError(f"expected augmentations in the list; found None in {augmentation!r}: leave the None out")
        return tuple(member for item in augmentation for member in members_of(item))
    if isinstance(augmentation, AugmentationList):
        return augmentation.members
    if isinstance(augmentation, type):
        name = augmentation.__name__
        raise DatasetError(f"expected an augmentation; found the class {name}: give an instance, {name}(...)")
    if not callable(augmentation):
        raise DatasetError(
            f"expected an augmentation, a function (batch, rng) -> batch such as offctx.CSE(0.5), or a list of those; "
            f"found {augmentation!r}"
        )
    return (augmentation if isinstance(augmentation, Augmentation) else FunctionAugmentation(augmentation),)
