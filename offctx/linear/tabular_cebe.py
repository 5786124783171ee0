"""The context-enhanced Bellman equation (CEBE) on tabular contextual MDPs, exactly.

Source: arXiv 2507.07348. A tabular CMDP is T^c and R^c as functions of the context. Training knows them, and their
derivatives, at the base context c0 alone, and puts in place of T^c and R^c

    T_CE^c(s'|s,a) = [T^c0 + d_c T^c0 (c - c0)](s'|s,a), renormalised over s'
    R_CE^c(s,a,s') = [R^c0 + d_c R^c0 (c - c0)](s,a,s')
    Q_CE^c(s,a)    = sum_s' T_CE^c(s'|s,a) (R_CE^c(s,a,s') + gamma sum_a' pi(a'|s') Q_CE^c(s',a'))

At c = c0 this is the ordinary Bellman equation, and sup |Q_CE^c - Q^c| = O(|c - c0|^2) (Theorem 2).

Where the paper leaves freedom:

1. Renormalised means: negative entries become 0, then a row is divided by its sum. The derivatives of a distribution sum
   to 0 over s', so that the expansion sums to 1 as it stands; without negative entries renormalisation changes nothing.
2. The paper's reward term d_s' R d_c f is for continuous states. Here s' is an index that R_CE and T_CE share.
3. The policy is the same in every context, unless one is given for each.

CliffWalking, a natural reading of the paper's description (`cliff_walking`):

4. 5 rows of 6 columns, numbered along the rows from the top left; actions up, right, down, left. The start is the bottom
   left cell, state 24; the bottom row beyond it is four cliff cells and the goal in the bottom right corner, state 29.
5. The action's direction is taken with probability 1 - p, each of the other three with p/3.
6. A move against a wall stays where it is. There is no cost for a step.
7. Penalty and goal reward are paid once, on the move that enters the cell: a reward of (s, a, s'). The cliff and goal cells are
   absorbing and pay nothing from then on. (The start is not entered by falling: a fall ends the walk.)

T is linear in p, so that T_CE is exact for every p in (0, 1) and all error comes from the reward: none in family 0.

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
"""A torch function from a context (p,), float64, to an array (S, A, S)."""

_TOLERANCE = 1e-9  # of a distribution: how far a sum may be from 1, an entry below 0


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
        _check_gamma(self.gamma)
        for name in ("transitions", "rewards"):
            array = finite_copy(getattr(self, name), name, TabularError)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        shape = self.transitions.shape
        if len(shape) != 4 or shape[1] != shape[3] or 0 in shape:
            raise TabularError(f"transitions must be (K, S, A, S), none of them 0; found shape {shape}")
        if self.rewards.shape != shape:
            raise TabularError(f"rewards must have the shape of transitions, {shape}; found {self.rewards.shape}")
        _check_distributions(self.transitions, "transitions[k, s, a]")


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
                found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise TabularError(f"{name}(context) must be a tensor (S, A, S); at the base context found {found}")
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
        found = []
        for name in ("transition", "reward"):
            derivative = _float64(torch.func.jacfwd(getattr(self, name))(c0))
            if not np.isfinite(derivative).all():
                index = [int(i) for i in np.argwhere(~np.isfinite(derivative))[0]]
                raise DerivativeError(
                    f"the derivative of {name} at the base context {self.context_space.describe(c0)} is not finite at "
                    f"(s, a, s', coordinate) = {index}"
                )
            found.append(derivative)
        drift = np.abs(found[0].sum(axis=2)).max(axis=-1)
        if (drift > _TOLERANCE * np.maximum(1.0, np.abs(found[0]).max(axis=(2, 3)))).any():
            state, action = (int(i) for i in np.unravel_index(drift.argmax(), drift.shape))
            raise TabularError(
                f"transition(context) must be a distribution over s' at every context, so its derivative must sum to 0; "
                f"found {drift.max():g} at state {state}, action {action}"
            )
        return found[0], found[1]

    def _batched(self, name: str, rows: Tensor) -> Array:
        try:
            values = torch.func.vmap(getattr(self, name))(rows)
        except (RuntimeError, ValueError) as error:
            raise TabularError(f"{name} cannot be batched over contexts by torch.func.vmap: {error}") from error
        return _float64(values)


def enhance(cmdp: DiscountedCMDP, contexts: ArrayLike) -> DiscountedMDPs:
    """The context-enhanced MDPs at contexts (K, p): T_CE and R_CE of the module's docstring, in one batch.

    At the base context it is the base MDP itself, up to the rounding of the division by the rows' sums.

    Raises:
        ContextError: a context is not in the context space.
        DerivativeError, TabularError: as `DiscountedCMDP.derivatives`.
    """
    dc = cmdp.context_space.check_many(contexts) - cmdp.context_space.default
    base = cmdp.at(cmdp.context_space.default)
    dtransition, dreward = cmdp.derivatives()
    return DiscountedMDPs(
        renormalise(base.transitions + np.einsum("satp,kp->ksat", dtransition, dc)),
        base.rewards + np.einsum("satp,kp->ksat", dreward, dc),
        cmdp.gamma,
    )


def renormalise(weights: ArrayLike) -> Array:
    """Weights (..., S) as distributions over the last axis: negative ones become 0, then a row is divided by its sum.

    Raises:
        TabularError: a weight is not finite, or a row has no positive one.
    """
    positive = np.maximum(finite_copy(weights, "weights", TabularError), 0.0)
    total = positive.sum(axis=-1, keepdims=True)
    if positive.ndim == 0 or not (total > 0).all():
        raise TabularError("expected at least one positive weight in every row (..., S); found a row without")
    normalised: Array = positive / total
    return normalised


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
    _check_distributions(pi_array, "policy[..., s]")
    transition, reward = torch.tensor(mdps.transitions), torch.tensor(mdps.rewards)
    pi = torch.tensor(pi_array).expand(K, S, A)
    expected_reward = (transition * reward).sum(dim=-1)
    step = torch.einsum("ksa,ksat->kst", pi, transition)
    value = torch.linalg.solve(torch.eye(S, dtype=torch.float64) - mdps.gamma * step, (pi * expected_reward).sum(dim=-1))
    q: Array = (expected_reward + mdps.gamma * torch.einsum("ksat,kt->ksa", transition, value)).numpy()
    return q


def cebe_error(cmdp: DiscountedCMDP, contexts: ArrayLike, policy: ArrayLike | None = None) -> Array:
    """sup over (s, a) of |Q_CE^c - Q^c| at each context (K, p): an array (K,).

    Args:
        cmdp: the CMDP.
        contexts: (K, p).
        policy: as in `evaluate_policy`; uniform where not given.

    Raises:
        ContextError, DerivativeError, TabularError: as `enhance`, `DiscountedCMDP.at` and `evaluate_policy`.
    """
    true = cmdp.at(contexts)
    pi = uniform_policy(*true.transitions.shape[1:3]) if policy is None else policy
    difference = evaluate_policy(enhance(cmdp, contexts), pi) - evaluate_policy(true, pi)
    error: Array = np.abs(difference).max(axis=(1, 2))
    return error


def log_log_slope(distances: ArrayLike, errors: ArrayLike) -> float:
    """The least-squares slope of log(errors) against log(distances), both (K,): the order of the error, 2 by Theorem 2.

    Raises:
        TabularError: not two different positive distances, or an error that is not positive.
    """
    x, y = finite_copy(distances, "distances", TabularError), finite_copy(errors, "errors", TabularError)
    if x.ndim != 1 or x.shape != y.shape or (x <= 0).any() or (y <= 0).any() or len(np.unique(x)) < 2:
        raise TabularError(
            f"a slope needs positive distances (K,), at least two different ones, and positive errors (K,); found {x} and {y}"
        )
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


# --- CliffWalking --------------------------------------------------------------------------------------------------------

CLIFF_ROWS, CLIFF_COLUMNS = 5, 6
CLIFF_START, CLIFF_GOAL = 24, 29
CLIFF_MOVES = {"up": (-1, 0), "right": (0, 1), "down": (1, 0), "left": (0, -1)}
"""Actions 0 to 3 of CliffWalking, as (row, column) steps."""


def cliff_walking(family: int, *, gamma: float = 0.9) -> DiscountedCMDP:
    """CliffWalking: S = 30, A = 4; the context is the slip probability p in (0, 1), c0 = 0.1 (readings 4 to 7 above).

    | family | goal reward   | penalty      |
    |--------|---------------|--------------|
    | 0      | 1             | 100          |
    | 1      | 1 / p^2       | 100 / p      |
    | 2      | 1 / (1+p)^1.5 | 10 / (1 + p) |

    Raises:
        TabularError: no such family, or a discount outside [0, 1).
    """
    families: dict[int, Callable[[Tensor], tuple[Any, Any]]] = {
        0: lambda p: (1.0, 100.0),
        1: lambda p: (p**-2, 100 / p),
        2: lambda p: ((1 + p) ** -1.5, 10 / (1 + p)),
    }
    if family not in list(families):
        raise TabularError(f"CliffWalking has reward families {list(families)}; found {family!r}")
    landing = _cliff_landing()
    actions = len(CLIFF_MOVES)
    own = torch.eye(actions, dtype=torch.float64)
    states = torch.arange(CLIFF_ROWS * CLIFF_COLUMNS)
    live = (states <= CLIFF_START).double()[:, None, None]  # what is not absorbing: the bottom row beyond the start is
    goal = (states == CLIFF_GOAL).double()
    cliff = ((states > CLIFF_START) & (states < CLIFF_GOAL)).double()

    def transition(context: Tensor) -> Tensor:
        slip = context[0]
        direction = (1 - slip) * own + slip / (actions - 1) * (1 - own)
        return torch.einsum("ad,sdt->sat", direction, landing)

    def reward(context: Tensor) -> Tensor:
        goal_reward, penalty = families[family](context[0])
        entering: Tensor = live * (goal_reward * goal - penalty * cliff)
        return entering.expand(-1, actions, -1)

    space = ContextSpace(["p"], 0.0, 1.0, 0.1, constraints=["p > 0", "p < 1"])
    return DiscountedCMDP(transition, reward, space, gamma)


def _cliff_landing() -> Tensor:
    """Where a move in each direction ends: one-hot (S, 4, S), staying at walls and in absorbing cells."""
    states = np.arange(CLIFF_ROWS * CLIFF_COLUMNS)
    steps = np.array(list(CLIFF_MOVES.values()))
    cells = np.stack([states // CLIFF_COLUMNS, states % CLIFF_COLUMNS], axis=1)
    reached = np.clip(cells[:, None] + steps, 0, [CLIFF_ROWS - 1, CLIFF_COLUMNS - 1])
    numbers = reached[..., 0] * CLIFF_COLUMNS + reached[..., 1]
    numbers = np.where(states[:, None] > CLIFF_START, states[:, None], numbers)
    landing: Tensor = torch.eye(len(states), dtype=torch.float64)[torch.tensor(numbers)]
    return landing


def _float64(tensor: Tensor) -> Array:
    array: Array = tensor.detach().to(torch.float64).numpy()
    return array


# --- checks --------------------------------------------------------------------------------------------------------------


def _check_distributions(array: Array, name: str) -> None:
    bad = (array < -_TOLERANCE).any(axis=-1) | (np.abs(array.sum(axis=-1) - 1) > _TOLERANCE)
    if bad.any():
        index = [int(i) for i in np.argwhere(bad)[0]]
        row = array[tuple(index)]
        raise TabularError(
            f"{name} must be a distribution: entries >= 0 that sum to 1; at index {index} found smallest entry "
            f"{row.min():g}, sum {row.sum():g}"
        )


def _check_gamma(gamma: Any) -> None:
    if isinstance(gamma, bool) or not isinstance(gamma, (int, float)) or not 0 <= gamma < 1:
        raise TabularError(f"gamma must be a number in [0, 1); found {gamma!r}")
