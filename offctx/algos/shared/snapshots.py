"""Copies of a policy as it changes: a uniform sample of fixed size of all the policies that it has been."""

import copy
import warnings

import numpy as np
import torch
from torch import Tensor, nn


class Snapshots(nn.Module):
    """Up to M copies of a policy, a uniform sample of all policies added so far, in memory of fixed size.

    Reservoir sampling: the k-th policy (from 1) is kept with probability min(1, M / k), and from k = M + 1 on it replaces a
    random one. The copies and k are part of the module, so that they are saved with the learner.

    Args:
        policy: whose copies they are.
        size: M; 0 keeps none.
        seed: of the draws, together with k; they depend on no other generator.
    """

    shown: Tensor  # how many policies were added; the name in saved files

    def __init__(self, policy: nn.Module, size: int, seed: int) -> None:
        super().__init__()
        self.copies = nn.ModuleList(copy.deepcopy(policy) for _ in range(size))
        self.seed = seed
        self.register_buffer("shown", torch.zeros((), dtype=torch.int64))

    @property
    def kept(self) -> list[nn.Module]:
        """The copies that are kept now."""
        with warnings.catch_warnings():  # while an export is traced, their number is a constant
            warnings.filterwarnings("ignore", "Converting a tensor to a Python")
            return list(self.copies)[: int(self.shown)]

    def add(self, policy: nn.Module) -> None:
        """Count a policy, and copy it if it is drawn."""
        k = int(self.shown)
        place = k if k < len(self.copies) else int(np.random.default_rng([self.seed, k]).integers(k + 1))
        if place < len(self.copies):
            self.copies[place].load_state_dict(policy.state_dict())
        self.shown += 1
