"""Exact finite-horizon theory, in float64 and batched over environments: the reference for every deep learner.

data = cmdp.sample(behaviour, 200, np.random.default_rng(0))
merged = pevi(*data, cmdp.features, beta=1.0)
separate = perm(*data, cmdp.features, initial=cmdp.initial, beta=1.0, seed=0)
cmdp.returns(separate.policy).mean() - cmdp.returns(merged.policy).mean()
"""

from offctx.linear.average_mdp import AverageMDP, average_mdp
from offctx.linear.cebe import cebe_error, enhance
from offctx.linear.cliff_walking import cliff_walking
from offctx.linear.cmdp import LinearCMDP
from offctx.linear.discounted import DiscountedCMDP, DiscountedMDPs, evaluate_policy
from offctx.linear.perm import PERMResult, maximise, perm
from offctx.linear.pevi import PEVIResult, pevi
from offctx.linear.ppe import PPEResult, ppe, ppe_torch
from offctx.linear.pppo import PPPOResult, pppo
from offctx.linear.problem import PPEProblem
from offctx.linear.sampling import Trajectories
from offctx.uncertainty.elliptical import EllipticalUncertainty
from offctx.uncertainty.quantifier import UncertaintyQuantifier
from offctx.uncertainty.theory import beta_perm, beta_pevi, beta_pppo

# The former names of the results: aliases for scripts written before, and therefore not in __all__.
PERM, PPPO, PEVI, PPE = PERMResult, PPPOResult, PEVIResult, PPEResult

__all__ = [
    "AverageMDP",
    "DiscountedCMDP",
    "DiscountedMDPs",
    "EllipticalUncertainty",
    "LinearCMDP",
    "PERMResult",
    "PEVIResult",
    "PPEProblem",
    "PPEResult",
    "PPPOResult",
    "Trajectories",
    "UncertaintyQuantifier",
    "average_mdp",
    "beta_perm",
    "beta_pevi",
    "beta_pppo",
    "cebe_error",
    "cliff_walking",
    "enhance",
    "evaluate_policy",
    "maximise",
    "perm",
    "pevi",
    "ppe",
    "ppe_torch",
    "pppo",
]
