"""The dataset layout: plain Minari, plus one metadata key and a few infos.

The infos of an offctx dataset hold `context` (T + 1, p), the context of the episode in every row, and optionally the context
derivatives, the simulator's state and the noise. As in Minari, row t + 1 of an info belongs to transition t; row 0 of a
derivative is zero. Everything else stands in Minari's metadata.json under the key "offctx" (`offctx.data.metadata`).

Dimensions: T steps of an episode, p context.
"""

from typing import Any

import numpy as np
from gymnasium import spaces

from offctx.errors import DatasetError

CONTEXT = "context"
STATE = "state"
NOISE = "noise"
DNEXT = "dnext_observation_dcontext"
DREWARD = "dreward_dcontext"
DERROR = "derivative_error"
INFOS = (CONTEXT, STATE, NOISE, DNEXT, DREWARD, DERROR)


def check_spaces(observation_space: spaces.Space[Any], action_space: spaces.Space[Any], dataset_id: str) -> None:
    """Checks that the layout can hold data of these spaces.

    Raises:
        DatasetError: observations are not a 1-D Box of a float type, or actions neither a 1-D Box nor Discrete.
    """
    if not isinstance(observation_space, spaces.Box) or len(observation_space.shape) != 1:
        raise DatasetError(f"{dataset_id}: expected 1-D Box observations; found {observation_space}")
    if np.dtype(observation_space.dtype).kind != "f":
        raise DatasetError(f"{dataset_id}: expected observations of a float type; found {observation_space.dtype}")
    one_dimensional = isinstance(action_space, spaces.Box) and len(action_space.shape) == 1
    if not one_dimensional and not isinstance(action_space, spaces.Discrete):
        raise DatasetError(f"{dataset_id}: expected 1-D Box or Discrete actions; found {action_space}")
