"""Trajectories drawn from linear contextual MDPs, all contexts at once.

Dimensions: n contexts, K trajectories, H horizon, S states, A actions, d features.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from offctx.checks import Floats, Ints, count

if TYPE_CHECKING:
    from offctx.linear.cmdp import LinearCMDP


class Trajectories(NamedTuple):
    """Data as `ppe`, `pevi`, `perm` and `pppo` take them: states (n, K, H+1), actions and rewards (n, K, H)."""

    states: Ints
    actions: Ints
    rewards: Floats


def sample_trajectories(
    cmdp: "LinearCMDP", policy: Floats, episodes: int, rng: np.random.Generator, *, bernoulli: bool
) -> Trajectories:
    """K trajectories in each context, of a policy for each (n, H, S, A); arguments as in `LinearCMDP.sample`."""
    n, H, _, _ = cmdp.shape
    K = count(episodes, 1, "episodes")
    policies, measures, mixtures = (_cumulative(p) for p in (policy, cmdp.measures, cmdp.features))
    states, actions = np.empty((n, K, H + 1), dtype=np.int64), np.empty((n, K, H), dtype=np.int64)
    rewards = np.empty((n, K, H))
    each = np.arange(n)[:, None]
    states[:, :, 0] = _draw(np.broadcast_to(_cumulative(cmdp.initial)[:, None], (n, K, cmdp.initial.shape[1])), rng)
    for h in range(H):
        x = states[:, :, h]
        a = actions[:, :, h] = _draw(policies[each, h, x], rng)
        expected = np.einsum("nkd,nd->nk", cmdp.features[x, a], cmdp.reward_weights[:, h]).clip(0, 1)
        rewards[:, :, h] = rng.random((n, K)) < expected if bernoulli else expected
        latent = _draw(mixtures[x, a], rng)  # x' ~ sum_k phi_k mu_k: first k, then x'
        states[:, :, h + 1] = _draw(measures[each, h, latent], rng)
    return Trajectories(states, actions, rewards)


def _cumulative(p: Floats) -> Floats:
    """Cumulative sums whose last is exactly one."""
    sums = p.cumsum(axis=-1)
    return np.asarray(sums / sums[..., -1:])


def _draw(cumulative: Floats, rng: np.random.Generator) -> Ints:
    """One index for each row of cumulative probabilities (..., m)."""
    return np.asarray((rng.random(cumulative.shape[:-1])[..., None] >= cumulative).sum(axis=-1))
