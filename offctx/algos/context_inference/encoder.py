"""The context encoder: window of transitions -> z.

Dimensions: G windows, K slots, o observation, a action, d latent.
"""

from torch import Tensor, nn

from offctx.algos.context_inference.features import block_sizes, mask_blocks, transition_features
from offctx.algos.context_inference.heads import HEADS, Latent
from offctx.algos.context_inference.scale import FeatureScale
from offctx.algos.context_inference.trunks import LSTMTrunk, SetTrunk, make_trunk
from offctx.checks import check_choice, check_number, whole_number
from offctx.data.history.windows import HistoryWindows
from offctx.errors import AlgorithmError

TRUNKS = ("lstm", "set")


class ContextEncoder(nn.Module):
    """z of a window of transitions (arXiv 2602.06550, context encoder). In training, blocks of the slots are masked.

    Which transitions are in a window, and how many of them are kept, is said by `offctx.History`.

    Args:
        observation_size: o.
        action_size: a.
        trunk: "lstm" or "set".
        head: "simnorm", "bounded", "linear" or "gaussian".
        size: d.
        masking: the probability with which a block (s, a, s' - s) of a slot is hidden in training: its mean stands there.
        rewards: whether the encoder reads rewards.
        scaled: whether features are scaled by their running mean and spread.

    Raises:
        AlgorithmError: an unknown trunk or head, or a number out of its range.

    Example::

        encoder = ContextEncoder(observation_size=4, action_size=2, trunk="set")
        z = encoder(batch.history.to_torch()).z  # (G, 8)
    """

    def __init__(
        self, observation_size: int, action_size: int, *, trunk: str = "lstm", head: str = "simnorm", size: int = 8,
        masking: float = 0.0, rewards: bool = False, scaled: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        check_choice(trunk, "trunk", TRUNKS)
        check_choice(head, "head", tuple(HEADS))
        check_number(masking, "masking", 0, 1)
        whole_number(size, "size", 1, AlgorithmError)
        self.size, self.masking, self.rewards = size, masking, rewards
        self.blocks = block_sizes(observation_size, action_size, rewards=rewards)
        self.trunk: LSTMTrunk | SetTrunk = make_trunk(trunk, FeatureScale(sum(self.blocks), active=scaled))
        self.head = HEADS[head](self.trunk.size, size)

    def forward(self, windows: HistoryWindows) -> Latent:
        """z of windows (G, K, ...), as tensors: (G, d)."""
        return self.of_features(self._features(windows), windows.mask)

    def update_scale(self, windows: HistoryWindows) -> None:
        """Adds windows to the running mean and spread of features: before a step on them, and never in play."""
        self.trunk.scale.update(self._features(windows), windows.mask)

    def _features(self, windows: HistoryWindows) -> Tensor:
        return transition_features(windows, self.blocks[1], rewards=self.rewards)

    @property
    def change_spread(self) -> Tensor:
        """The spread of s' - s (o,); 1 where features are not scaled."""
        o, a = self.blocks[:2]
        return self.trunk.scale.spread[o + a : 2 * o + a]

    def of_features(self, features: Tensor, mask: Tensor) -> Latent:
        """z of the features (G, K, f) of windows, given which slots are filled (G, K)."""
        if self.training and self.masking > 0:
            features = mask_blocks(features, self.blocks, self.masking, self.trunk.scale.mean)
        latent: Latent = self.head(self.trunk(features, mask))
        return latent
