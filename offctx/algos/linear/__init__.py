"""The linear learners as d3rlpy objects: PEVI, PERM and PPPO on feature maps, for discrete actions and a finite horizon."""

from offctx.algos.linear.base import ByStep
from offctx.algos.linear.perm import LinearPERM, LinearPERMConfig
from offctx.algos.linear.pevi import LinearPEVI, LinearPEVIConfig
from offctx.algos.linear.pppo import LinearPPPO, LinearPPPOConfig

__all__ = [
    "ByStep",
    "LinearPERM",
    "LinearPERMConfig",
    "LinearPEVI",
    "LinearPEVIConfig",
    "LinearPPPO",
    "LinearPPPOConfig",
]
