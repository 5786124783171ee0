"""Functions of a policy that augmentations use.

Dimensions: B batch, D what the agent sees, a action.
"""

from typing import Any

import numpy as np

from offctx.envs.base import Array
from offctx.errors import PolicyError


def networks_of(policy: Any) -> Any:
    """The networks of a d3rlpy algorithm; the policy itself, where it is something else.

    Raises:
        PolicyError: the algorithm has no networks yet, or a scaler of it is not fitted yet.
    """
    impl = getattr(policy, "impl", policy)
    if impl is None:
        raise PolicyError(
            f"CSE's policy {type(policy).__name__} has no networks yet: call its build_with_dataset(buffer) or fit before "
            f"a batch is drawn"
        )
    for name in ("observation_scaler", "action_scaler"):
        scaler = getattr(policy, name, None)
        if scaler is not None and not getattr(scaler, "built", True):
            raise PolicyError(
                f"the {name} of CSE's policy {type(policy).__name__} is not fitted yet: give it its numbers, or fit"
            )
    return impl


def draw_actions(policy: Any, observations: Array) -> Array:
    """Actions (B, a) that the policy draws at observations (B, D); its greedy ones where it cannot draw.

    Raises:
        PolicyError: it has neither sample_action nor predict, or is not built.
    """
    networks_of(policy)
    for name in ("sample_action", "predict"):
        choose = getattr(policy, name, None)
        if callable(choose):
            try:
                return np.asarray(choose(observations))
            except NotImplementedError:
                continue
    raise PolicyError(f"CSE can resample from a policy with sample_action or predict; found {type(policy).__name__}")


def transport(actions: Array, mean1: Array, std1: Array, mean2: Array, std2: Array) -> Array:
    """The optimal transport map between diagonal Gaussians, mu2 + (a - mu1) sigma2 / sigma1; all (B, a)."""
    return np.asarray(mean2 + (actions - mean1) * (std2 / std1))
