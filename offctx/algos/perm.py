"""Pessimistic empirical risk minimisation (PERM), deep: one critic set for each context, one policy for all.

Source: arXiv 2503.07988, Algorithm 2 and, for expectile evaluation, the paper's IQL-nV (IQL: arXiv 2110.06169):

    pi = argmax (1/n) sum_i V_i^pi          V_i^pi from pessimistic evaluation on the data of context i alone

Each update, on a batch in which every transition reaches the critics of its own context (or group of contexts) only:

1. evaluation, "expectile": V_i by expectile regression to Q_i, Q_i to r + gamma V_i(s'), as IQL does, n times side by side;
   "policy": Q_i to r + gamma E_{a' ~ pi} Q_i(s', a'), the value of the present shared policy;
2. Q_i counts less its uncertainty Gamma_i, clipped to what rewards within their bounds can sum to (`critics.py`);
3. extraction, "awr": the policy imitates the data's actions, the more the better they are by their own context's critics;
   "gradient": it climbs the critics, held to the data by imitation (as TD3+BC does, arXiv 2106.06860, for any policy).

Departures: (1) states are weighted as the data of each context have them, not as the policy visits them from its initial
states, as in all such actor-critics; contexts are weighted equally, whatever the sizes of their datasets. (2) In IQL-nV value
networks are several and Q-functions shared; here each group has its own of both.

Dimensions: n groups, k members, B batch, o observation, a action.
"""

from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from d3rlpy.base import DeviceArg, register_learnable
from d3rlpy.constants import ActionSpace
from d3rlpy.models.encoders import EncoderFactory, make_encoder_field
from d3rlpy.torch_utility import TorchMiniBatch
from torch import Tensor

from offctx.algos.shared.batch import ContextualBatch
from offctx.algos.shared.config import ContextualConfig
from offctx.algos.shared.critics import Judgement
from offctx.algos.shared.learner import ContextualImpl, ContextualLearner, ContextualModules
from offctx.algos.shared.losses import advantage_weights, expectile_loss, scale_free, td_loss, td_targets
from offctx.algos.shared.membership import Membership
from offctx.algos.shared.networks import make_actions, make_critics, make_optimiser, minimise
from offctx.algos.shared.stacked import Stacked, make_critic
from offctx.checks import check_choice, check_number

Evaluation = Literal["expectile", "policy"]
Extraction = Literal["awr", "gradient"]


@dataclass()
class _PERMConfig(ContextualConfig):
    value_encoder_factory: EncoderFactory = make_encoder_field()
    evaluation: Evaluation = "expectile"
    expectile: float = 0.7
    extraction: Extraction = "awr"
    weight_temp: float = 3.0
    max_weight: float = 100.0
    bc_weight: float = 0.4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self.evaluation, "evaluation", ("expectile", "policy"))
        check_choice(self.extraction, "extraction", ("awr", "gradient"))
        check_number(self.expectile, "expectile", 0, 1)
        for name in ("weight_temp", "max_weight", "bc_weight"):
            check_number(getattr(self, name), name, 0)


