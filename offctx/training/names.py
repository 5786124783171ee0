"""Algorithms by name: d3rlpy's and ours."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import d3rlpy
import torch
from d3rlpy.base import LearnableConfig
from d3rlpy.constants import ActionSpace

from offctx.algos import LinearPERMConfig, LinearPEVIConfig, LinearPPPOConfig
from offctx.algos.dmash.learner import DMASHConfig
from offctx.algos.dmash.presets import PRESETS
from offctx.algos.perm import DiscretePERMConfig, PERMConfig
from offctx.algos.pppo import DiscretePPPOConfig, PPPOConfig
from offctx.algos.shared.action_scaler import action_scaler_of
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.checks import whole_number
from offctx.errors import AlgorithmError

_OURS: tuple[type[LearnableConfig], ...] = (
    PERMConfig, DiscretePERMConfig, PPPOConfig, DiscretePPPOConfig, LinearPERMConfig, LinearPPPOConfig, LinearPEVIConfig,
    DMASHConfig,
)  # fmt: skip


def algorithms() -> dict[str, type[LearnableConfig]]:
    """The algorithms that `make_algorithm` knows by name.

    Returns:
        From lower-case names to config classes: d3rlpy's offline Q-learning, imitation and Decision Transformers, such as
        "td3plusbc", offctx's own, such as "perm", and the presets of DMASH, such as "dma-star-sh".
    """
    stock = {
        name.removesuffix("Config").lower(): config_class
        for name, config_class in vars(d3rlpy.algos).items()
        if name.endswith("Config")
        and isinstance(config_class, type)
        and issubclass(config_class, LearnableConfig)
        and not any(part in name for part in ("Random", "Learnable"))
        and name != "TransformerConfig"
    }
    own_classes = {config_class.__name__.removesuffix("Config").lower(): config_class for config_class in _OURS}
    return stock | own_classes | dict.fromkeys(PRESETS, DMASHConfig)


def make_algorithm(
    name: str, buffer: ContextualReplayBuffer, config: Mapping[str, Any] | None = None, *, device: Any = False
) -> Any:
    """Make a d3rlpy algorithm that fits the actions of a buffer.

    d3rlpy's policies act in [-1, 1]. Where the action space has finite bounds and `config` names no `action_scaler`, the
    algorithm scales its actions to these bounds.

    Args:
        name: of the algorithm, in any case; `algorithms` lists the names.
        buffer: the data that the algorithm will be trained on.
        config: hyperparameters, named as in the algorithm's d3rlpy config; the rest keep their defaults.
        device: where the networks are: False (CPU), True (the first GPU), a GPU's number, or a name such as "cuda:0".

    Returns:
        The algorithm, not yet trained.

    Raises:
        AlgorithmError: the algorithm or a hyperparameter is unknown, a hyperparameter has the wrong kind of value, or the
            algorithm is for discrete actions and the data are continuous, or the other way round.

    Example::

        buffer = offctx.load_dataset("offctx/PendulumGoal/random-v0").replay_buffer()
        agent = make_algorithm("td3plusbc", buffer, {"batch_size": 256})
    """
    if config is not None and not isinstance(config, Mapping):
        raise AlgorithmError(f"config must map names of hyperparameters to values; found {config!r}")
    classes = algorithms()
    if name.lower() not in classes:
        raise AlgorithmError(f"unknown algorithm {name!r}; there are {', '.join(sorted(classes))}")
    config_class = classes[name.lower()]
    settings = dict(PRESETS.get(name.lower(), {})) | dict(config or {})
    fields = {field.name for field in dataclasses.fields(config_class)}
    for key, value in settings.items():
        if key not in fields:
            raise AlgorithmError(f"unknown hyperparameter {key!r} of {name}; it has {', '.join(sorted(fields))}")
        _check_type(key, value, getattr(config_class(), key))
    action_type, action_space = config_class().create(device=False).get_action_type(), buffer.dataset_info.action_space
    if action_type not in (ActionSpace.BOTH, action_space):
        raise AlgorithmError(
            f"{name} is for {action_type.name.lower()} actions; the data have {action_space.name.lower()} ones"
        )
    scaler = action_scaler_of(buffer.action_space)
    if scaler is not None:
        settings.setdefault("action_scaler", scaler)
    return config_class(**settings).create(device=_check_device(device))


def _check_device(device: Any) -> bool | int | str:
    """A device that d3rlpy takes, and that this machine has."""
    if isinstance(device, bool | str):
        plain: bool | int | str = device
    else:
        plain = whole_number(device, "device (if it is no text, True or False)", 0, AlgorithmError, most=2**15)
    text = "cpu" if plain is False else "cuda:0" if plain is True else plain if isinstance(plain, str) else f"cuda:{plain}"
    try:
        torch.empty(0, device=text)
    except (RuntimeError, AssertionError, ValueError, NotImplementedError) as error:
        raise AlgorithmError(f"device {device!r} is not available: {error}") from error
    return plain


def _check_type(key: str, value: Any, default: Any) -> None:
    """Refuse text where d3rlpy expects a number or an object, and numbers that are not valid for the hyperparameter."""
    number = isinstance(default, (int, float)) and not isinstance(default, bool)
    if number and (isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0):
        raise AlgorithmError(f"{key} must be a number, such as {default}; found {value!r}")
    smallest = 1 if key in ("batch_size", "n_critics") else 0
    if isinstance(default, int) and number and (not isinstance(value, int) or value < smallest):
        raise AlgorithmError(f"{key} must be a whole number, such as {default}; found {value!r}")
    if not number and isinstance(value, str) and not isinstance(default, str):
        raise AlgorithmError(f"{key} must be an object of d3rlpy, not text; found {value!r}")
