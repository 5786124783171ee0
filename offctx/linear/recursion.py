"""The backward recursion that PPE, PEVI, PERM and PPPO share.

    Q_{i,h} = clip( phi^T w_{i,h} - Gamma_{i,h}, 0, H - h ),    V_{i,h}(x) = < Q_{i,h}(x, .), pi_h(. | x) >

from the last step h = H - 1 back to the first, h = 0.

Dimensions: n environments, H horizon, S states, A actions, d features, B leading dimensions of policies.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from offctx.checks import Floats


class Evaluation(NamedTuple):
    """What `backward` makes: tensors q (*B, n, H, S, A), v (*B, n, H+1, S) and weights (*B, n, H, d)."""

    q: Tensor
    v: Tensor
    weights: Tensor


def backward(features: Tensor, bonus: Tensor, regress: Callable[[int, Tensor], Tensor], policy: Tensor | None) -> Evaluation:
    """Backward recursion of PPE. With policy=None the policy is greedy (PEVI).

    Args:
        features: (S, A, d).
        bonus: (n, H, S, A).
        regress: from h and V_{h+1} (*B, n, S) to w_h (*B, n, d).
        policy: (*B, n or 1, H, S, A) or (H, S, A).
    """
    n, H, S, A = bonus.shape
    rows = features.flatten(0, 1).T
    lead = np.broadcast_shapes((n,), () if policy is None else tuple(policy.shape[:-3]))
    values = [torch.zeros(*lead, S, dtype=torch.float64)]
    qs, weights = [], []
    for h in reversed(range(H)):
        weights.append(regress(h, values[-1]))
        qs.append(((weights[-1] @ rows).reshape(*lead, S, A) - bonus[:, h]).clamp(0, H - h))
        values.append(qs[-1].amax(dim=-1) if policy is None else (policy[..., h, :, :] * qs[-1]).sum(dim=-1))
    stacked = (torch.stack(items[::-1], dim=len(lead)) for items in (qs, values, weights))
    return Evaluation(*stacked)


def frozen(tensor: Tensor) -> Floats:
    """A tensor's numbers as a read-only array."""
    array: Floats = tensor.detach().numpy().astype(np.float64, copy=False)
    array.flags.writeable = False
    return array
