"""A fixed number of copies of a policy, taken as it changes: a uniform sample of all that it has been."""

import copy
import warnings

import numpy as np
import torch
from torch import Tensor, nn


class Snapshots(nn.Module):
    """Up to M copies of a policy, chosen uniformly from all policies shown so far, in memory fixed in advance.

    Reservoir sampling: the k-th policy shown (from 1) is kept with probability M / k, in place of a random one. Up to the
    M-th, all are kept.

    Args:
        policy: whose copies they are.
        size: M; 0 keeps none.
        seed: of the draws, together with k: what is kept does not depend on what else is random.
    """

    shown: Tensor

    def __init__(self, policy: nn.Module, size: int, seed: int) -> None:
        super().__init__()
        self.copies = nn.ModuleList(copy.deepcopy(policy) for _ in range(size))
        self.seed = seed
        self.register_buffer("shown", torch.zeros((), dtype=torch.int64))

    @property
    def kept(self) -> list[nn.Module]:
        """The copies taken."""
        with warnings.catch_warnings():  # exported policies are of those that there are then
            warnings.filterwarnings("ignore", "Converting a tensor to a Python")
            return list(self.copies)[: int(self.shown)]

    def show(self, policy: nn.Module) -> None:
        """Take a copy, or not, as chance has it."""
        k = int(self.shown)
        place = k if k < len(self.copies) else int(np.random.default_rng([self.seed, k]).integers(k + 1))
        if place < len(self.copies):
            self.copies[place].load_state_dict(policy.state_dict())
        self.shown += 1

    def forward(self) -> None:
        """Not a network."""
        raise NotImplementedError("Snapshots hold policies; call those in `kept`")
