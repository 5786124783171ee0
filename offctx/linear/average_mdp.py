"""The average MDP: the one environment that merged data of several environments look like.

Dimensions: n contexts, H horizon, S states, A actions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from offctx.checks import Floats
from offctx.linear.cmdp import LinearCMDP


@dataclass(frozen=True)
class AverageMDP:
    """What merged data look like (see `average_mdp`).

    Attributes:
        mdp: a tabular MDP, n = 1.
        behaviour: the policy whose data in `mdp` have, at each step, the distribution of the merged data (H, S, A).
        occupancy: mean probability of each state and action at each step (H, S, A).
    """

    mdp: LinearCMDP
    behaviour: Floats
    occupancy: Floats


def average_mdp(environments: LinearCMDP, behaviours: ArrayLike) -> AverageMDP:
    """The average MDP of Proposition 4.1: transitions and rewards, weighted by how often each behaviour comes by.

        P_bar_h(. | x, a) = sum_i d_{i,h}(x, a) P_{i,h}(. | x, a) / sum_i d_{i,h}(x, a),   r_bar likewise.

    Source: arXiv 2503.07988. With as many trajectories from each environment, a transition (x, a, r, x') at step h of the
    merged data has this MDP's distribution (under `behaviour`); whole trajectories need not. At (x, a)
    that no behaviour visits, the formula is undefined; the unweighted mean is used.

    Args:
        environments: the MDPs.
        behaviours: one policy for all (H, S, A), or one for each (n, H, S, A).
    """
    d = environments.occupancy(behaviours)
    total = d.sum(axis=0)
    weights = np.where(total > 0, d / np.where(total > 0, total, 1), 1 / len(environments))
    transitions = np.einsum("nhsa,nhsat->hsat", weights, environments.transitions)
    rewards = np.einsum("nhsa,nhsa->hsa", weights, environments.rewards).clip(0, 1)
    visits = total.sum(axis=-1, keepdims=True)
    behaviour = np.where(visits > 0, total / np.where(visits > 0, visits, 1), 1 / total.shape[-1])
    transitions /= transitions.sum(axis=-1, keepdims=True)
    mdp = LinearCMDP.tabular(transitions[None], rewards[None], environments.initial.mean(axis=0))
    return AverageMDP(mdp, behaviour, total / len(environments))
