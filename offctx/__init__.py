"""offctx: context-labelled offline RL, from datasets to zero-shot scores.

dataset = offctx.collect("offctx/PendulumGoal-v0", "offctx/PendulumGoal/random-v0", episodes_per_context=250, seed=0)
buffer = dataset.replay_buffer(augmentation=offctx.CSE(radius=0.5))
...any d3rlpy algorithm's fit(buffer)...
report = offctx.evaluate(agent, "offctx/PendulumGoal-v0", episodes=64, seed=0)
"""

import importlib
from typing import Any

from offctx import envs
from offctx.contexts import ContextSpace
from offctx.cse import CSE
from offctx.data import (
    ContextualDataset,
    Sensitivity,
    attach_derivatives,
    collect,
    context_distance,
    context_sensitivity,
    load_dataset,
    online_buffer,
)
from offctx.envs.policies import Mixture
from offctx.errors import OffctxError
from offctx.evaluation import ZeroShotEvaluator, ZeroShotReport, compare, evaluate
from offctx.pessimism import Pessimism
from offctx.radius import RadiusReport, radius_report

__all__ = [
    "CSE",
    "ContextSpace",
    "ContextualDataset",
    "Mixture",
    "OffctxError",
    "Pessimism",
    "RadiusReport",
    "Sensitivity",
    "ZeroShotEvaluator",
    "ZeroShotReport",
    "attach_derivatives",
    "collect",
    "compare",
    "context_distance",
    "context_sensitivity",
    "envs",
    "evaluate",
    "load_dataset",
    "online_buffer",
    "radius_report",
]


def __getattr__(name: str) -> Any:
    """`offctx.algos` on first use: it brings d3rlpy, which the rest does without."""
    if name == "algos":
        return importlib.import_module("offctx.algos")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
