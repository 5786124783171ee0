"""Takes the policy out of a trained d3rlpy learner, as plain arrays."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from d3rlpy.algos.qlearning.torch.sac_impl import SACImpl

from offctx.algos.shared.actor import GaussianActor
from offctx.envs.base import Array
from offctx.errors import PolicyError


def actor_of(algo: Any, about: dict[str, Any] | None = None) -> GaussianActor:
    """The policy of a d3rlpy SAC, or of another learner with its kind of policy, such as CQL, as plain arrays.

    Args:
        algo: the trained learner.
        about: facts to keep with the policy, such as environment, steps and return; plain JSON data.

    Raises:
        PolicyError: the learner has no networks yet or another kind of policy; or its predictions are not those of a ReLU
            network with its weights: it has another activation, or scales observations or actions.

    Example::

        actor = actor_of(sac, about={"name": "sac-medium", "steps": 100_000})
        dataset = offctx.collect("offctx/AntDirection-v0", "me/ant/medium-v0", policy=actor.sampler(), ...)
    """
    if not isinstance(algo.impl, SACImpl):
        actual = "no networks yet: fit or build it first" if algo.impl is None else f"{type(algo).__name__}"
        raise PolicyError(f"expected a learner with the squashed Gaussian policy of d3rlpy's SAC; found {actual}")
    state = {name: tensor.detach().cpu().numpy() for name, tensor in algo.impl.policy.state_dict().items()}
    actor = replace(GaussianActor.from_arrays(_named(state), {}), about=about or {})
    probe = np.random.default_rng(0).standard_normal((16, *actor.observation_shape)).astype(np.float32)
    difference = np.abs(actor.predict(probe) - algo.predict(probe)).max()
    if not difference < 1e-3:
        raise PolicyError(
            f"expected a ReLU network without scalers, acting in [-1, 1]; its plain weights act {difference:.2g} away from "
            f"what the learner predicts"
        )
    return actor


def save_actor(algo: Any, path: Path, about: dict[str, Any]) -> None:
    """Write the policy of a learner to a safetensors file, which `load_actor` reads.

    Args:
        algo: the trained learner, as `actor_of` takes it.
        path: usually ends in .safetensors.
        about: facts to keep with the policy; plain JSON data.

    Raises:
        PolicyError: the learner has no networks yet or another kind of policy.

    Example::

        save_actor(sac, Path("sac-medium.safetensors"), about={"name": "sac-medium"})
    """
    actor_of(algo, about).save(path)


def _named(state: dict[str, Array]) -> dict[str, Array]:
    """Arrays by the names in d3rlpy's network to arrays by the names in a file."""
    layers = sorted({name.rpartition(".")[0] for name in state if name.startswith("_encoder.")}, key=_layer_number)
    named = {layer: f"hidden.{k}" for k, layer in enumerate(layers)} | {"_mu": "mean", "_logstd": "log_std"}
    parts = [name.rpartition(".") for name in state]
    return {f"{named.get(layer, layer)}.{kind}": state[f"{layer}.{kind}"] for layer, _, kind in parts}


def _layer_number(name: str) -> int:
    number = name.rpartition(".")[2]
    return int(number) if number.isdecimal() else -1
