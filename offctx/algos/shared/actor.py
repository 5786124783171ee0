"""A trained policy as plain arrays: a squashed Gaussian, small enough to share.

Dimensions: N rows, o observation, a action.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from offctx.envs.base import Array
from offctx.errors import PolicyError
from offctx.files import write_file

Layer = tuple[Array, Array]  # weight (out, in) and bias (out,), float32
FORMAT = "offctx squashed Gaussian policy 1"
_KINDS = ("weight", "bias")
_LOG_STD = (-20.0, 2.0)  # d3rlpy's bounds, as in the papers of soft actor-critic
_LONGEST_NAME = 100


@dataclass(frozen=True, eq=False)
class GaussianActor:
    """a = tanh(u), u ~ N( mean(x), std(x)^2 ), where mean and log std are two heads of one ReLU network.

    This is the policy of soft actor-critic (arXiv 1812.05905). `predict` gives the mode, so that the actor itself is a
    deterministic policy; `sampler()` is the stochastic one. The context is hidden from both: they see the observation alone.

    The network is evaluated in float64, and the action is rounded to float32 at the end. A BLAS orders its sums by the machine
    and by the number of rows; in float64 this order hardly ever changes an action.

    Attributes:
        hidden: the hidden layers, first to last: pairs of a weight (out, in) and a bias (out,), float32.
        mean: the layer that gives the mean before tanh.
        log_std: the layer that gives the logarithm of the standard deviation, which is clipped to [-20, 2].
        about: facts such as environment, steps and return, as plain JSON data; "name" is what reports call the policy.

    Raises:
        PolicyError: layers that do not fit one another, that are not float32, or that are not finite; a name that is not one
            line of at most 100 characters.
    """

    hidden: tuple[Layer, ...]
    mean: Layer
    log_std: Layer
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.hidden) == 0:
            raise PolicyError("an actor needs at least one hidden layer; found none")
        hidden: list[Layer] = []
        for k, layer in enumerate(self.hidden):
            hidden.append(_checked(layer, f"hidden.{k}", size_in=len(hidden[-1][1]) if hidden else None))
        width = len(hidden[-1][1])
        mean = _checked(self.mean, "mean", size_in=width)
        log_std = _checked(self.log_std, "log_std", size_in=width, size_out=len(mean[1]))
        name = self.about.get("name", "actor")
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
            raise PolicyError(f"an actor's name must be one line of at most {_LONGEST_NAME} characters; found {name!r:.120}")
        for key, value in {"hidden": tuple(hidden), "mean": mean, "log_std": log_std}.items():
            object.__setattr__(self, key, value)

    @property
    def observation_shape(self) -> tuple[int]:
        """(o,)."""
        return (self.hidden[0][0].shape[1],)

    @property
    def action_size(self) -> int:
        """a."""
        return len(self.mean[1])

    @property
    def __name__(self) -> str:
        """The name in cards and reports."""
        return str(self.about.get("name", "actor"))

    def predict(self, observations: Array) -> Array:
        """The mode of the actions, float32 (N, a), for observations (N, o)."""
        return np.asarray(np.tanh(self._heads(observations)[0]), dtype=np.float32)

    def sample(self, observations: Array, rng: np.random.Generator) -> Array:
        """Actions, float32 (N, a), drawn for observations (N, o)."""
        mean, log_std = self._heads(observations)
        unsquashed = mean + np.exp(np.clip(log_std, *_LOG_STD)) * rng.standard_normal(mean.shape)
        return np.asarray(np.tanh(unsquashed), dtype=np.float32)

    def sampler(self) -> "Sampler":
        """The stochastic policy."""
        return Sampler(self)

    def save(self, path: Path) -> None:
        """Write the actor as a safetensors file, which appears when it is complete.

        Args:
            path: usually ends in .safetensors.
        """
        layers = {f"hidden.{k}": layer for k, layer in enumerate(self.hidden)} | {"mean": self.mean, "log_std": self.log_std}
        parts = {f"{name}.{kind}": array for name, layer in layers.items() for kind, array in zip(_KINDS, layer, strict=True)}
        about = json.dumps(self.about, sort_keys=True, allow_nan=False)
        write_file(Path(path), save(parts, metadata={"format": FORMAT, "about": about}))

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array], about: dict[str, Any]) -> "GaussianActor":
        """An actor of the arrays in its file.

        Args:
            arrays: "hidden.0.weight", "hidden.0.bias", ..., "mean.weight", "mean.bias", "log_std.weight", "log_std.bias".
            about: plain JSON data.

        Raises:
            PolicyError: arrays that are missing, unknown, or do not fit one another.
        """
        depth = sum(name.startswith("hidden.") and name.endswith(".weight") for name in arrays)
        names = [*(f"hidden.{k}" for k in range(depth)), "mean", "log_std"]
        expected = {f"{name}.{kind}" for name in names for kind in _KINDS}
        if expected != set(arrays):
            wrong = sorted(expected ^ set(arrays))
            raise PolicyError(f"expected the arrays {sorted(expected)}; missing or unknown: {wrong}"[:600])
        *hidden, mean, log_std = ((arrays[f"{name}.weight"], arrays[f"{name}.bias"]) for name in names)
        return cls(tuple(hidden), mean, log_std, about)

    def _heads(self, observations: Array) -> tuple[Array, Array]:
        x = np.asarray(observations, dtype=np.float32)  # as d3rlpy's networks get them
        if x.ndim != 2 or x.shape[1:] != self.observation_shape:
            raise PolicyError(f"expected observations of shape (N, {self.observation_shape[0]}); found {x.shape}")
        x = x.astype(np.float64)
        for layer in self.hidden:
            x = np.maximum(_affine(x, layer), 0)
        return _affine(x, self.mean), _affine(x, self.log_std)


@dataclass(frozen=True, eq=False)
class Sampler:
    """A policy that draws its actions from an actor: a callable (observations (N, o), contexts, rng) -> actions (N, a).

    Args:
        actor: the policy's networks.
    """

    actor: GaussianActor

    @property
    def __name__(self) -> str:
        """The name in cards and reports."""
        return self.actor.__name__

    def __call__(self, observations: Array, contexts: Array, rng: np.random.Generator) -> Array:
        """Actions, float32 (N, a), drawn from the policy.

        Args:
            observations: (N, o).
            contexts: not used.
            rng: draws the actions.
        """
        return self.actor.sample(observations, rng)


def _affine(x: Array, layer: Layer) -> Array:
    weight, bias = layer
    return np.asarray(x @ weight.T.astype(np.float64) + bias)


def _checked(layer: Layer, name: str, size_in: int | None, size_out: int | None = None) -> Layer:
    """A read-only copy of a layer."""
    weight, bias = (np.array(array, order="C") for array in layer)
    if weight.dtype != np.float32 or bias.dtype != np.float32:
        raise PolicyError(f"expected float32 weights; {name} has {weight.dtype} and {bias.dtype}")
    expected = (size_out or bias.size, size_in or weight.shape[-1:][0] if weight.ndim else 0)
    if weight.size == 0 or weight.shape != expected or bias.shape != expected[:1]:
        raise PolicyError(
            f"the layers do not fit: expected {name}.weight {expected} and {name}.bias {expected[:1]}; found "
            f"{weight.shape} and {bias.shape}"
        )
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise PolicyError(f"the weights must be finite; {name} has NaN or infinity")
    weight.flags.writeable = bias.flags.writeable = False
    return weight, bias
