"""Feature maps by name, and what makes a map, ours or a user's, ready for data.

Dimensions: N rows of data, o observation, a action, d features.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from offctx.checks import count
from offctx.errors import LinearError
from offctx.uncertainty.arrays import chunks
from offctx.uncertainty.feature_map import ROUNDING, FeatureMap, too_long
from offctx.uncertainty.fourier import FourierFeatures
from offctx.uncertainty.identity import IdentityFeatures

FeatureKind = Literal["fourier", "observation"]


def make_features(
    kind: FeatureKind,
    observation_size: int,
    action_size: int = 0,
    *,
    size: int = 128,
    bandwidth: float | None = None,
    seed: int = 0,
) -> FeatureMap:
    """A feature map by name.

    Args:
        kind: "fourier", or "observation", the given features, whose size is their own.
        observation_size: o.
        action_size: a; 0 for a map of the observation alone.
        size, bandwidth, seed: of `FourierFeatures`.

    Raises:
        LinearError: another name, or a setting out of range.
    """
    if kind == "fourier":
        return FourierFeatures(observation_size, action_size, size=size, bandwidth=bandwidth, seed=seed)
    if kind == "observation":
        return IdentityFeatures(observation_size, action_size)
    raise LinearError(f"expected features as one of {list(get_args(FeatureKind))}, or a feature map; found {kind!r}")


def admit_features(features: nn.Module, observations: Tensor, actions: Tensor | None = None) -> int:
    """Makes a feature map, ours or a user's, ready for data; returns its d.

    A `FeatureMap` that is not fitted is fitted to them. Any module with `size` and forward(observations, actions) serves.

    Args:
        features: the map.
        observations: (N, o).
        actions: (N, a), or None for a map of the observation alone.

    Raises:
        LinearError: it has no whole `size`, gives another shape, or a norm above 1 on these data.
    """
    if isinstance(features, FeatureMap) and not features.is_fitted:
        features.fit(observations, actions)
    d = count(getattr(features, "size", 0), 1, f"the size of {type(features).__name__}")
    largest = 0.0
    for part in chunks(len(observations), d):
        with torch.no_grad():
            phi = features(observations[part], None if actions is None else actions[part])
        if phi.shape != (len(observations[part]), d):
            raise LinearError(
                f"expected {type(features).__name__} to give (N, {d}), as its size says; found {tuple(phi.shape)} for "
                f"N = {len(observations[part])}"
            )
        largest = max(largest, float(torch.linalg.vector_norm(phi, dim=-1).max()))
    if not largest <= 1 + ROUNDING:  # nan too
        raise too_long(largest, "divide by it")
    return d
