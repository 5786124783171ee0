"""Learners that follow d3rlpy: PERM and PPPO, their linear versions, and all of d3rlpy's by name (`make_algorithm`).

An update is read in three files:

    PERM (`PERMImpl.step`)                        perm.py, shared/critics.py, shared/losses.py
    PPPO, evaluation (`evaluation_step`)          pppo.py, shared/critics.py, shared/losses.py
    PPPO, improvement (`improvement_step`)        pppo.py, shared/mirror_descent.py, shared/losses.py

perm.py and pppo.py say what is updated and in which order, critics.py what Q_i is, losses.py has every loss as a pure
function of tensors. Around an update, in shared/:

    config, learner, impl                       settings; d3rlpy's outer and inner side
    batch                                       the context and the group of each row: a `GroupedBatch` of tensors
    groups, context_index, context_weights      contexts in groups; from ids to groups; how contexts weigh
    layout, stacked, policies, mixture          rows by group, networks side by side, policies and mixtures of them
    networks, metrics                           makes policies, critics and optimisers; losses as numbers
    schedule, turn_sampler, snapshots           PPPO's turns, the rows that they need, and copies of policies
    uncertainty, uncertainty_config, fitted     quantifiers for critics
    export, actor, actor_files, actor_of_learner    policies on disk

DMA*-SH (dmash/) infers hidden contexts: its parts are in context_inference/ (encoders, adapters, losses of encoders) and
backbones/ (actor-critics whose networks may be told of the context).
"""

from typing import TYPE_CHECKING

import offctx.buffers  # noqa: F401 - first: it imports gym without its notice
from offctx.algos.closed_form.by_step import ByStep
from offctx.algos.closed_form.perm import LinearPERM, LinearPERMConfig
from offctx.algos.closed_form.pevi import LinearPEVI, LinearPEVIConfig
from offctx.algos.closed_form.pppo import LinearPPPO, LinearPPPOConfig
from offctx.algos.dmash.encoder import TrainedEncoder
from offctx.algos.dmash.learner import DMASH, DMASHConfig
from offctx.algos.dmash.presets import dmash_preset
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
    "DMASH",
    "PERM",
    "PPPO",
    "AlgorithmError",
    "ByStep",
    "DMASHConfig",
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
    "TrainedEncoder",
    "UncertaintyFactory",
    "actor_of",
    "algorithms",
    "dmash_preset",
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
