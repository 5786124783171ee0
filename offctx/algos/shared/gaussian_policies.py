"""The Gaussian of a d3rlpy policy network, and actions transported from one of its Gaussians to another.

Dimensions: B batch, D what the agent sees, a action.
"""

from typing import Any, Literal

import numpy as np
import torch

from offctx.augmentations.policies import networks_of, transport
from offctx.envs.base import Array
from offctx.errors import PolicyError
from offctx.module_modes import evaluation_mode

_TANH_LIMIT = 0.999999  # how far d3rlpy follows the inverse of tanh

# What d3rlpy's implementations make of a policy network's mu and logstd, by class name, its own or its nearest parent's.
# "squashed": tanh of a Gaussian about mu. "gaussian": a Gaussian about tanh(mu), or tanh(mu) itself where there is no logstd.
_KINDS: dict[str, Literal["squashed", "gaussian"]] = {
    "SACImpl": "squashed",
    "AWACImpl": "gaussian",
    "IQLImpl": "gaussian",
    "CRRImpl": "gaussian",
    "BCImpl": "gaussian",
    "DDPGImpl": "gaussian",
}


def transported_actions(policy: Any, actions: Array, before: Array, after: Array) -> Array:
    """Actions with the same place in the policy's distribution at the observations `after` as at those `before`.

    Args:
        policy: a d3rlpy algorithm with a diagonal Gaussian or a deterministic policy, built.
        actions: (B, a), in the units of the environment.
        before: observations (B, D).
        after: observations (B, D).

    Returns:
        (B, a), in the units of the environment. They may lie outside the action space.

    Raises:
        PolicyError: the policy is of another kind, not built, or takes other observations.
    """
    impl = networks_of(policy)
    kind = next((_KINDS[parent.__name__] for parent in type(impl).__mro__ if parent.__name__ in _KINDS), None)
    if kind is None:
        raise PolicyError(
            f"CSE can transport the actions of a diagonal Gaussian or deterministic policy (d3rlpy's SAC, AWAC, IQL, CRR, TD3, "
            f"DDPG, BC and their kin), or of anything with gaussian(observations); found {type(policy).__name__}"
        )
    scaler = getattr(policy, "action_scaler", None)
    scaled = actions if scaler is None else scaler.transform_numpy(actions)  # as the policy's networks have them
    mean, std = _gaussian(policy, impl, np.concatenate([before, after]), squashed=kind == "squashed")
    n = len(actions)
    if kind == "squashed":
        within = np.clip(scaled, -_TANH_LIMIT, _TANH_LIMIT).astype(np.float64)
        unsquashed = transport(np.arctanh(within), mean[:n], std[:n], mean[n:], std[n:])
        # Actions beyond the range of tanh keep their distance from it, so that nothing moves where the policy is the same.
        moved = np.tanh(unsquashed) + (scaled - within)
    else:
        moved = transport(scaled, mean[:n], std[:n], mean[n:], std[n:])
    return np.asarray(moved if scaler is None else scaler.reverse_transform_numpy(moved))


def _gaussian(policy: Any, impl: Any, observations: Array, *, squashed: bool) -> tuple[Array, Array]:
    """Mean and standard deviation (B, a) of a policy network, before the tanh where it squashes. Deviation 1 if it has none."""
    if tuple(impl.observation_shape) != observations.shape[1:]:
        raise PolicyError(
            f"CSE's policy takes inputs of shape {impl.observation_shape}; the batch has {observations.shape[1:]}"
        )
    network, scaler = impl.policy, getattr(policy, "observation_scaler", None)
    with evaluation_mode(network), torch.no_grad():  # as d3rlpy does to predict
        inputs = torch.as_tensor(observations, dtype=torch.float32, device=impl.device)
        output = network(inputs if scaler is None else scaler.transform(inputs))
        mean = (output.mu if squashed else output.squashed_mu).double().cpu().numpy()
        std = np.ones(1) if output.logstd is None else output.logstd.double().exp().cpu().numpy()
    return mean, np.broadcast_to(std, mean.shape)
