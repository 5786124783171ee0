"""Two ways for a learner on merged data to use the context labels, with a policy that does not see the context.

- `RewardCentering`: the mean reward of each context is subtracted from its rewards.
- `ContextBlind`: the buffer appends the context to observations. Critics see it; an actor with this encoder does not.
"""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from d3rlpy.models.encoders import EncoderFactory, VectorEncoderFactory, register_encoder_factory
from d3rlpy.models.torch.encoders import Encoder, EncoderWithAction
from d3rlpy.types import Shape, TorchObservation
from numpy.typing import NDArray
from torch import Tensor, nn

from offctx.buffers.augmentation import Augmentation
from offctx.buffers.context_ids import find_ids
from offctx.errors import DatasetError

if TYPE_CHECKING:
    from offctx.buffers.batch import ContextualMiniBatch
    from offctx.data.dataset import ContextualDataset


class RewardCentering(Augmentation):
    """Subtracts from each reward the mean reward of its context in the dataset."""

    def __init__(self) -> None:
        self._ids: NDArray[np.int64] = np.empty(0, np.int64)
        self._means: NDArray[np.float64] = np.empty(0)

    def prepare(self, dataset: "ContextualDataset") -> None:
        """Computes the means."""
        self._ids, index = np.unique(dataset.context_ids, return_inverse=True)
        self._means = np.bincount(index, weights=dataset.rewards) / np.bincount(index)

    def __call__(self, batch: "ContextualMiniBatch", rng: np.random.Generator) -> "ContextualMiniBatch":
        """The batch with centred rewards.

        Args:
            batch: B transitions.
            rng: not used.

        Raises:
            DatasetError: a transition of a context that the dataset does not have.
        """
        places = find_ids(self._ids, batch.context_ids)
        if (places < 0).any():
            raise DatasetError(f"expected context ids among {self._ids.tolist()}; found {set(batch.context_ids[places < 0])}")
        return dataclasses.replace(batch, rewards=(batch.rewards - self._means[places, None]).astype(np.float32))


class _BlindEncoder(Encoder):  # type: ignore[misc]  # d3rlpy is untyped
    """Leaves out the last coordinates of its input."""

    def __init__(self, encoder: nn.Module, hidden: int) -> None:
        super().__init__()
        self._encoder, self._hidden = encoder, hidden

    def forward(self, x: TorchObservation) -> Tensor:
        assert isinstance(x, Tensor)
        encoded: Tensor = self._encoder(x[..., : x.shape[-1] - self._hidden])
        return encoded


@dataclasses.dataclass()
class ContextBlind(EncoderFactory):  # type: ignore[misc]  # d3rlpy is untyped
    """An encoder of observations whose last coordinates, the context, are left out.

    Args:
        hidden: p, how many coordinates are left out.
        hidden_units: the sizes of the hidden layers.
    """

    hidden: int = 0
    hidden_units: list[int] = dataclasses.field(default_factory=lambda: [256, 256])

    def create(self, observation_shape: Shape) -> Encoder:
        """The encoder of observations (o + p,)."""
        size = int(observation_shape[0]) - self.hidden
        return _BlindEncoder(VectorEncoderFactory(list(self.hidden_units)).create((size,)), self.hidden)

    def create_with_action(
        self, observation_shape: Shape, action_size: int, discrete_action: bool = False
    ) -> EncoderWithAction:
        """None: this encoder is for actors."""
        raise NotImplementedError("ContextBlind encodes observations of an actor, not actions")

    @staticmethod
    def get_type() -> str:
        """The name in saved files."""
        return "offctx_context_blind"


register_encoder_factory(ContextBlind)
