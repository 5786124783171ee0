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
            f"found the losses {numbers}: either the data hold numbers that are not finite, or training has diverged. Against "
            f"the latter help smaller learning rates, scaled rewards, or reward_bounds where the learner has them"
        )
    return numbers
