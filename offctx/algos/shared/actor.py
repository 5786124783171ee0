"""Trained policies as plain weights: a squashed Gaussian kept in a safetensors file, small enough to share.

Such a file holds numbers and one line of text, so that loading it runs nothing. The context is hidden from these policies:
they see the observation alone. Dimensions: N rows, o observation, a action.
"""

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from d3rlpy.algos.qlearning.torch.sac_impl import SACImpl
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from offctx.envs.base import Array
from offctx.errors import PolicyError
from offctx.files import write_file

Layer = tuple[Array, Array]  # weight (out, in) and bias (out,), float32
_FORMAT = "offctx squashed Gaussian policy 1"
_LOG_STD = (-20.0, 2.0)  # d3rlpy's bounds, as in the papers of soft actor-critic
_LONGEST_NAME = 100


@dataclass(frozen=True, eq=False)
class GaussianActor:
    """tanh(N(mean(x), std(x)^2)), both heads of one ReLU network: the policy of soft actor-critic.

    `predict` gives the mode, so that the actor itself is a deterministic policy; `sampler()` is the stochastic one.

    The network is evaluated in float64 and rounded to float32 once, at the end: how a BLAS orders its sums, which depends
    on the machine and on the number of rows, then hardly ever reaches an action.

    Attributes:
        hidden: the hidden layers, from the observation on.
        mean: the layer that gives the mean before tanh.
        log_std: the layer that gives the logarithm of the standard deviation, clipped to [-20, 2].
        about: what is known of it, such as environment, steps and return; plain JSON data.

    Raises:
        PolicyError: layers that do not fit one another, that are not float32, or that are not finite.
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
        """Its a."""
        return len(self.mean[1])

    @property
    def __name__(self) -> str:
        """What cards and reports call it."""
        return str(self.about.get("name", "actor"))

    def predict(self, observations: Array) -> Array:
        """The mode of the actions, float32 (N, a), for observations (N, o)."""
        return np.asarray(np.tanh(self._heads(observations)[0]), dtype=np.float32)

    def sample(self, observations: Array, rng: np.random.Generator) -> Array:
        """Actions, float32 (N, a), drawn for observations (N, o)."""
        mean, log_std = self._heads(observations)
        drawn = mean + np.exp(np.clip(log_std, *_LOG_STD)) * rng.standard_normal(mean.shape)
        return np.asarray(np.tanh(drawn), dtype=np.float32)

    def sampler(self) -> "Sampler":
        """The same policy, sampling."""
        return Sampler(self)

    def save(self, path: Path) -> None:
        """Write it as a safetensors file, which appears when it is complete."""
        layers = {f"hidden.{k}": layer for k, layer in enumerate(self.hidden)} | {"mean": self.mean, "log_std": self.log_std}
        parts = {f"{name}.{kind}": array for name, layer in layers.items() for kind, array in zip(_KINDS, layer, strict=True)}
        about = json.dumps(self.about, sort_keys=True, allow_nan=False)
        write_file(Path(path), save(parts, metadata={"format": _FORMAT, "about": about}))

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
    """A policy that draws its actions from an actor: a callable (observations (N, o), contexts, rng) -> actions (N, a)."""

    actor: GaussianActor

    @property
    def __name__(self) -> str:
        """What cards and reports call it."""
        return self.actor.__name__

    def __call__(self, observations: Array, contexts: Array, rng: np.random.Generator) -> Array:
        """Draw; the contexts stay unseen."""
        return self.actor.sample(observations, rng)


_KINDS = ("weight", "bias")


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


@overload
def load_actor(path: str | os.PathLike[str], *, stochastic: Literal[True] = True) -> Sampler: ...


@overload
def load_actor(path: str | os.PathLike[str], *, stochastic: Literal[False]) -> GaussianActor: ...


def load_actor(path: str | os.PathLike[str], *, stochastic: bool = True) -> Sampler | GaussianActor:
    """The policy in a file of `save_actor`: sampling, or its mode.

    Where the file names no name, its own is taken.

    Raises:
        PolicyError: no such file, or not one of these; the message says what is wrong with it.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != _FORMAT:
                raise PolicyError(f"expected the format {_FORMAT!r}; found {metadata.get('format')!r:.120}")
            parts = {name: _float32(file, name) for name in file.keys()}  # noqa: SIM118  # a handle, not a dict
        actor = _from_parts(parts, {"name": path.stem} | _about(metadata))
    except FileNotFoundError as error:
        raise PolicyError(f"no actor at {path}") from error
    except (PolicyError, SafetensorError, OSError) as error:
        raise PolicyError(f"{path} is not an actor saved by offctx: {error}") from error
    return actor.sampler() if stochastic else actor


