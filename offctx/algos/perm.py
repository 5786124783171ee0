"""Pessimistic empirical risk minimisation (PERM), deep: one critic set for each context, one policy for all.

Source: arXiv 2503.07988, Algorithm 2 and, for expectile evaluation, the paper's IQL-nV (IQL: arXiv 2110.06169):

    pi = argmax (1/n) sum_i V_i^pi          V_i^pi from pessimistic evaluation on the data of context i alone

An update (`PERMImpl.step`). Each transition (s, a, r, s') reaches the critics of its own context i (or group of contexts) only:

1. Q_i(s, a) of the data by the target critics, pessimistic: Q_hat_i - Gamma_i, clipped (`shared/critics.py`).
2. Evaluation: members of Q_i towards the targets r + gamma V_i(s'), where
   evaluation="expectile": V_i is a value network, trained by expectile regression to (1), as in IQL;
   evaluation="policy":    V_i(s) = E_{a ~ pi} Q_i(s, a), the value of the present shared policy.
3. Extraction: one gradient step of the policy on the mean over contexts of
   extraction="awr":       - min( exp( weight_temp (Q_i(s, a) - V_i(s)) ), max_weight ) log pi(a | s);
   extraction="gradient":  - bc_weight log pi(a | s) - Q_i(s, a') / mean |Q|, a' ~ pi (TD3+BC: arXiv 2106.06860).
4. Target update: w_target += tau (w - w_target).

Departures from the paper:

1. States are weighted as the data of each context have them, not as the policy visits them from its initial states, as in
   all such actor-critics. Contexts are weighted equally, whatever the sizes of their datasets.
2. In IQL-nV value networks are several and Q-functions are shared; here each group has its own of both.

Dimensions: n groups, k members, B batch, m slots of a group, o observation, a action, h features of a critic.
"""

from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from d3rlpy.base import DeviceArg, register_learnable
from d3rlpy.constants import ActionSpace
from d3rlpy.models.encoders import EncoderFactory, make_encoder_field
from d3rlpy.torch_utility import TorchMiniBatch
from torch import Tensor

