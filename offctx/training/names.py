"""Algorithms by name: d3rlpy's and ours."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import d3rlpy
import numpy as np
from d3rlpy.base import LearnableConfig
from d3rlpy.constants import ActionSpace
from gymnasium.spaces import Box

from offctx.algos import LinearPERMConfig, LinearPEVIConfig, LinearPPPOConfig
from offctx.algos.perm import DiscretePERMConfig, PERMConfig
from offctx.algos.pppo import DiscretePPPOConfig, PPPOConfig
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.errors import AlgorithmError

_OURS: tuple[type[LearnableConfig], ...] = (
    PERMConfig, DiscretePERMConfig, PPPOConfig, DiscretePPPOConfig, LinearPERMConfig, LinearPPPOConfig, LinearPEVIConfig,
)  # fmt: skip


def algorithms() -> dict[str, type[LearnableConfig]]:
    """By lower-case name: d3rlpy's offline Q-learning and imitation, such as "td3plusbc", and offctx's, such as "perm"."""
    stock = {
        name.removesuffix("Config").lower(): kind
        for name, kind in vars(d3rlpy.algos).items()
        if name.endswith("Config")
        and isinstance(kind, type)
        and issubclass(kind, LearnableConfig)
        and not any(part in name for part in ("Random", "Transformer", "Learnable"))
    }
    return stock | {kind.__name__.removesuffix("Config").lower(): kind for kind in _OURS}


def make_algorithm(
    name: str, buffer: ContextualReplayBuffer, config: Mapping[str, Any] | None = None, *, device: Any = False
) -> Any:
    """An algorithm for a buffer's data.

    Continuous actions are scaled by the action space's bounds where the config does not say otherwise, as d3rlpy's
    policies act in [-1, 1].

    Args:
        name: see `algorithms`.
        buffer: the data it is for.
        config: hyperparameters of its d3rlpy config.
        device: as d3rlpy takes it: False, True or "cuda:0".

    Raises:
        AlgorithmError: no such algorithm or hyperparameter, or actions of the other kind.
    """
    known = algorithms()
    if name.lower() not in known:
        raise AlgorithmError(f"unknown algorithm {name!r}; there are {', '.join(sorted(known))}")
    kind = known[name.lower()]
    settings = dict(config or {})
    fields = {field.name for field in dataclasses.fields(kind)}
    for key, value in settings.items():
        if key not in fields:
            raise AlgorithmError(f"unknown hyperparameter {key!r} of {name}; it has {', '.join(sorted(fields))}")
        _check_kind(key, value, getattr(kind(), key))
    wanted = kind().create(device=False).get_action_type()
    if wanted not in (ActionSpace.BOTH, buffer.dataset_info.action_space):
        raise AlgorithmError(
            f"{name} is for {wanted.name.lower()} actions; the data have {buffer.dataset_info.action_space.name.lower()} ones"
        )
    space = buffer.action_space
    if isinstance(space, Box) and np.isfinite([space.low, space.high]).all():
        settings.setdefault("action_scaler", d3rlpy.preprocessing.MinMaxActionScaler(space.low, space.high))
    return kind(**settings).create(device=device)


def _check_kind(key: str, value: Any, default: Any) -> None:
    """Refuse text where d3rlpy wants a number or an object, and numbers that are no size."""
    number = isinstance(default, (int, float)) and not isinstance(default, bool)
    if number and (isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0):
        raise AlgorithmError(f"{key} must be a number, such as {default}; found {value!r}")
    least = 1 if key in ("batch_size", "n_critics") else 0
    if isinstance(default, int) and number and (not isinstance(value, int) or value < least):
        raise AlgorithmError(f"{key} must be a whole number, such as {default}; found {value!r}")
    if not number and isinstance(value, str) and not isinstance(default, str):
        raise AlgorithmError(f"{key} must be an object of d3rlpy, not text; found {value!r}")
