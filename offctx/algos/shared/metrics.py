"""Losses as numbers."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from offctx.errors import AlgorithmError


def as_numbers(losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Losses as floats, for d3rlpy's loggers. An accelerator is waited for once, for all of them.

    A learner's step leaves its losses on the device; a loop that logs now and then calls this as often as it logs.

    Args:
        losses: scalars on one device.

    Raises:
        AlgorithmError: a loss is not a number.
    """
    numbers = dict(zip(losses, torch.stack(list(losses.values())).tolist(), strict=True))
    if any(map(math.isnan, numbers.values())):
        raise AlgorithmError(
            f"training has diverged; found the losses {numbers}. Smaller learning rates, scaled rewards or reward_bounds help"
        )
    return numbers
