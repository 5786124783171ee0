"""The scale beta with which theory makes a quantifier large enough."""

import numpy as np

from offctx.checks import at_least, count
from offctx.errors import LinearError


# The theorems say beta = c d H sqrt(zeta) with an absolute constant c that the papers leave open; c = 1 here.
def beta_pevi(d: int, H: int, K: int, delta: float, *, c: float = 1.0) -> float:
    """PEVI's beta = c d H sqrt(log(2 d H K / delta)) (arXiv 2012.15085, Theorem 4.4).

    Args:
        d: the number of features.
        H: the horizon.
        K: trajectories altogether.
        delta: the failure probability, in (0, 1).
        c: the absolute constant, >= 0.

    Returns:
        beta.

    Raises:
        LinearError: an argument out of its range.
    """
    return _beta(d, H, {"K": K}, delta, 0.0, c)


def beta_perm(d: int, H: int, n: int, K: int, delta: float, log_covering: float, *, c: float = 1.0) -> float:
    """PERM's beta = c d H sqrt(log(2 d n H K / delta) + log N), so that Gamma holds for all n environments and policies.

    Source: arXiv 2503.07988.

    Args:
        d: the number of features.
        H: the horizon.
        n: environments.
        K: trajectories of each.
        delta: the failure probability, in (0, 1).
        log_covering: log of the covering number N of the policy class: H S log A for deterministic policies, 0 for one policy
            fixed in advance.
        c: the absolute constant, >= 0.

    Returns:
        beta.

    Raises:
        LinearError: an argument out of its range.
    """
    return _beta(d, H, {"n": n, "K": K}, delta, at_least(log_covering, 0, "log_covering"), c)


def beta_pppo(d: int, H: int, n: int, K: int, A: int, delta: float, *, c: float = 1.0) -> float:
    """PPPO's beta = c d H sqrt(log(2 d n H K A / delta)): the number of actions in the policy class's place.

    Source: arXiv 2503.07988.

    Args:
        d: the number of features.
        H: the horizon.
        n: environments.
        K: trajectories of each.
        A: actions.
        delta: the failure probability, in (0, 1).
        c: the absolute constant, >= 0.

    Returns:
        beta.

    Raises:
        LinearError: an argument out of its range.
    """
    return _beta(d, H, {"n": n, "K": K}, delta, float(np.log(count(A, 1, "A"))), c)


def _beta(d: int, H: int, sizes: dict[str, int], delta: float, log_extra: float, c: float) -> float:
    product = count(d, 1, "d") * count(H, 1, "H")
    for name, size in sizes.items():
        product *= count(size, 1, name)
    if not 0 < delta < 1:
        raise LinearError(f"expected a failure probability 0 < delta < 1; found {delta!r}")
    return at_least(c, 0, "c") * d * H * float(np.sqrt(np.log(2 * product / delta) + log_extra))
