"""Uncertainty quantifiers as d3rlpy configs, so that a learner saves and loads them."""

import dataclasses
from typing import Any, Literal, get_args

from d3rlpy.serializable_config import DynamicConfig, generate_config_registration

from offctx.algos.shared.uncertainty import CriticElliptical, EnsembleUncertainty, FixedElliptical, NoUncertainty, Uncertainty
from offctx.checks import at_least, count
from offctx.errors import LinearError
from offctx.uncertainty.features import FeatureMap, make_features

Features = Literal["fourier", "critic", "observation"]


@dataclasses.dataclass()
class UncertaintyFactory(DynamicConfig):
    """What a learner's config holds. Register your own with `register_uncertainty_factory`, and it is saved and loaded too."""

    def create(self, groups: int, observation_size: int, action_size: int, discrete: bool, critic_features: int) -> Uncertainty:
        """A quantifier for n groups.

        Args:
            groups: n.
            observation_size: o, as the networks see it.
            action_size: a, or A where `discrete`.
            discrete: whether actions are.
            critic_features: h.
        """
        raise NotImplementedError


@dataclasses.dataclass()
class NoUncertaintyFactory(UncertaintyFactory):
    """No pessimism: Gamma = 0."""

    def create(self, groups: int, observation_size: int, action_size: int, discrete: bool, critic_features: int) -> Uncertainty:
        """See `UncertaintyFactory.create`."""
        return NoUncertainty()

    @staticmethod
    def get_type() -> str:
        """Its name in a saved config."""
        return "none"


@dataclasses.dataclass()
class EllipticalUncertaintyFactory(UncertaintyFactory):
    """Gamma = beta sqrt(phi^T Lambda_i^{-1} phi).

    Args:
        beta: the scale, >= 0.
        ridge: lambda > 0.
        features: "fourier", random Fourier features; "critic", the critic's penultimate layer; "observation", given
            features: the observation (and continuous action) itself, of norm at most 1 as the networks see it.
        size: d of Fourier features.
        bandwidth: of Fourier features, in standard deviations of the data; None: the median heuristic.
        momentum: of the critic's second moments, in (0, 1].
        interval: batches between factorisations of them.
        seed: of the Fourier features.

    Raises:
        LinearError: any of them out of range.
    """

    beta: float = 1.0
    ridge: float = 1.0
    features: Features = "fourier"
    size: int = 128
    bandwidth: float | None = None
    momentum: float = 0.01
    interval: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self.beta, 0, "beta")
        at_least(self.ridge, 0, "ridge", strictly=True)
        if self.features not in get_args(Features):
            raise LinearError(f"expected features as one of {list(get_args(Features))}; found {self.features!r}")
        at_least(self.momentum, 0, "momentum", strictly=True, most=1)
        count(self.interval, 1, "interval")
        if self.features == "fourier":
            self._map(1, 0)

    def _map(self, observation_size: int, action_size: int) -> FeatureMap:
        assert self.features != "critic"
        return make_features(
            self.features, observation_size, action_size, size=self.size, bandwidth=self.bandwidth, seed=self.seed
        )

    def create(self, groups: int, observation_size: int, action_size: int, discrete: bool, critic_features: int) -> Uncertainty:
        """See `UncertaintyFactory.create`."""
        n, actions = count(groups, 1, "groups"), action_size if discrete else None
        if self.features == "critic":
            h = count(critic_features, 1, "critic_features")
            return CriticElliptical(h, n, actions, self.beta, self.ridge, self.momentum, self.interval)
        features = self._map(observation_size, 0 if discrete else action_size)
        return FixedElliptical(features, n, actions, self.beta, self.ridge)

    @staticmethod
    def get_type() -> str:
        """Its name in a saved config."""
        return "elliptical"


@dataclasses.dataclass()
class EnsembleUncertaintyFactory(UncertaintyFactory):
    """Gamma = beta times the standard deviation over the critic's members; needs at least two.

    Args:
        beta: the scale, >= 0; LinearError otherwise.
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        at_least(self.beta, 0, "beta")

    def create(self, groups: int, observation_size: int, action_size: int, discrete: bool, critic_features: int) -> Uncertainty:
        """See `UncertaintyFactory.create`."""
        return EnsembleUncertainty(self.beta)

    @staticmethod
    def get_type() -> str:
        """Its name in a saved config."""
        return "ensemble"


def _none() -> Any:
    return NoUncertaintyFactory()


register_uncertainty_factory, make_uncertainty_field = generate_config_registration(UncertaintyFactory, _none)


for _kind in (NoUncertaintyFactory, EllipticalUncertaintyFactory, EnsembleUncertaintyFactory):
    register_uncertainty_factory(_kind)
