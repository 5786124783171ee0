"""Quantifiers in the config of a d3rlpy learner, so that a learner saves and loads them."""

import dataclasses
from typing import Any, Literal, cast

import torch
from d3rlpy.serializable_config import DynamicConfig, generate_config_registration
from dataclasses_json import config

from offctx.algos.shared.critic_features import CriticFeatureUncertainty
from offctx.algos.shared.fixed_features import FixedFeatureUncertainty
from offctx.algos.shared.uncertainty import MemberUncertainty, Uncertainty, WithoutUncertainty
from offctx.checks import at_least, count
from offctx.errors import AlgorithmError, LinearError
from offctx.uncertainty.elliptical import EllipticalUncertainty
from offctx.uncertainty.ensemble import EnsembleUncertainty
from offctx.uncertainty.features import FeatureKind, FeatureMap, make_features
from offctx.uncertainty.none import NoUncertainty
from offctx.uncertainty.quantifier import UncertaintyQuantifier
from offctx.uncertainty.registry import as_quantifier, describe, make_quantifier, quantifier_names

Features = Literal["fourier", "critic", "observation"]
_FEATURES: tuple[Features, ...] = ("fourier", "critic", "observation")


@dataclasses.dataclass()
class UncertaintyFactory(DynamicConfig):
    """What the config of a learner with deep critics holds: a quantifier, and the features that it is given.

    A quantifier of your own needs no factory: register it with `offctx.uncertainty.register_quantifier`. A subclass of this
    class, registered with `register_uncertainty_factory`, makes a module of your own instead.
    """

    def create(self, groups: int, observation_size: int, action_size: int, discrete: bool, critic_features: int) -> Uncertainty:
        """A module for n groups.

        Args:
            groups: n.
            observation_size: o, as the networks see it.
            action_size: a, or A where `discrete`.
            discrete: whether actions are.
            critic_features: h.
        """
        raise NotImplementedError


class _QuantifierFactory(UncertaintyFactory):
    """What factories share that give a quantifier its features; the fields are in the subclasses."""

    features: Features
    size: int
    bandwidth: float | None
    momentum: float
    interval: int
    seed: int

    def __post_init__(self) -> None:
        if self.features not in _FEATURES:
            raise LinearError(f"expected features as one of {list(_FEATURES)}; found {self.features!r}")
        at_least(self.momentum, 0, "momentum", strictly=True, most=1)
        count(self.interval, 1, "interval")
        if self.features == "fourier":
            self._map(1, 0)

    def make(self) -> UncertaintyQuantifier:
        """The quantifier, not fitted."""
        raise NotImplementedError

    def create(self, groups: int, observation_size: int, action_size: int, discrete: bool, critic_features: int) -> Uncertainty:
        """The module that gives the quantifier what it needs; arguments as in `UncertaintyFactory.create`."""
        quantifier, n, actions = self.make(), count(groups, 1, "groups"), action_size if discrete else None
        if quantifier.needs == "nothing":
            return WithoutUncertainty()
        if quantifier.needs == "members":
            return MemberUncertainty(quantifier)
        if self.features == "critic":
            h = count(critic_features, 1, "critic_features")
            return CriticFeatureUncertainty(quantifier, h, n, actions, self.momentum, self.interval)
        features = self._map(observation_size, 0 if discrete else action_size)
        return FixedFeatureUncertainty(quantifier, features, n, actions)

    def _map(self, observation_size: int, action_size: int) -> FeatureMap:
        kind = cast(FeatureKind, self.features)
        return make_features(kind, observation_size, action_size, size=self.size, bandwidth=self.bandwidth, seed=self.seed)


@dataclasses.dataclass()
class NoUncertaintyFactory(UncertaintyFactory):
    """No pessimism: Gamma = 0."""

    def create(self, groups: int, observation_size: int, action_size: int, discrete: bool, critic_features: int) -> Uncertainty:
        """The module without uncertainty; arguments as in `UncertaintyFactory.create`."""
        return WithoutUncertainty()

    @staticmethod
    def get_type() -> str:
        """Its name in a saved config."""
        return "none"