def _float32(file: Any, name: str) -> Array:
    kind = file.get_slice(name).get_dtype()
    if kind != "F32":
        raise PolicyError(f"expected float32 weights; {name!r:.60} has {kind}")
    return np.asarray(file.get_tensor(name))


def _about(metadata: dict[str, str]) -> dict[str, Any]:
    try:
        about = json.loads(metadata.get("about", "{}"))
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"what it says about itself is not JSON: {error}") from error
    if not isinstance(about, dict):
        raise PolicyError(f"what it says about itself must be a JSON object; found {type(about).__name__}")
    return about


def _from_parts(parts: dict[str, Array], about: dict[str, Any]) -> GaussianActor:
    depth = sum(name.startswith("hidden.") and name.endswith(".weight") for name in parts)
    names = [*(f"hidden.{k}" for k in range(depth)), "mean", "log_std"]
    expected = {f"{name}.{kind}" for name in names for kind in _KINDS}
    if expected != set(parts):
        wrong = sorted(expected ^ set(parts))
        raise PolicyError(f"expected the arrays {sorted(expected)}; missing or unknown: {wrong}"[:600])
    *hidden, mean, log_std = ((parts[f"{name}.weight"], parts[f"{name}.bias"]) for name in names)
    return GaussianActor(tuple(hidden), mean, log_std, about)


def actor_of(algo: Any, about: dict[str, Any] | None = None) -> GaussianActor:
    """The policy of a d3rlpy SAC, or of another learner with its kind of policy, such as CQL.

    Raises:
        PolicyError: no networks yet, another kind of policy, or one that predicts otherwise than its plain weights would:
            with another activation, or with observations or actions scaled.
    """
    if not isinstance(algo.impl, SACImpl):
        found = "no networks yet: fit or build it first" if algo.impl is None else f"{type(algo).__name__}"
        raise PolicyError(f"expected a learner with the squashed Gaussian policy of d3rlpy's SAC; found {found}")
    state = {name: tensor.detach().cpu().numpy() for name, tensor in algo.impl.policy.state_dict().items()}
    actor = replace(_from_parts(_named(state), {}), about=about or {})
    probe = np.random.default_rng(0).standard_normal((16, *actor.observation_shape)).astype(np.float32)
    difference = np.abs(actor.predict(probe) - algo.predict(probe)).max()
    if not difference < 1e-3:
        raise PolicyError(
            f"expected a ReLU network without scalers, acting in [-1, 1]; its plain weights act {difference:.2g} away from "
            f"what the learner predicts"
        )
    return actor


def save_actor(algo: Any, path: Path, about: dict[str, Any]) -> None:
    """`actor_of`, written to a safetensors file."""
    actor_of(algo, about).save(path)


def _named(state: dict[str, Array]) -> dict[str, Array]:
    """From d3rlpy's names of the layers to ours."""
    layers = sorted({name.rpartition(".")[0] for name in state if name.startswith("_encoder.")}, key=_layer_number)
    named = {layer: f"hidden.{k}" for k, layer in enumerate(layers)} | {"_mu": "mean", "_logstd": "log_std"}
    parts = [name.rpartition(".") for name in state]
    return {f"{named.get(layer, layer)}.{kind}": state[f"{layer}.{kind}"] for layer, _, kind in parts}


def _layer_number(name: str) -> int:
    number = name.rpartition(".")[2]
    return int(number) if number.isdecimal() else -1
