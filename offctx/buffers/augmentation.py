"""The augmentation protocol: what an augmentation requires of the data, what it prepares and checks, and its call.

A new augmentation is a subclass of `Augmentation` in one file; `offctx/augmentations/observation_noise.py` is the example.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from offctx.contexts.space import ContextSpace
from offctx.data.history.settings import History
from offctx.data.layout import DNEXT, DREWARD

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

    A plain function (batch, rng) -> batch is an augmentation too. It requires and prepares nothing. A buffer whose batches have
    history windows takes only augmentations that say that they handle these (`handles_history`).

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
    def handles_history(self) -> bool:
        """Whether the call does right by history windows; False by default, and then a buffer with windows refuses it.

        A window and its rows come from one context and must stay so: what changes the context of a row changes its window
        (`offctx.buffers.windows.change_windows`). What leaves windows as they are on purpose returns True as well.
        """
        return False

    @property
    def appends(self) -> int:
        """How many numbers the call appends to observations and next observations (B, D); 0 by default.

        The buffer tells d3rlpy observations of so many numbers more. Such an augmentation is the last one of a list, and needs
        a buffer that hides the context. `offctx.InferredContext` is the example.
        """
        return 0

    @property
    def history(self) -> History | None:
        """The windows that the call reads, which a buffer draws that is given no others; None by default: it reads none."""
        return None

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

    def check(self, space: ContextSpace) -> object:  # noqa: B027  # a default: most suit all contexts
        """Raise an error if contexts of this space do not suit the augmentation; by default, all suit.

        The buffer does not read what it returns.

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
            A `ContextualMiniBatch` of the same B, with arrays of the same shapes and dtypes, finite where the given ones are;
            observations and next observations have `appends` numbers more.
        """


BatchFunction = Callable[["ContextualMiniBatch", np.random.Generator], "ContextualMiniBatch"]
AugmentationLike = Augmentation | BatchFunction | Sequence[Augmentation | BatchFunction]
