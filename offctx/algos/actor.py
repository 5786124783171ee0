"""Trained policies as plain weights: a squashed Gaussian kept in a safetensors file, small enough to share.

Such a file holds numbers and one line of text, so that loading it runs nothing. Dimensions: N rows, D input (what the
policy sees), a action.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from offctx.envs.base import Array
from offctx.errors import PolicyError

_FORMAT = "offctx squashed Gaussian policy 1"
_LOG_STD = (-20.0, 2.0)


@dataclass(frozen=True)
class GaussianActor:
    """tanh(N(mean(x), std(x)^2)), both heads of one ReLU network: the policy of soft actor-critic.

    It is a policy in both ways that offctx knows: `predict` gives the mode, a call samples.

    Attributes:
        hidden: weight (out, in) and bias (out,) of each hidden layer.
        mean: weight (a, width) and bias (a,) of the mean before tanh.
        log_std: the same of the logarithm of the standard deviation.
        about: what is known of it, such as environment, steps and returns; plain JSON data.
        stochastic: whether a call samples; otherwise it gives the mode too.
    """

    hidden: tuple[tuple[Array, Array], ...]
    mean: tuple[Array, Array]
    log_std: tuple[Array, Array]
    about: dict[str, Any]
    stochastic: bool = True

    @property
    def observation_shape(self) -> tuple[int]:
        """(D,)."""
        return (self.hidden[0][0].shape[1],)

    @property
    def __name__(self) -> str:
        """What cards and reports call it."""
        return str(self.about.get("name", "actor"))

    def _heads(self, inputs: Array) -> tuple[Array, Array]:
        x = np.asarray(inputs, dtype=np.float32)
        for weight, bias in self.hidden:
            x = np.maximum(x @ weight.T + bias, 0)
        return x @ self.mean[0].T + self.mean[1], x @ self.log_std[0].T + self.log_std[1]

    def predict(self, inputs: Array) -> Array:
        """The mode of the actions (N, a) for inputs (N, D)."""
        return np.tanh(self._heads(inputs)[0])

    def sample(self, inputs: Array, rng: np.random.Generator) -> Array:
        """Actions (N, a) drawn for inputs (N, D)."""
        mean, log_std = self._heads(inputs)
        return np.tanh(mean + np.exp(np.clip(log_std, *_LOG_STD)) * rng.standard_normal(mean.shape, dtype=np.float32))


def save_actor(algo: Any, path: Path, about: dict[str, Any]) -> None:
    """The policy network of a d3rlpy SAC (or another learner with a squashed Gaussian policy) as a safetensors file."""
    state = {name: tensor.detach().cpu().numpy() for name, tensor in algo.impl.policy.state_dict().items()}
    parts = _named(state)
    save_file(parts, path, metadata={"format": _FORMAT, "about": json.dumps(about, sort_keys=True)})


def _named(state: dict[str, Array]) -> dict[str, Array]:
    layers = sorted({name.rpartition(".")[0] for name in state if name.startswith("_encoder.")}, key=_layer_number)
    named = {f"hidden.{k}": layer for k, layer in enumerate(layers)} | {"mean": "_mu", "log_std": "_logstd"}
    try:
        return {
            f"{ours}.{kind}": np.ascontiguousarray(state[f"{theirs}.{kind}"])
            for ours, theirs in named.items()
            for kind in ("weight", "bias")
        }
    except KeyError as error:
        raise PolicyError(f"expected the policy network of d3rlpy's SAC; found {sorted(state)}") from error


def _layer_number(name: str) -> int:
    return int(name.rpartition(".")[2])
