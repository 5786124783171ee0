"""Losses as numbers."""

from collections.abc import Mapping

import torch
from torch import Tensor


def as_numbers(losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Losses, scalars on any device, as floats; an accelerator is waited for once."""
    return dict(zip(losses, torch.stack(list(losses.values())).tolist(), strict=True))
