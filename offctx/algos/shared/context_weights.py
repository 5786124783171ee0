"""How much each transition counts in the policy's loss, so that contexts count equally.

Dimensions: B batch, C contexts.
"""

from typing import final

import torch
from torch import Tensor, nn


@final
class ContextWeights(nn.Module):
    """Weights of transitions, from running counts of contexts.

    The counts are a buffer of the module, as the running mean of batch norm is, so that they are saved with the learner.

    Args:
        contexts: C, how many contexts are known; or, where none are known, how many indices there are.
        known: whether the contexts are known in advance. If not, C are those that were seen.
    """

    seen: Tensor

    def __init__(self, contexts: int, *, known: bool) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(0, dtype=torch.float64))
        self.restart(contexts, known=known)

    def restart(self, contexts: int, *, known: bool) -> None:
        """Count from zero, over another number of contexts."""
        self._known = known
        self.seen = torch.zeros(contexts, dtype=torch.float64, device=self.seen.device)

    def forward(self, contexts: Tensor | None, size: int) -> Tensor:
        """w = 1 / (C f_c B) for a transition of context c, of which a share f_c of all transitions came so far; counts them.

        The sum of w times a loss over a batch is then, in expectation, the unweighted mean over contexts, however the buffer
        draws. With one context weights are exactly 1 / B.

        Args:
            contexts: the index of the context of each transition (B,). None: contexts are not told apart; w = 1 / B.
            size: B.

        Returns:
            w (B,), float32.
        """
        if contexts is None:
            return torch.full((size,), 1 / size, device=self.seen.device)
        self.seen.index_add_(0, contexts, torch.ones_like(contexts, dtype=torch.float64))
        share = self.seen / self.seen.sum()
        count = len(share) if self._known else torch.count_nonzero(share)
        return (1 / (count * share[contexts] * size)).float()
