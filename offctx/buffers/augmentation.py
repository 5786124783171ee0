"""The augmentation protocol: what an augmentation requires of the data, what it prepares and checks, and its call.

A new augmentation is a subclass of `Augmentation` in one file; `offctx/augmentations/observation_noise.py` is the example.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from offctx.contexts.space import ContextSpace
from offctx.data.layout import DNEXT, DREWARD
from offctx.envs.labels import LabelTransitions
from offctx.errors import DatasetError, DerivativeError

if TYPE_CHECKING:
    from offctx.buffers.batch import ContextualMiniBatch
    from offctx.data.dataset import ContextualDataset

DERIVATIVES = (DNEXT, DREWARD)
# A batch carries derivatives where the dataset has them, and states and noise where the augmentation requires them.
OPTIONAL_ARRAYS = (*DERIVATIVES, "states", "noise")


class Augmentation(ABC):
    """A change of every batch that a buffer samples for training. Subclass it, and implement the call.

    Give one augmentation, or a list that is applied in order, to the buffer: ``dataset.replay_buffer(augmentation=...)``,
    ``offctx.online_buffer(env, augmentation=...)``. The buffer uses an augmentation as follows:

    1. `prepare` is called with the dataset when the buffer is made from one, and never for an empty online buffer.
    2. `check` is called with the context space: the dataset's, or the environment's online.
    3. The dataset must have the arrays in `requires`. Online, the environment must label its transitions with them.
    4. The call receives each sampled batch. The buffer checks the first batch that each augmentation returns: its type, and the
       shapes, the dtypes and the finiteness of its arrays.

    A plain function (batch, rng) -> batch is an augmentation too. It requires and prepares nothing.

    Example::

        class ScaledRewards(offctx.Augmentation):
            def __call__(self, batch, rng):
                return dataclasses.replace(batch, rewards=0.1 * batch.rewards)

        buffer = dataset.replay_buffer(augmentation=[offctx.CSE(radius=0.5), ScaledRewards()])
    """

    @property
    def requires(self) -> tuple[str, ...]:
        """The arrays that a batch must carry, among those of `OPTIONAL_ARRAYS`; none by default. Read after `prepare`."""
        return ()

    @property
    def name(self) -> str:
        """The name of the augmentation in error messages; by default, the name of its class."""
        return type(self).__name__

    def prepare(self, dataset: "ContextualDataset") -> None:  # noqa: B027  # a default: most have nothing to prepare
        """Learn from the dataset of a buffer, once, before the first batch; by default, nothing.

        Args:
            dataset: the dataset that the buffer is made of. It has at least one transition.

        Raises:
            OffctxError: the dataset does not suit the augmentation.
        """

    def check(self, space: ContextSpace) -> None:  # noqa: B027  # a default: most suit all contexts
        """Raise an error if contexts of this space do not suit the augmentation; by default, all suit.

        Args:
            space: the context space of the dataset, or of the environment online.

        Raises:
            OffctxError: the space does not suit the augmentation.
        """

    @abstractmethod
    def __call__(self, batch: "ContextualMiniBatch", rng: np.random.Generator) -> "ContextualMiniBatch":
        """Returns the changed batch, as `dataclasses.replace(batch, ...)`; the arrays of the given batch stay as they are.

        Args:
            batch: B transitions. Its arrays are float32, with the shapes that `ContextualMiniBatch` documents.
            rng: the buffer's generator. All randomness comes from it, so that a buffer's seed fixes its batches.

        Returns:
            A `ContextualMiniBatch` of the same B, with arrays of the same shapes and dtypes, finite where the given ones are.
        """


BatchFunction = Callable[["ContextualMiniBatch", np.random.Generator], "ContextualMiniBatch"]
AugmentationLike = Augmentation | BatchFunction | Sequence[Augmentation | BatchFunction]


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


def as_augmentation(given: AugmentationLike | None) -> Augmentation | None:
    """What a user gives as an augmentation, in the form of the protocol.

    Args:
        given: an `Augmentation`, a function (batch, rng) -> batch, a list or tuple of those, or None.

    Returns:
        None for None and for an empty list; the one member of a list of one.

    Raises:
        DatasetError: `given`, or a member of it, is none of those.
    """
    members = members_of(given)
    return AugmentationList(members) if len(members) > 1 else members[0] if members else None


def members_of(given: Any) -> tuple[Augmentation, ...]:
    """The single augmentations in what a user gives, first to last; raises as `as_augmentation` does."""
    if given is None:
        return ()
    if isinstance(given, (list, tuple)):
        if any(item is None for item in given):
            raise DatasetError(f"expected augmentations in the list; found None in {given!r}: leave the None out")
        return tuple(member for item in given for member in members_of(item))
    if isinstance(given, AugmentationList):
        return given.members
    if isinstance(given, type):
        name = given.__name__
        raise DatasetError(f"expected an augmentation; found the class {name}: give an instance, {name}(...)")
    if not callable(given):
        raise DatasetError(
            f"expected an augmentation, a function (batch, rng) -> batch such as offctx.CSE(0.5), or a list of those; "
            f"found {given!r}"
        )
    return (given if isinstance(given, Augmentation) else FunctionAugmentation(given),)


def check_dataset(augmentation: Augmentation | None, dataset: "ContextualDataset") -> None:
    """Prepares an augmentation on a dataset, and checks that the dataset has what the augmentation requires.

    Raises:
        DatasetError: the augmentation requires an array that no batch carries.
        DerivativeError: the dataset lacks an array that the augmentation requires.
        OffctxError: the augmentation refuses the dataset or its context space.
    """
    for member in members_of(augmentation):
        if len(dataset):
            member.prepare(dataset)
        member.check(dataset.context_space)
        for array in member.requires:
            if array not in OPTIONAL_ARRAYS:
                raise DatasetError(f"{member.name} requires {array!r}; expected some of {list(OPTIONAL_ARRAYS)}")
            if getattr(dataset, array) is None:
                raise DerivativeError(
                    f"{member.name} needs {array}, which {dataset.dataset_id} does not have: collect it with "
                    f"offctx.collect(..., gradients=True)"
                )


def check_labels(augmentation: Augmentation | None, labels: LabelTransitions) -> None:
    """Checks that an environment labels its transitions with what an augmentation requires.

    Raises:
        DerivativeError: derivatives or noise are required, and the environment does not provide them.
    """
    for member in members_of(augmentation):
        derivatives = [array for array in member.requires if array in DERIVATIVES]
        if derivatives and not labels.gradients:
            raise DerivativeError(
                f"{member.name} needs {', '.join(derivatives)}: wrap the environment by LabelTransitions(env, gradients=True)"
            )
        if "noise" in member.requires and not labels.contextual.noise_size:
            raise DerivativeError(
                f"{member.name} needs noise; {type(labels.contextual).__name__} is deterministic and has none"
            )
