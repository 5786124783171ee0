"""The objectives by name."""

from typing import Literal

from offctx.algos.context_inference.objectives.base import Objective
from offctx.algos.context_inference.objectives.corro import CORROObjective
from offctx.algos.context_inference.objectives.csro import CSROObjective
from offctx.algos.context_inference.objectives.dynamics import DynamicsObjective
from offctx.algos.context_inference.objectives.focal import FOCALObjective
from offctx.algos.context_inference.objectives.reconstruction import GENTLEObjective, UNICORNObjective

EncoderLoss = Literal["dynamics", "focal", "csro", "corro", "unicorn", "gentle"]
ENCODER_LOSSES: tuple[EncoderLoss, ...] = ("dynamics", "focal", "csro", "corro", "unicorn", "gentle")
NEEDS_IDS = ("focal", "csro", "corro", "unicorn")  # these compare windows of one context with windows of others


def make_objective(
    name: EncoderLoss, observation_size: int, action_size: int, latent_size: int, width: int, csro_weight: float
) -> Objective:
    """The objective of this name.

    Args:
        name: one of `ENCODER_LOSSES`.
        observation_size: o.
        action_size: a.
        latent_size: d.
        width: of the hidden layers of its networks.
        csro_weight: of CSRO's bound.
    """
    sizes = (observation_size, action_size, latent_size, width)
    match name:
        case "dynamics":
            return DynamicsObjective()
        case "focal":
            return FOCALObjective()
        case "csro":
            return CSROObjective(*sizes, csro_weight)
        case "corro":
            return CORROObjective()
        case "unicorn":
            return UNICORNObjective(*sizes)
        case "gentle":
            return GENTLEObjective(*sizes)
