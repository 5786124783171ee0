"""The settings that the contextual learners share, and their checks."""

import math
from dataclasses import dataclass
from typing import Any

from d3rlpy.base import LearnableConfig
from d3rlpy.models.encoders import EncoderFactory, make_encoder_field
from d3rlpy.optimizers.optimizers import OptimizerFactory, make_optimizer_field

from offctx.algos.shared.groups import ContextGroups, Grouping
from offctx.algos.shared.losses import value_bounds
from offctx.algos.shared.policies import PolicyKind
from offctx.algos.shared.uncertainty_config import as_uncertainty_factory, make_uncertainty_field
from offctx.algos.shared.uncertainty_factory import UncertaintyFactory
from offctx.checks import check_choice, check_number, whole_number
from offctx.errors import AlgorithmError
from offctx.uncertainty.quantifier import UncertaintyQuantifier


@dataclass()
class ContextualConfig(LearnableConfig):
    """The settings that PERM and PPPO share; their own classes describe all of their settings.

    Defaults that d3rlpy's IQL has too are those of IQL. `contexts` is filled in by the learner, so that it is saved with it.
    """

    actor_learning_rate: float = 3e-4
    critic_learning_rate: float = 3e-4
    actor_optim_factory: OptimizerFactory = make_optimizer_field()
    critic_optim_factory: OptimizerFactory = make_optimizer_field()
    actor_encoder_factory: EncoderFactory = make_encoder_field()
    critic_encoder_factory: EncoderFactory = make_encoder_field()
    tau: float = 0.005
    n_critics: int = 2
    groups: int | None = None
    grouping: Grouping = "distance"
    policy: PolicyKind = "stochastic"
    uncertainty: UncertaintyFactory | UncertaintyQuantifier | str = make_uncertainty_field()
    reward_bounds: tuple[float, float] | None = None
    horizon: int | None = None
    balance: bool = True
    seed: int = 0
    contexts: ContextGroups | None = None

    def __post_init__(self) -> None:
        self.uncertainty = as_uncertainty_factory(self.uncertainty)
        if self.groups is not None:
            whole_number(self.groups, "groups", 1, AlgorithmError)
        whole_number(self.n_critics, "n_critics", 1, AlgorithmError)
        whole_number(self.seed, "seed", 0, AlgorithmError)
        check_choice(self.grouping, "grouping", ("distance", "random"))
        check_choice(self.policy, "policy", ("stochastic", "deterministic"))
        check_number(self.gamma, "gamma", 0, 1)
        check_number(self.tau, "tau", 0, 1)
        if self.horizon is not None:
            whole_number(self.horizon, "horizon", 1, AlgorithmError)
        if self.reward_bounds is not None:
            self.reward_bounds = _checked_bounds(self.reward_bounds)
            if not all(map(math.isfinite, value_bounds(self.reward_bounds, self.gamma, self.horizon))):
                raise AlgorithmError("with gamma = 1 rewards may add up without end: reward_bounds then need a horizon")
        if self.compile_graph:
            raise AlgorithmError(
                "compile_graph is not for contextual learners: the layout of their groups can differ from batch to batch"
            )


def _checked_bounds(bounds: Any) -> tuple[float, float]:
    try:
        low, high = (float(bound) for bound in bounds)
    except (TypeError, ValueError) as error:
        raise AlgorithmError(f"reward_bounds must be two numbers, the least and largest reward; found {bounds!r}") from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise AlgorithmError(f"reward_bounds must be finite, the least before the largest; found {bounds!r}")
    return low, high
