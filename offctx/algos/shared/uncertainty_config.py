"""Quantifiers in the config of a d3rlpy learner, so that a learner saves and loads them."""

import dataclasses
from typing import Any

import torch
from d3rlpy.serializable_config import generate_config_registration

from offctx.algos.shared.quantifier_field import QUANTIFIER
from offctx.algos.shared.uncertainty import MemberUncertainty, Uncertainty, WithoutUncertainty
from offctx.algos.shared.uncertainty_factory import Features, FeatureUncertaintyFactory, UncertaintyFactory
from offctx.errors import AlgorithmError
from offctx.uncertainty.elliptical import EllipticalUncertainty
from offctx.uncertainty.ensemble import EnsembleUncertainty
from offctx.uncertainty.none import NoUncertainty
from offctx.uncertainty.quantifier import UncertaintyQuantifier
from offctx.uncertainty.registry import as_quantifier, describe, quantifier_names


@dataclasses.dataclass()
class NoUncertaintyFactory(UncertaintyFactory):
    """No pessimism: Gamma = 0."""

    def create(self, groups: int, observation_size: int, action_size: int, discrete: bool, critic_features: int) -> Uncertainty:
        """The module without uncertainty.

        Args:
            groups: n; not used.
            observation_size: o; not used.
            action_size: a, or A where `discrete`; not used.
            discrete: whether actions are discrete; not used.
            critic_features: h; not used.
        """
        return WithoutUncertainty()

    @staticmethod
    def get_type() -> str:
        """Its name in a saved config."""
        return "none"


@dataclasses.dataclass()
class EllipticalUncertaintyFactory(FeatureUncertaintyFactory):
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
        """The module on the members' values.

        Args:
            groups: n; not used.
            observation_size: o; not used.
            action_size: a, or A where `discrete`; not used.
            discrete: whether actions are discrete; not used.
            critic_features: h; not used.
        """
        return MemberUncertainty(EnsembleUncertainty(self.beta))

    @staticmethod
    def get_type() -> str:
        """Its name in a saved config."""
        return "ensemble"


@dataclasses.dataclass()
class QuantifierFactory(FeatureUncertaintyFactory):
    """Any registered quantifier, and the features that it is given.

    Args:
        quantifier: it, not fitted; or its name.
        features: "fourier", "critic" or "observation".
        size: d of Fourier features.
        bandwidth: of Fourier features, in standard deviations of the data; None: the median heuristic.
        momentum: of the critic's second moments, in (0, 1].
        interval: batches between factorisations of them.
        seed: of the Fourier features.

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


_register, make_uncertainty_field = generate_config_registration(UncertaintyFactory, _none)


def register_uncertainty_factory(cls: type[UncertaintyFactory]) -> None:
    """Registers a class of factories, so that a learner's config can save and load them.

    Args:
        cls: a dataclass; its `get_type()` is the name in saved files, which no other registered class may have.

    Raises:
        AssertionError: no subclass of `UncertaintyFactory`, or a name that is registered already.
    """
    _register(cls)


_FACTORIES: dict[type[UncertaintyQuantifier], type[UncertaintyFactory]] = {
    NoUncertainty: NoUncertaintyFactory,
    EllipticalUncertainty: EllipticalUncertaintyFactory,
    EnsembleUncertainty: EnsembleUncertaintyFactory,
}


for _kind in (*_FACTORIES.values(), QuantifierFactory):
    register_uncertainty_factory(_kind)


def as_uncertainty_factory(uncertainty: UncertaintyFactory | UncertaintyQuantifier | str) -> UncertaintyFactory:
    """What `uncertainty=` of a learner's config may be, as a factory.

    Args:
        uncertainty: a factory; a registered quantifier, which is given Fourier features; or its name.

    Raises:
        AlgorithmError: something else.
        LinearError: the quantifier is not registered.
    """
    if isinstance(uncertainty, UncertaintyFactory):
        return uncertainty
    if not isinstance(uncertainty, (UncertaintyQuantifier, str)):
        raise AlgorithmError(
            f"uncertainty must be a quantifier, one of the names {quantifier_names()}, or a factory; found {uncertainty!r}"
        )
    quantifier = as_quantifier(uncertainty)
    kind = _FACTORIES.get(type(quantifier))
    return QuantifierFactory(quantifier) if kind is None else kind(**quantifier.settings())
