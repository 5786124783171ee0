"""Learners, d3rlpy's own by name and ours, one algorithm a file."""

from offctx.algos.actor import GaussianActor, Sampler, actor_of, load_actor, save_actor
from offctx.algos.perm import PERM, DiscretePERM, DiscretePERMConfig, PERMConfig
from offctx.algos.stock import AlgorithmError, algorithms, load_agent, make_algorithm, train
from offctx.algos.uncertainty import (
    EllipticalUncertaintyFactory,
    EnsembleUncertaintyFactory,
    NoUncertaintyFactory,
    UncertaintyFactory,
    register_uncertainty_factory,
)

__all__ = [
    "PERM",
    "AlgorithmError",
    "DiscretePERM",
    "DiscretePERMConfig",
    "EllipticalUncertaintyFactory",
    "EnsembleUncertaintyFactory",
    "GaussianActor",
    "NoUncertaintyFactory",
    "PERMConfig",
    "Sampler",
    "UncertaintyFactory",
    "actor_of",
    "algorithms",
    "load_actor",
    "load_agent",
    "make_algorithm",
    "register_uncertainty_factory",
    "save_actor",
    "train",
]
