"""Learners, d3rlpy's own by name and ours, one algorithm a file."""

from typing import TYPE_CHECKING

from offctx.algos.closed_form.by_step import ByStep
from offctx.algos.closed_form.perm import LinearPERM, LinearPERMConfig
from offctx.algos.closed_form.pevi import LinearPEVI, LinearPEVIConfig
from offctx.algos.closed_form.pppo import LinearPPPO, LinearPPPOConfig
from offctx.algos.perm import PERM, DiscretePERM, DiscretePERMConfig, PERMConfig
from offctx.algos.pppo import PPPO, DiscretePPPO, DiscretePPPOConfig, PPPOConfig
from offctx.algos.shared.actor import GaussianActor, Sampler
from offctx.algos.shared.actor_files import load_actor
from offctx.algos.shared.actor_of_learner import actor_of, save_actor
from offctx.algos.shared.uncertainty_config import (
    EllipticalUncertaintyFactory,
    EnsembleUncertaintyFactory,
    NoUncertaintyFactory,
    QuantifierFactory,
    register_uncertainty_factory,
)
from offctx.algos.shared.uncertainty_factory import UncertaintyFactory
from offctx.errors import AlgorithmError
from offctx.lazy import lazy_exports

if TYPE_CHECKING:
    from offctx.training.agents import load_agent
    from offctx.training.fit import train
    from offctx.training.names import algorithms, make_algorithm

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
    "QuantifierFactory",
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

# These live above, in offctx.training; the names stay here for those who used them before it was there.
__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "algorithms": "offctx.training.names",
        "load_agent": "offctx.training.agents",
        "make_algorithm": "offctx.training.names",
        "train": "offctx.training.fit",
    },
)
