"""Learners, d3rlpy's own by name and ours, one algorithm a file."""

from offctx.algos.actor import GaussianActor, Sampler, actor_of, load_actor, save_actor
from offctx.algos.linear import (
    ByStep,
    LinearPERM,
    LinearPERMConfig,
    LinearPEVI,
    LinearPEVIConfig,
    LinearPPPO,
    LinearPPPOConfig,
)
from offctx.algos.perm import PERM, DiscretePERM, DiscretePERMConfig, PERMConfig
from offctx.algos.pppo import PPPO, DiscretePPPO, DiscretePPPOConfig, PPPOConfig
from offctx.algos.training import algorithms, load_agent, make_algorithm, train
from offctx.algos.uncertainty import (
    EllipticalUncertaintyFactory,
    EnsembleUncertaintyFactory,
    NoUncertaintyFactory,
    UncertaintyFactory,
    register_uncertainty_factory,
)
from offctx.errors import AlgorithmError

__all__ = [
    "PERM",
    "PPPO",
    "AlgorithmError",
    "ByStep",
    "DiscretePERM",
    "DiscretePERMConfig",
    "DiscretePPPO",
    "DiscretePPPOConfig",
    "EllipticalUncertaintyFactory",
    "EnsembleUncertaintyFactory",
    "GaussianActor",
    "LinearPERM",
    "LinearPERMConfig",
    "LinearPEVI",
    "LinearPEVIConfig",
    "LinearPPPO",
    "LinearPPPOConfig",
    "NoUncertaintyFactory",
    "PERMConfig",
    "PPPOConfig",
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
