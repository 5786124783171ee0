"""Tabular contextual MDPs with a discount: their tables, their derivatives in the context, and exact policy evaluation.

Dimensions: K contexts, p context coordinates, S states, A actions.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from offctx.checks import finite_copy
from offctx.contexts.space import ContextSpace
from offctx.errors import DerivativeError, OffctxError

Array = NDArray[np.float64]
ContextFunction = Callable[[Tensor], Tensor]
TOLERANCE = 1e-9  # the largest error of a distribution: of its sum, or of an entry below 0


class TabularError(OffctxError, ValueError):
    """Transitions, rewards, a policy or a discount that make no tabular MDP."""


@dataclasses.dataclass(frozen=True)
class DiscountedMDPs:
    """K tabular MDPs with one discount, checked when made; the arrays are read-only copies.

    Args:
        transitions: T(s'|s,a), (K, S, A, S).
        rewards: R(s,a,s'), (K, S, A, S).
        gamma: discount, in [0, 1).

    Raises:
        TabularError: shapes do not fit, numbers are not finite, a row of `transitions` is no distribution over s'.
    """

    transitions: Array
    rewards: Array
    gamma: float

    def __post_init__(self) -> None:
        check_discount(self.gamma)
        for name in ("transitions", "rewards"):
            array = finite_copy(getattr(self, name), name, TabularError)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        shape = self.transitions.shape
        if len(shape) != 4 or shape[1] != shape[3] or 0 in shape:
            raise TabularError(f"transitions must be (K, S, A, S), none of them 0; found shape {shape}")
        if self.rewards.shape != shape:
            raise TabularError(f"rewards must have the shape of transitions, {shape}; found {self.rewards.shape}")
        check_distributions(self.transitions, "transitions[k, s, a]")


@dataclasses.dataclass(frozen=True)
class DiscountedCMDP:
    """A tabular contextual MDP, given by functions of the context; its base context c0 is the context space's default.

    Both functions get one context, a float64 tensor (p,), and must be made of torch operations without control flow that
    looks at its value: they are differentiated and batched over contexts by `torch.func`.

    Args:
        transition: c -> T^c(s'|s,a), (S, A, S).
        reward: c -> R^c(s,a,s'), (S, A, S).
        context_space: which contexts there are; contexts outside it are refused.
        gamma: discount, in [0, 1).

    Raises:
        TabularError: at c0 they make no MDP.

    Example::

        two_coins = DiscountedCMDP(
            transition=lambda c: torch.stack([c, 1 - c], dim=1).expand(2, 1, 2),
            reward=lambda c: c**2 * torch.ones(2, 1, 2),
            context_space=ContextSpace(["heads"], 0.0, 1.0, 0.5),
            gamma=0.9,
        )
    """

    transition: ContextFunction
    reward: ContextFunction
    context_space: ContextSpace
    gamma: float

    def __post_init__(self) -> None:
        c0 = torch.tensor(self.context_space.default)
        for name in ("transition", "reward"):
            value = getattr(self, name)(c0)
            if not isinstance(value, Tensor) or value.ndim != 3 or value.shape[0] != value.shape[2]:
                description = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise TabularError(f"{name}(context) must be a tensor (S, A, S); at the base context found {description}")
        self.at(self.context_space.default)

    def at(self, contexts: ArrayLike) -> DiscountedMDPs:
        """The true MDPs at contexts (K, p), in one batch; a single context (p,) is one row.

        Raises:
            ContextError: a context is not in the context space.
            TabularError: the functions make no MDP of a context, or cannot be batched.
        """
        rows = torch.tensor(self.context_space.check_many(contexts))
        return DiscountedMDPs(self._batched("transition", rows), self._batched("reward", rows), self.gamma)

    def derivatives(self) -> tuple[Array, Array]:
        """d_c T and d_c R at c0 by forward-mode automatic differentiation, each (S, A, S, p).

        Raises:
            DerivativeError: one of them is not finite.
            TabularError: d_c T does not sum to 0 over s', so that T^c is no distribution around c0.
        """
        c0 = torch.tensor(self.context_space.default)
        derivatives = []
        for name in ("transition", "reward"):
            derivative = float64_array(torch.func.jacfwd(getattr(self, name))(c0))
            if not np.isfinite(derivative).all():
                index = [int(i) for i in np.argwhere(~np.isfinite(derivative))[0]]
                raise DerivativeError(
                    f"the derivative of {name} at the base context {self.context_space.describe(c0)} is not finite at "
                    f"(s, a, s', coordinate) = {index}"
                )
            derivatives.append(derivative)
        drift = np.abs(derivatives[0].sum(axis=2)).max(axis=-1)
        if (drift > TOLERANCE * np.maximum(1.0, np.abs(derivatives[0]).max(axis=(2, 3)))).any():
            state, action = (int(i) for i in np.unravel_index(drift.argmax(), drift.shape))
            raise TabularError(
                f"transition(context) must be a distribution over s' at every context, so its derivative must sum to 0; "
                f"found {drift.max():g} at state {state}, action {action}"
            )
        return derivatives[0], derivatives[1]

    def _batched(self, name: str, rows: Tensor) -> Array:
        try:
            values = torch.func.vmap(getattr(self, name))(rows)
        except (RuntimeError, ValueError) as error:
            raise TabularError(f"{name} cannot be batched over contexts by torch.func.vmap: {error}") from error
        return float64_array(values)


def uniform_policy(states: int, actions: int) -> Array:
    """The policy (S, A) that takes every action with the same probability."""
    if states < 1 or actions < 1:
        raise TabularError(f"a policy needs at least one state and one action; found {states} and {actions}")
    return np.full((states, actions), 1.0 / actions)


def evaluate_policy(mdps: DiscountedMDPs, policy: ArrayLike) -> Array:
    """Exact Q^pi of every MDP, (K, S, A), by one batched linear solve: (I - gamma T_pi) v = r_pi, Q = r + gamma T v.

    Args:
        mdps: K MDPs.
        policy: pi(a|s), (S, A), or one for each MDP, (K, S, A).

    Raises:
        TabularError: the policy does not fit or is no distribution over actions.
    """
    K, S, A = mdps.transitions.shape[:3]
    pi_array = finite_copy(policy, "policy", TabularError)
    if pi_array.shape not in ((S, A), (K, S, A)):
        raise TabularError(f"policy must be {(S, A)}, or {(K, S, A)} with one for each MDP; found shape {pi_array.shape}")
    check_distributions(pi_array, "policy[..., s]")
    transition, reward = torch.tensor(mdps.transitions), torch.tensor(mdps.rewards)
    pi = torch.tensor(pi_array).expand(K, S, A)
    expected_reward = (transition * reward).sum(dim=-1)
    step = torch.einsum("ksa,ksat->kst", pi, transition)
    value = torch.linalg.solve(torch.eye(S, dtype=torch.float64) - mdps.gamma * step, (pi * expected_reward).sum(dim=-1))
    q: Array = (expected_reward + mdps.gamma * torch.einsum("ksat,kt->ksa", transition, value)).numpy()
    return q


def float64_array(tensor: Tensor) -> Array:
    """A tensor's numbers as a float64 array."""
    array: Array = tensor.detach().to(torch.float64).numpy()
    return array


def check_distributions(array: Array, name: str) -> None:
    """That the last axis holds distributions, up to rounding."""
    bad = (array < -TOLERANCE).any(axis=-1) | (np.abs(array.sum(axis=-1) - 1) > TOLERANCE)
    if bad.any():
        index = [int(i) for i in np.argwhere(bad)[0]]
        row = array[tuple(index)]
        raise TabularError(
            f"{name} must be a distribution: entries >= 0 that sum to 1; at index {index} found smallest entry "
            f"{row.min():g}, sum {row.sum():g}"
        )


def check_discount(gamma: Any) -> None:
    """That a discount is in [0, 1)."""
    if isinstance(gamma, bool) or not isinstance(gamma, (int, float)) or not 0 <= gamma < 1:
        raise TabularError(f"gamma must be a number in [0, 1); found {gamma!r}")
