"""Base classes of the quantifier settings in a learner's config.

Dimensions: n groups, o observation, a action, A actions, h features of the critic.
"""

import dataclasses
from typing import Literal, cast

from d3rlpy.serializable_config import DynamicConfig

from offctx.algos.shared.critic_features import CriticFeatureUncertainty
from offctx.algos.shared.fixed_features import FixedFeatureUncertainty
from offctx.algos.shared.uncertainty import MemberUncertainty, Uncertainty, WithoutUncertainty
from offctx.checks import at_least, count
from offctx.errors import LinearError
from offctx.uncertainty.feature_map import FeatureMap
from offctx.uncertainty.features import FeatureKind, make_features
from offctx.uncertainty.quantifier import UncertaintyQuantifier

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


class FeatureUncertaintyFactory(UncertaintyFactory):
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
        """The module that gives the quantifier what it needs.

        Args:
            groups: n.
            observation_size: o, as the networks see it.
            action_size: a, or A where `discrete`.
            discrete: whether actions are discrete.
            critic_features: h; used with features="critic" only.
        """
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
