"""The context-enhanced Bellman equation (CEBE) on tabular contextual MDPs, exactly.

Source: arXiv 2507.07348. A tabular CMDP is T^c and R^c as functions of the context. Training knows T^c, R^c and their
derivatives at the base context c0 alone, and puts in place of T^c and R^c

    T_CE^c(s'|s,a) = [T^c0 + d_c T^c0 (c - c0)](s'|s,a), renormalised over s'
    R_CE^c(s,a,s') = [R^c0 + d_c R^c0 (c - c0)](s,a,s')
    Q_CE^c(s,a)    = sum_s' T_CE^c(s'|s,a) (R_CE^c(s,a,s') + gamma sum_a' pi(a'|s') Q_CE^c(s',a'))

At c = c0 this is the ordinary Bellman equation, and sup |Q_CE^c - Q^c| = O(|c - c0|^2) (Theorem 2).

Where the paper leaves freedom:

1. Renormalised means: negative entries become 0, then a row is divided by its sum. The derivatives of a distribution sum
   to 0 over s', so that the expansion sums to 1 as it stands; without negative entries renormalisation changes nothing.
2. The paper's reward term d_s' R d_c f is for continuous states. Here s' is an index that R_CE and T_CE share.
3. The policy is the same in every context, unless one is given for each.

Dimensions: K contexts, p context coordinates, S states, A actions.
"""

import numpy as np
from numpy.typing import ArrayLike

from offctx.checks import finite_copy
from offctx.linear.discounted import Array, DiscountedCMDP, DiscountedMDPs, TabularError, evaluate_policy, uniform_policy

"""A torch function from a context (p,), float64, to an array (S, A, S)."""


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


"""Actions 0 to 3 of CliffWalking, as (row, column) steps."""