from offctx.algos.shared.batch import GroupedBatch, check_rewards
from offctx.algos.shared.config import ContextualConfig
from offctx.algos.shared.impl import ContextualImpl, ContextualModules
from offctx.algos.shared.layout import BatchLayout
from offctx.algos.shared.learner import ContextualLearner
from offctx.algos.shared.losses import (
    advantage_weights,
    expectile_loss,
    scale_free,
    sum_of_group_means,
    td_loss,
    td_targets,
)
from offctx.algos.shared.metrics import as_numbers
from offctx.algos.shared.networks import make_critics, make_optimisers, make_policy, make_weights, minimise
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
    """Settings of PERM for continuous actions. The defaults are the paper's IQL-nV: IQL with critics for each context.

    Args:
        evaluation: what V_i is: "expectile", of the better actions of the data; or "policy", the value of the shared policy.
        expectile: of "expectile", from 0 to 1.
        extraction: "awr", advantage-weighted imitation; or "gradient", the critics' gradient with imitation.
        weight_temp: the inverse temperature of "awr", >= 0.
        max_weight: the largest weight of "awr".
        bc_weight: the weight of imitation in "gradient", where values have mean magnitude 1.
        value_encoder_factory: d3rlpy's factory of the hidden layers of the value networks, which "expectile" has.
        tau: of the target update w_target += tau (w - w_target).
        groups: n, how many groups of contexts. None: each context is one; m: contexts share m groups; 1: no labels are needed.
        grouping: which contexts share a group: those "distance" puts together (Ward's clustering), or "random" ones.
        policy: "stochastic" or "deterministic".
        n_critics: k, the members of each set's ensemble.
        uncertainty: Gamma_i, subtracted from values: a quantifier of `offctx.uncertainty`, its name, or a factory.
        reward_bounds: the least and largest reward there can be, before scaling; values are clipped to what they allow.
        horizon: H, the most steps of an episode; tightens reward_bounds, and is needed with them where gamma is 1.
        balance: draw equally many transitions of each context in `fit`. Contexts weigh equally in the policy either way.
        seed: of random grouping and of draws beside networks and actions.
        contexts: the contexts that were seen; a learner fills them in.
        batch_size: B, transitions in a batch.
        gamma: the discount.
        actor_learning_rate, critic_learning_rate, actor_optim_factory, critic_optim_factory, actor_encoder_factory,
            critic_encoder_factory, observation_scaler, action_scaler, reward_scaler: as in d3rlpy's learners.
        compile_graph: must be False.

    Raises:
        AlgorithmError: a setting out of its range.

    Source: arXiv 2503.07988, Algorithm 2.

    Example::

        buffer = dataset.replay_buffer(context="hidden")
        learner = PERMConfig(uncertainty="elliptical").create()
        learner.fit(buffer, n_steps=10_000)
    """

    def create(self, device: DeviceArg = False, enable_ddp: bool = False) -> "PERM":
        """A learner with these settings, on d3rlpy's `device`: False, True or "cuda:0"; `enable_ddp` must be False."""
        return PERM(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """The name in saved files."""
        return "offctx_perm"


@dataclass()
class DiscretePERMConfig(_PERMConfig):
    """Settings of PERM for discrete actions. Expectations over actions are exact. Defaults are those of `PERMConfig`.

    Args:
        evaluation, expectile: what V_i is, "expectile" or "policy"; and the expectile, from 0 to 1.
        extraction, weight_temp, max_weight, bc_weight: "awr", with its inverse temperature and largest weight; or "gradient",
            with its weight of imitation.
        value_encoder_factory, tau: the hidden layers of the value networks; target update w_target += tau (w - w_target).
        groups, grouping, contexts: how many groups of contexts, which contexts share one, and the contexts seen.
        policy, n_critics, uncertainty: the kind of policy, the members of each ensemble, and Gamma_i.
        reward_bounds, horizon, gamma: the least and largest reward, the most steps of an episode, and the discount.
        balance, seed, batch_size: equally many transitions of each context; seed of draws; transitions in a batch.
        actor_learning_rate, critic_learning_rate, actor_optim_factory, critic_optim_factory, actor_encoder_factory,
            critic_encoder_factory, observation_scaler, action_scaler, reward_scaler: d3rlpy's.
        compile_graph: must be False.

    Raises:
        AlgorithmError: a setting out of its range.
    """

    def create(self, device: DeviceArg = False, enable_ddp: bool = False) -> "DiscretePERM":
        """A learner with these settings, on d3rlpy's `device`: False, True or "cuda:0"; `enable_ddp` must be False."""
        return DiscretePERM(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """The name in saved files."""
        return "offctx_discrete_perm"


@dataclass(frozen=True)
class PERMModules(ContextualModules):
    """The modules and optimisers that PERM saves; there are value networks with expectile evaluation only."""

    values: Stacked | None


@final
class PERMImpl(ContextualImpl[PERMModules, _PERMConfig]):
    """The update, and the predictions that d3rlpy calls.

    What the update uses; `shared/impl.py` keeps it:

        _networks    `PERMModules`, what a learner saves:
            policy        the network of pi                                          shared/policies.py
            critics       Q_i and their targets, pessimistic                         shared/critics.py
            values        V_i, one network for each group side by side, or None      shared/stacked.py
            membership    the weights of contexts (the name in saved files)          shared/context_weights.py
        _actor       pi as a policy: actions, and the loss of imitation              shared/policies.py
        _grouping    d3rlpy's batch as a `GroupedBatch`: its contexts, its groups    shared/batch.py
    """

    def inner_update(self, batch: TorchMiniBatch, grad_step: int) -> dict[str, float]:
        """d3rlpy's hook: one update."""
        tensors, _ = self._grouping.of(batch)
        check_rewards(tensors.rewards, self._reward_bounds)
        return as_numbers(self.step(tensors))

    def step(self, batch: GroupedBatch) -> dict[str, Tensor]:
        """One update, from tensors to losses, as the numbered list above has it.

        The losses stay on the device. No number is read back from it, and no shape depends on one, so that the step can be
        compiled or captured for batches of one layout. Quantifiers have two exceptions: Gamma is checked once in 64 queries
        (`DeferredCheck`), and one on the critic's features checks the data at each fit, once in `interval` updates.
        """
        critics = self._networks.critics
        context_weights = self._networks.membership(batch.contexts, batch.size)
        with torch.no_grad():
            data_values = critics.of_rows(batch.observations, batch.actions, batch.layout, target=True).q_values
        losses = self._evaluate(batch, data_values) | self._extract(batch, data_values, context_weights)
        critics.target.track(critics.online, self._config.tau)
        return losses

    def _evaluate(self, batch: GroupedBatch, data_values: Tensor) -> dict[str, Tensor]:
        """Step 2: critics, and value networks where there are any, towards their targets."""
        critics, layout = self._networks.critics, batch.layout
        with torch.no_grad():
            next_values = self._state_values(batch.next_observations, layout)
            targets = td_targets(batch.rewards, next_values, batch.terminals, batch.discounts)
        output = critics.of_rows(batch.observations, batch.actions, layout)
        loss = q_loss = sum_of_group_means(td_loss(output.members, targets), layout.counts)
        parts = {"q_loss": q_loss}
        if self._networks.values is not None:
            values = self._state_values(batch.observations, layout)
            losses = expectile_loss(data_values, values, self._config.expectile)
            parts["v_loss"] = sum_of_group_means(losses, layout.counts)
            loss = loss + parts["v_loss"]
        minimise(self._networks.critic_optim, loss)
        critics.observe(batch.observations, batch.actions, output.features, layout)
        return {name: part.detach() / layout.present for name, part in ({"critic_loss": loss} | parts).items()}

    def _extract(self, batch: GroupedBatch, data_values: Tensor, context_weights: Tensor) -> dict[str, Tensor]:
        """Step 3: the policy towards larger values, in the mean over contexts."""
        config = self._config
        imitation = self._actor.imitation_loss(batch.observations, batch.actions)
        if config.extraction == "awr":
            with torch.no_grad():  # by the value networks as the evaluation has just left them
                advantages = data_values - self._state_values(batch.observations, batch.layout)
            losses = advantage_weights(advantages, config.weight_temp, config.max_weight) * imitation
        else:
            q_values = self._networks.critics.expected(self._actor, batch.observations, batch.layout, improve=True)
            losses = config.bc_weight * imitation - scale_free(q_values)
        loss = (context_weights * losses).sum()
        minimise(self._networks.actor_optim, loss)
        return {"actor_loss": loss.detach()}

    def _state_values(self, observations: Tensor, layout: BatchLayout) -> Tensor:
        """V_i(s) of observations (B, o): by the value networks, or E_{a ~ pi} Q_i(s, a) by the target critics: (B,)."""
        if self._networks.values is None:
            return self._networks.critics.expected(self._actor, observations, layout, target=True)
        values: Tensor = self._networks.values(layout.pack(observations))[0]
        return layout.unpack(values[0, ..., 0])

    def inner_predict_best_action(self, x: Tensor) -> Tensor:
        """The policy's mode."""
        return self._actor.mode(x)

    def inner_sample_action(self, x: Tensor) -> Tensor:
        """An action drawn from the policy."""
        return self._actor.sample(x)

    def inner_predict_value(self, x: Tensor, action: Tensor) -> Tensor:
        """(1/n) sum_i Q_i(s, a), (B,): observations do not say which context they are of."""
        actions = action.reshape(len(x), -1).to(x.dtype)
        of_all_groups = [tensor.expand(self.index.groups, *tensor.shape) for tensor in (x, actions)]
        return self._networks.critics.of_slots(*of_all_groups).q_values.mean(dim=0)


class _PERM(ContextualLearner[PERMImpl, _PERMConfig]):
    """What both kinds of actions share."""

    def inner_create_impl(self, observation_shape: Any, action_size: int) -> None:
        """d3rlpy's hook: make the networks."""
        config, n = self._config, self.groups
        shapes = self.shapes(observation_shape, action_size)
        policy = make_policy(config, shapes)
        critics = make_critics(config, shapes, n, self.value_bounds())
        values = None
        if config.evaluation == "expectile":
            values = Stacked(lambda: make_critic(config.value_encoder_factory, observation_shape, None), n).to(self._device)
        trained = [("critics", critics.online)] + ([] if values is None else [("values", values)])
        modules = PERMModules(
            policy=policy.network,
            critics=critics,
            values=values,
            membership=make_weights(config, n, self._device),
            **make_optimisers(config, policy, trained),
        )
        self._impl = PERMImpl(observation_shape, action_size, modules, policy, config, n, self.scaled_bounds(), self._device)


@final
class PERM(_PERM):
    """PERM for continuous actions, as a d3rlpy learner; `PERMConfig` makes it."""

    def get_action_type(self) -> ActionSpace:
        """Continuous."""
        return ActionSpace.CONTINUOUS


@final
class DiscretePERM(_PERM):
    """PERM for discrete actions, as a d3rlpy learner; `DiscretePERMConfig` makes it."""

    def get_action_type(self) -> ActionSpace:
        """Discrete."""
        return ActionSpace.DISCRETE


register_learnable(PERMConfig)
register_learnable(DiscretePERMConfig)
