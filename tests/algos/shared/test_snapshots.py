"""Copies of a policy: a uniform sample of all that were added."""

import numpy as np
import torch

from offctx.algos.shared.snapshots import Snapshots


def test_snapshots_are_a_uniform_sample():
    policy, shown = torch.nn.Linear(1, 1), 8
    for size, seeds in ((0, 3), (1, 600), (3, 600)):
        counts = np.zeros(shown)
        for seed in range(seeds):
            snapshots = Snapshots(policy, size, seed)
            for k in range(shown):
                policy.bias.data.fill_(float(k))
                assert len(snapshots.kept) == min(k, size)
                snapshots.add(policy)
            chosen = sorted(int(each.bias) for each in snapshots.kept)
            assert len(set(chosen)) == size
            counts[chosen] += 1
        np.testing.assert_allclose(counts / seeds, size / shown, atol=0.07)