@dataclass()
class PERMConfig(_PERMConfig):
    """PERM for continuous actions: `PERMConfig().create().fit(buffer)`.

    As it stands it is the paper's IQL-nV: IQL with a critic set for each context.

    Args:
        evaluation: "expectile", of the best that the data do; or "policy", of the shared policy.
        expectile: of "expectile".
        extraction: "awr", advantage-weighted imitation; or "gradient", the critics' gradient with imitation.
        weight_temp: inverse temperature of "awr".
        max_weight: the largest weight of "awr".
        bc_weight: of imitation in "gradient", beside values scaled to 1.
        others: see `ContextualConfig`.

    Raises:
        AlgorithmError: a setting out of its range.
    """

    def create(self, device: DeviceArg = False, enable_ddp: bool = False) -> "PERM":
        """A learner with these settings."""
        return PERM(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """The name in saved files."""
        return "offctx_perm"


@dataclass()
class DiscretePERMConfig(_PERMConfig):
    """PERM for discrete actions; see `PERMConfig`. Critics give a value for each action, and expectations are exact."""

    def create(self, device: DeviceArg = False, enable_ddp: bool = False) -> "DiscretePERM":
        """A learner with these settings."""
        return DiscretePERM(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """The name in saved files."""
        return "offctx_discrete_perm"


@dataclass(frozen=True)
class PERMModules(ContextualModules):
    """What is trained and saved; value networks with expectile evaluation only."""

    values: Stacked | None


@final
class PERMImpl(ContextualImpl[PERMModules, _PERMConfig]):
    """The update, and the policy as d3rlpy asks it."""

    # --- training ------------------------------------------------------------------------------------------------------

    def inner_update(self, batch: TorchMiniBatch, grad_step: int) -> dict[str, float]:
        """One step of evaluation and one of extraction on the same batch."""
        laid = ContextualBatch.of(batch, self._own.membership, self._config.gamma, self._reward_bounds)
        with torch.no_grad():  # the target critics stay as they are until the end
            taken = laid.layout.unpack(self._taken(laid, target=True).values)
        losses = self._evaluate(laid, taken) | self._extract(laid, taken)
        self._own.critics.target.track(self._own.critics.online, self._config.tau)
        return {name: float(loss) for name, loss in losses.items()}

    def _evaluate(self, laid: ContextualBatch, taken: Tensor) -> dict[str, Tensor]:
        """Critics, and value networks where there are any, towards their targets."""
        with torch.no_grad():
            following = self._worth(laid, laid.next_observations, laid.flat.next_observations)
            targets = td_targets(laid.rewards, following, laid.terminals, laid.discounts)
        found = self._taken(laid)
        loss = q_loss = laid.sum_of_means(td_loss(laid.layout.unpack(found.members, lead=1), targets))
        parts = {"q_loss": q_loss}
        if self._own.values is not None:
            values = laid.layout.unpack(self._state_values(laid.observations))
            parts["v_loss"] = laid.sum_of_means(expectile_loss(taken, values, self._config.expectile))
            loss = loss + parts["v_loss"]
        minimise(self._own.critic_optim, loss)
        self._own.critics.observe(laid.observations, laid.actions, found.features.detach(), laid.layout.mask)
        return {name: part.detach() / laid.layout.groups for name, part in ({"critic_loss": loss} | parts).items()}

    def _extract(self, laid: ContextualBatch, taken: Tensor) -> dict[str, Tensor]:
        """The policy towards the mean over contexts."""
        config, observations = self._config, laid.flat.observations
        imitation = self._actions.cost(observations, laid.flat.actions)
        if config.extraction == "awr":
            with torch.no_grad():  # with the value networks as the evaluation has just left them
                advantages = taken - self._worth(laid, laid.observations, observations)
            losses = advantage_weights(advantages, config.weight_temp, config.max_weight) * imitation
        else:
            values = self._actions.expected(self._own.critics, observations, laid.layout)
            losses = config.bc_weight * imitation - scale_free(values)
        loss = (laid.weights * losses).sum()
        minimise(self._own.actor_optim, loss)
        return {"actor_loss": loss.detach()}

    def _taken(self, laid: ContextualBatch, *, target: bool = False) -> Judgement:
        return self._actions.taken(self._own.critics, laid.observations, laid.actions, target=target)

    def _worth(self, laid: ContextualBatch, packed: Tensor, flat: Tensor) -> Tensor:
        """What states are worth (B,), given packed and flat: by the value networks, or to the policy by the target critics."""
        if self._own.values is not None:
            return laid.layout.unpack(self._state_values(packed))
        return self._actions.expected(self._own.critics, flat, laid.layout, target=True)

    def _state_values(self, observations: Tensor) -> Tensor:
        """The value networks at packed observations (n, m, o): (n, m)."""
        assert self._own.values is not None
        values: Tensor = self._own.values(observations)[0]
        return values[0, ..., 0]

    # --- d3rlpy's questions ----------------------------------------------------------------------------------------------

    def inner_predict_best_action(self, x: Tensor) -> Tensor:
        """The policy's mode."""
        return self._actions.greedy(x)

    def inner_sample_action(self, x: Tensor) -> Tensor:
        """An action drawn from the policy."""
        return self._actions.draw(x)

    def inner_predict_value(self, x: Tensor, action: Tensor) -> Tensor:
        """The pessimistic value of actions (B,), averaged over groups: observations do not say which context they are of."""
        n = self._own.membership.groups
        given = action.reshape(len(x), -1).to(x.dtype)
        everywhere = [tensor.expand(n, *tensor.shape) for tensor in (x, given)]
        return self._actions.taken(self._own.critics, *everywhere).values.mean(dim=0)


class _PERM(ContextualLearner[PERMImpl, _PERMConfig]):
    """What both kinds of actions share."""

    def inner_create_impl(self, observation_shape: Any, action_size: int) -> None:
        """d3rlpy's hook: make the networks."""
        config, discrete = self._config, self.get_action_type() == ActionSpace.DISCRETE
        membership = Membership(config.contexts, self.groups).to(self._device)
        actions = make_actions(config, observation_shape, action_size, discrete, self._device)
        critics = make_critics(config, observation_shape, action_size, discrete, self.groups, self._device, self.value_bounds())
        values = None
        if config.evaluation == "expectile":
            values = Stacked(lambda: make_critic(config.value_encoder_factory, observation_shape, None), self.groups)
            values.to(self._device)
        trained = [("critics", critics.online)] + ([] if values is None else [("values", values)])
        modules = PERMModules(
            policy=actions.policy,
            critics=critics,
            values=values,
            membership=membership,
            actor_optim=make_optimiser(config.actor_optim_factory, [("policy", actions.policy)], config.actor_learning_rate),
            critic_optim=make_optimiser(config.critic_optim_factory, trained, config.critic_learning_rate),
        )
        self._impl = PERMImpl(observation_shape, action_size, modules, actions, config, self.scaled_bounds(), self._device)


@final
class PERM(_PERM):
    """The learner of `PERMConfig`."""

    def get_action_type(self) -> ActionSpace:
        """Continuous."""
        return ActionSpace.CONTINUOUS


@final
class DiscretePERM(_PERM):
    """The learner of `DiscretePERMConfig`."""

    def get_action_type(self) -> ActionSpace:
        """Discrete."""
        return ActionSpace.DISCRETE


register_learnable(PERMConfig)
register_learnable(DiscretePERMConfig)
