"""The settings that the closed-form learners share."""

import dataclasses

import numpy as np
from d3rlpy.base import LearnableConfig

from offctx.algos.shared.quantifier_field import QUANTIFIER
from offctx.checks import at_least, count
from offctx.errors import LinearError
from offctx.uncertainty.elliptical import EllipticalUncertainty
from offctx.uncertainty.features import FeatureKind, make_features
from offctx.uncertainty.quantifier import UncertaintyQuantifier
from offctx.uncertainty.registry import as_quantifier, describe, require_features


@dataclasses.dataclass(frozen=True)
class Fitted:
    """What decides the sizes of a fitted model: the horizon H, and the number n of environments in its data."""

    horizon: int
    environments: int


@dataclasses.dataclass()
class LinearConfig(LearnableConfig):
    """Hyperparameters that the linear learners share. d3rlpy's `batch_size` and `compile_graph` have no meaning here.

    Args:
        gamma: the discount; 1, as the theory has it, unless given.
        horizon: H, the steps to go at an episode's start; the longest episode of the data where None. Later steps of longer
            episodes are left out, unless stationary.
        stationary: one policy for all steps, from H sweeps over all transitions whatever their step: for long horizons, and
            policies that do not see the step. The horizon may then exceed the data's.
        reward_bounds: the least and largest reward there can be; those of the data where None. Values are clipped to what they
            allow. In the data's units: a reward scaler scales them too.
        beta: scale of Gamma, >= 0, in the unit of values, where `uncertainty` is None. Theory's is `offctx.linear.beta_perm`
            and so on.
        ridge: lambda of the regressions, > 0.
        features: "fourier", random Fourier features of the observation; or "observation", itself, of norm at most 1.
        n_features: m, of Fourier features; even. Memory grows with n T A m^2.
        bandwidth: of the Fourier features' kernel, in standard deviations; their median distance in the data where None.
        features_seed: of the Fourier features.
        uncertainty: Gamma: a registered quantifier of `offctx.uncertainty`, or its name; where None,
            EllipticalUncertainty(beta, ridge).
        fitted: set by `fit`; leave it out.
    """

    gamma: float = 1.0
    horizon: int | None = None
    stationary: bool = False
    reward_bounds: tuple[float, float] | None = None
    beta: float = 1.0
    ridge: float = 1.0
    features: FeatureKind = "fourier"
    n_features: int = 64
    bandwidth: float | None = None
    features_seed: int = 0
    uncertainty: UncertaintyQuantifier | str | None = dataclasses.field(default=None, metadata=QUANTIFIER)
    fitted: Fitted | None = None

    def __post_init__(self) -> None:
        at_least(self.gamma, 0, "gamma", most=1)
        if self.horizon is not None:
            count(self.horizon, 1, "horizon")
        at_least(self.beta, 0, "beta")
        at_least(self.ridge, 0, "ridge", strictly=True)
        if self.uncertainty is not None:
            self.uncertainty = require_features(as_quantifier(self.uncertainty), "a linear learner")
            describe(self.uncertainty)  # refuses one that could not be saved
            if self.beta != 1.0:
                raise LinearError(f"beta is the scale of the default quantifier: give it to {self.uncertainty!r} instead")
        make_features(self.features, 1, size=self.n_features, bandwidth=self.bandwidth, seed=self.features_seed)
        if self.reward_bounds is not None:
            low, high = (at_least(bound, -np.inf, "each of two reward_bounds") for bound in self.reward_bounds)
            if low > high:
                raise LinearError(f"expected reward_bounds as (low, high); found {self.reward_bounds}")
            self.reward_bounds = (low, high)

    def quantifier(self) -> UncertaintyQuantifier:
        """Gamma, not fitted."""
        return EllipticalUncertainty(self.beta, self.ridge) if self.uncertainty is None else as_quantifier(self.uncertainty)


@dataclasses.dataclass()
class SeparateConfig(LinearConfig):
    """Hyperparameters of PERM and PPPO beside those of `LinearConfig`, as they keep the environments apart.

    Args:
        seed: of all that the learner draws.
        min_contexts: fewer contexts in the data are an error.
    """

    seed: int = 0
    min_contexts: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        count(self.seed, 0, "seed")
        count(self.min_contexts, 1, "min_contexts")
