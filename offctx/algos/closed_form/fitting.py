"""From a buffer's data to a `Problem`: data packed by step and environment, factorised regressions, a fitted quantifier.

Dimensions: N transitions, n environments, K transitions of one environment at one step (padded with zeros), H horizon, T steps
that have regressions of their own (H, or 1 where stationary), A actions, m features.
"""

import numpy as np
import torch
from torch import nn

from offctx.algos.closed_form.bonus import bonus_of_actions, fit_quantifier
from offctx.algos.closed_form.data import EpisodeData
from offctx.algos.closed_form.problem import Problem, next_index
from offctx.algos.closed_form.regression import Starts, StepRegression, packer
from offctx.algos.shared.losses import value_bounds
from offctx.uncertainty.elliptical import EllipticalUncertainty
from offctx.uncertainty.groups import GroupedFeatures
from offctx.uncertainty.quantifier import UncertaintyQuantifier


def fit_problem(
    data: EpisodeData,
    starts: EpisodeData,
    features: nn.Module,
    actions: int,
    *,
    horizon: int,
    stationary: bool,
    reward_bounds: tuple[float, float],
    quantifier: UncertaintyQuantifier,
    ridge: float,
    gamma: float,
) -> Problem:
    """Factorises the regressions and fits the quantifier.

    Args:
        data: transitions of steps below H.
        starts: the first transition of each episode.
        features: psi, ready, in float64.
        actions: A.
        horizon: H.
        stationary: one regression for all steps.
        reward_bounds: of single rewards.
        quantifier: Gamma, not fitted.
        ridge: lambda of the regressions.
        gamma: the discount.
    """
    n, T = starts.n, 1 if stationary else horizon
    index = data.steps.clamp(max=T - 1)  # which regression a transition serves
    cells = (index * n + data.environments) * actions + data.actions
    grouped = GroupedFeatures(features, data.observations, None, cells, (T, n, actions))
    regression = EllipticalUncertainty(ridge=ridge).fit_groups(grouped)
    quantifier, whitening = fit_quantifier(quantifier, grouped, regression), regression.whitening

    def step(t: int) -> StepRegression:
        rows = data.where(index == t)
        pack, after = packer(rows.environments, n), next_index(t, T, horizon)
        chosen = pack(nn.functional.one_hot(rows.actions, actions))
        next_features = pack(features(rows.next_observations))
        no_bonus = torch.zeros_like(chosen)
        return StepRegression(
            features=pack(features(rows.observations)),
            chosen=chosen,
            rewards=pack(rows.rewards),
            discounts=pack(gamma * rows.alive),
            next_features=next_features,
            next_bonus=no_bonus if after is None else bonus_of_actions(quantifier.select(after), next_features, actions),
            whitening=whitening[t],
        )

    bounds = np.array([value_bounds(reward_bounds, gamma, horizon - h) for h in range(horizon)])
    return Problem([step(t) for t in range(T)], _pack_starts(starts, features, quantifier, actions), bounds, quantifier)


def _pack_starts(starts: EpisodeData, features: nn.Module, quantifier: UncertaintyQuantifier, actions: int) -> Starts:
    """The initial observations of each environment, which weigh the same within it."""
    pack = packer(starts.environments, starts.n)
    packed, shares = pack(features(starts.observations)), 1 / torch.bincount(starts.environments).double()
    bonus = bonus_of_actions(quantifier.select(0), packed, actions)
    return Starts(packed, bonus, pack(shares[starts.environments]))
