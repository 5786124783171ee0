"""Feature maps, and how much data leave uncertain: one contract for all quantifiers, for linear/, deep learners and rewards.

    Q(x, a) = estimate(x, a) - Gamma(x, a)

`quantifier.py` has the contract, `registry.py` the names, and each quantifier has a file of its own.
"""

from offctx.uncertainty.elliptical import EllipticalUncertainty
from offctx.uncertainty.ensemble import EnsembleUncertainty
from offctx.uncertainty.none import NoUncertainty
from offctx.uncertainty.quantifier import UncertaintyQuantifier
from offctx.uncertainty.registry import make_quantifier, quantifier_names, register_quantifier

__all__ = [
    "EllipticalUncertainty",
    "EnsembleUncertainty",
    "NoUncertainty",
    "UncertaintyQuantifier",
    "make_quantifier",
    "quantifier_names",
    "register_quantifier",
]