@dataclasses.dataclass()
class EllipticalUncertaintyFactory(_QuantifierFactory):
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
        self.make()
        super().__post_init__()

    def make(self) -> UncertaintyQuantifier:
        """The quantifier, not fitted."""
        return EllipticalUncertainty(self.beta, self.ridge)

    @staticmethod
    def get_type() -> str:
        """Its name in a saved config."""
        return "elliptical"


@dataclasses.dataclass()
class EnsembleUncertaintyFactory(UncertaintyFactory):
    """Gamma = beta times the standard deviation over the critic's members; needs at least two.

    Args:
        beta: the scale, >= 0.

    Raises:
        LinearError: beta < 0.
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        EnsembleUncertainty(self.beta)

    def create(self, groups: int, observation_size: int, action_size: int, discrete: bool, critic_features: int) -> Uncertainty:
        """The module on the members' values; arguments as in `UncertaintyFactory.create`."""
        return MemberUncertainty(EnsembleUncertainty(self.beta))

    @staticmethod
    def get_type() -> str:
        """Its name in a saved config."""
        return "ensemble"


def _encode(quantifier: UncertaintyQuantifier | None) -> dict[str, Any] | None:
    if quantifier is None:
        return None
    name, settings = describe(quantifier)
    return {"name": name, "settings": settings}


def _decode(saved: dict[str, Any] | None) -> UncertaintyQuantifier | None:
    return None if saved is None else make_quantifier(saved["name"], **saved["settings"])


QUANTIFIER = config(encoder=_encode, decoder=_decode)
"""The metadata of a config's field that holds a registered quantifier or None."""


@dataclasses.dataclass()
class QuantifierFactory(_QuantifierFactory):
    """Any registered quantifier, and the features that it is given.

    Args:
        quantifier: it, not fitted; or its name.
        features, size, bandwidth, momentum, interval, seed: as in `EllipticalUncertaintyFactory`.

    Raises:
        LinearError: the quantifier is not registered; a setting out of range; or features "critic" and a quantifier that
            cannot follow features that change.
    """

    quantifier: UncertaintyQuantifier | str = dataclasses.field(default="elliptical", metadata=QUANTIFIER)
    features: Features = "fourier"
    size: int = 128
    bandwidth: float | None = None
    momentum: float = 0.01
    interval: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        self.quantifier = as_quantifier(self.quantifier)
        describe(self.quantifier)  # refuses one that could not be saved
        super().__post_init__()
        if self.features == "critic" and self.quantifier.needs == "features":
            self.quantifier.fit_gram(torch.eye(1))  # refuses now where it cannot

    def make(self) -> UncertaintyQuantifier:
        """The quantifier, not fitted."""
        return as_quantifier(self.quantifier)

    @staticmethod
    def get_type() -> str:
        """Its name in a saved config."""
        return "quantifier"


def _none() -> Any:
    return NoUncertaintyFactory()


register_uncertainty_factory, make_uncertainty_field = generate_config_registration(UncertaintyFactory, _none)

_FACTORIES: dict[type[UncertaintyQuantifier], type[UncertaintyFactory]] = {
    NoUncertainty: NoUncertaintyFactory,
    EllipticalUncertainty: EllipticalUncertaintyFactory,
    EnsembleUncertainty: EnsembleUncertaintyFactory,
}

for _kind in (*_FACTORIES.values(), QuantifierFactory):
    register_uncertainty_factory(_kind)


def as_uncertainty_factory(given: UncertaintyFactory | UncertaintyQuantifier | str) -> UncertaintyFactory:
    """What `uncertainty=` of a learner's config may be, as a factory.

    Args:
        given: a factory; a registered quantifier, which is given Fourier features; or its name.

    Raises:
        AlgorithmError: something else.
        LinearError: the quantifier is not registered.
    """
    if isinstance(given, UncertaintyFactory):
        return given
    if not isinstance(given, (UncertaintyQuantifier, str)):
        raise AlgorithmError(
            f"uncertainty must be a quantifier, one of the names {quantifier_names()}, or a factory; found {given!r}"
        )
    quantifier = as_quantifier(given)
    kind = _FACTORIES.get(type(quantifier))
    return QuantifierFactory(quantifier) if kind is None else kind(**quantifier.settings())
