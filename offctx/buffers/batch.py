"""The mini-batch that a buffer draws: d3rlpy's own, which also carries contexts and derivatives."""

from dataclasses import dataclass

from d3rlpy.dataset import (
    TransitionMiniBatch,
)

from offctx.contexts.space import ContextSpace
from offctx.envs.base import Array
from offctx.envs.policies import ContextMode

DERIVATIVES = ("dnext_observation_dcontext", "dreward_dcontext")


@dataclass(frozen=True)
class ContextualMiniBatch(TransitionMiniBatch):
    """A d3rlpy mini-batch that also carries contexts, and derivatives where the dataset has them. All float32.

    Attributes:
        contexts: (B, p); NaN where unknown.
        context_ids: integers (B,); -1 where unknown.
        dnext_observation_dcontext: (B, o, p) or None.
        dreward_dcontext: (B, p) or None.
        states: simulator states (B, s), where the augmentation requires them.
        noise: what drove stochastic transitions (B, z), where the augmentation requires it.
        context_space: what the contexts mean.
        context: whether they are appended to the observations or hidden.
    """

    contexts: Array
    context_ids: Array
    dnext_observation_dcontext: Array | None
    dreward_dcontext: Array | None
    states: Array | None
    noise: Array | None
    context_space: ContextSpace
    context: ContextMode
