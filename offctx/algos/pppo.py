"""Pessimistic proximal policy optimisation (PPPO), deep: the environments one after the other, one critic set for all of them.

Source: arXiv 2503.07988, Algorithm 3. An environment is a context, or a group of contexts. Turn t = 0, 1, ... is that of
environment i = order[t mod n], in an order drawn once. A turn has two phases:

1. Evaluation (`PPPOImpl.evaluation_step`), on transitions of environment i alone: members of Q_i towards the targets
   r + gamma E_{a' ~ pi_t} Q_i(s', a'). Q_i is pessimistic: Q_hat_i - Gamma_i, clipped (`shared/critics.py`).
2. Improvement (`PPPOImpl.improvement_step`), on states x of all environments, which weigh equally:
   pi_{t+1}(. | x) proportional to pi_t(. | x) exp( alpha Q_i(x, .) ) (`shared/mirror_descent.py`).

The first policy is uniform over discrete actions; over continuous ones it has the mean and standard deviation of the uniform
distribution. With n = 1, this is soft policy iteration on the merged data.
In states that environment i never saw, nothing but the quantifier makes Q_i pessimistic. A quantifier on the critic's own
features starts anew with each turn.

Departures from the paper:

1. Several rounds over the environments, and no splitting of the data by step.
2. Critics, and their targets, go on from the last environment's, where the paper's regression starts anew: in states that
   environment i never saw, Q_i keeps the values of earlier environments.
3. alpha may be relative to how far values differ between actions (`scale_free`).
4. After t turns the paper has pi_1..pi_t; "last" is the policy that the t-th turn ended with, pi_{t+1}.
5. Beyond `most_policies`, the mixture is of a uniform sample of the policies.

Dimensions: n environments, B batch, o observation, A discrete actions, a action, M stored policies.
"""

import copy
from dataclasses import dataclass
from typing import Any, Literal, cast, final

import numpy as np
import torch
from d3rlpy.base import DeviceArg, register_learnable
from d3rlpy.constants import ActionSpace
from d3rlpy.torch_utility import TorchMiniBatch
from torch import Tensor, nn

from offctx.algos.shared.batch import GroupedBatch, check_rewards
from offctx.algos.shared.config import ContextualConfig
from offctx.algos.shared.context_index import ContextIndex
from offctx.algos.shared.impl import ContextualImpl, ContextualModules
from offctx.algos.shared.learner import ContextualLearner
from offctx.algos.shared.losses import sum_of_group_means, td_loss, td_targets
from offctx.algos.shared.metrics import as_numbers
from offctx.algos.shared.mirror_descent import Improvement, StepSize, continuous_improvement, discrete_improvement
from offctx.algos.shared.mixture import PolicyMixture
from offctx.algos.shared.networks import make_critics, make_optimisers, make_policy, make_weights, minimise, start_uniform
from offctx.algos.shared.policies import DiscretePolicy
from offctx.algos.shared.schedule import Schedule, Turn
from offctx.algos.shared.snapshots import Snapshots
from offctx.algos.shared.turn_sampler import TurnSampler, describe_turn
from offctx.buffers.samplers import RowSampler
from offctx.checks import check_choice, check_number, whole_number
from offctx.envs.base import Array
from offctx.errors import AlgorithmError


@dataclass()
class _PPPOConfig(ContextualConfig):
    tau: float = 0.02
    evaluation_steps: int = 100
    improvement_steps: int = 25
    step_size: float = 1.0
    scale_free: bool = True
    output: Literal["last", "random", "mixture"] = "last"
    most_policies: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self.output, "output", ("last", "random", "mixture"))
        check_number(self.step_size, "step_size", 0)
        for name in ("evaluation_steps", "improvement_steps", "most_policies"):
            whole_number(getattr(self, name), name, 1, AlgorithmError)


@dataclass()
class PPPOConfig(_PPPOConfig):
    """Settings of PPPO for continuous actions. Source: arXiv 2503.07988, Algorithm 3.

    `fit` draws what each phase needs. `update(batch)` uses the rows of the present environment, or in improvement all rows.

    Args:
        evaluation_steps: updates of the critics in each turn.
        improvement_steps: updates of the policy in each turn.
        step_size: alpha. In the theory, with rewards in [0, 1] and n turns, sqrt(log A / (H^2 n)).
        scale_free: divide alpha by mean |Q(x, a) - mean_b Q(x, b)|, over the batch and over all, or two uniformly drawn,
            actions: then one alpha suits rewards of any scale.
        output: the policy that acts and is exported. "last": the present one. "random": one of those that were evaluated,
            drawn uniformly. "mixture": all of those, each with the same probability; its prediction is the action of
            largest mean probability, or the mean of the modes. Until a policy is evaluated: the first one.
        most_policies: M, the most policies in a mixture; beyond that, a uniform sample of them.
        tau: of the target update w_target += tau (w - w_target). In each turn the targets must reach new values.
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

    Example::

        buffer = dataset.replay_buffer(context="hidden")
        learner = PPPOConfig(uncertainty="elliptical").create()
        learner.fit(buffer, n_steps=10_000)
    """

    def create(self, device: DeviceArg = False, enable_ddp: bool = False) -> "PPPO":
        """A learner with these settings, on d3rlpy's `device`: False, True or "cuda:0"; `enable_ddp` must be False."""
        return PPPO(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """The name in saved files."""
        return "offctx_pppo"


@dataclass()
class DiscretePPPOConfig(_PPPOConfig):
    """Settings of PPPO for discrete actions, with the arguments of `PPPOConfig`. Expectations over actions are exact."""

    def create(self, device: DeviceArg = False, enable_ddp: bool = False) -> "DiscretePPPO":
        """A learner with these settings, on d3rlpy's `device`: False, True or "cuda:0"; `enable_ddp` must be False."""
        return DiscretePPPO(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """The name in saved files."""
        return "offctx_discrete_pppo"


@dataclass(frozen=True)
class PPPOModules(ContextualModules):
    """The modules and optimisers that PPPO saves; `base` computes pi_t while pi_{t+1} is trained."""

    base: nn.Module
    snapshots: Snapshots
    schedule: Schedule


@final
class PPPOImpl(ContextualImpl[PPPOModules, _PPPOConfig]):
    """The update, and the predictions that d3rlpy calls."""

    def inner_update(self, batch: TorchMiniBatch, grad_step: int) -> dict[str, float]:
        """d3rlpy's hook: one update of the phase whose turn it is."""
        schedule, (tensors, groups) = self._networks.schedule, self._grouping.of(batch)
        turn = schedule.now
        if turn.phase == "evaluation":
            own = self._rows_of(turn, tensors, groups)
            check_rewards(own.rewards, self._reward_bounds)
            if turn.step == 0:
                self._networks.critics.uncertainty.turn_to(turn.group)
            losses = self.evaluation_step(own)
        else:
            if turn.step == 0:
                self._networks.base.load_state_dict(self._networks.policy.state_dict())
                self._networks.snapshots.add(self._networks.policy)
            losses = self.improvement_step(tensors)
        schedule.advance()
        return as_numbers(losses)

    def _rows_of(self, turn: Turn, batch: GroupedBatch, groups: Array | None) -> GroupedBatch:
        """The rows of the group whose turn it is, as a batch of a single group; `groups` is that of each row."""
        if groups is None or (groups == turn.group).all():
            return batch.as_single_group()
        if not (groups == turn.group).any():
            expected = describe_turn(turn, self.index)
            raise AlgorithmError(f"{expected}; found a batch without its transitions. fit(buffer) draws them")
        return batch.as_single_group(torch.from_numpy(np.flatnonzero(groups == turn.group)).to(self._device))

    def evaluation_step(self, batch: GroupedBatch) -> dict[str, Tensor]:
        """Phase 1, from the tensors of one group to losses on the device: critics towards their targets."""
        critics, layout = self._networks.critics, batch.layout
        output = critics.of_rows(batch.observations, batch.actions, layout)
        # The quantifier comes first: one on the critic's features has just forgotten the last group.
        critics.observe(batch.observations, batch.actions, output.features, layout)
        with torch.no_grad():
            next_values = critics.expected(self._actor, batch.next_observations, layout, target=True)
            targets = td_targets(batch.rewards, next_values, batch.terminals, batch.discounts)
        loss = sum_of_group_means(td_loss(output.members, targets), layout.counts)
        minimise(self._networks.critic_optim, loss)
        critics.target.track(critics.online, self._config.tau)
        return {"critic_loss": loss.detach()}

    def improvement_step(self, batch: GroupedBatch) -> dict[str, Tensor]:
        """Phase 2, from the tensors of all groups to losses on the device: the policy towards pi_t exp(alpha Q_i)."""
        context_weights = self._networks.membership(batch.contexts, batch.size)
        step_size = StepSize(self._config.step_size, self._config.scale_free)
        discrete = isinstance(self._actor, DiscretePolicy)
        improvement: Improvement = discrete_improvement if discrete else continuous_improvement
        base = self._actor.with_network(self._networks.base)
        losses, divergences = improvement(self._actor, base, self._networks.critics, step_size, batch.observations)
        loss = (context_weights * losses).sum()
        minimise(self._networks.actor_optim, loss)
        return {"actor_loss": loss.detach(), "divergence": (context_weights * divergences).sum().detach()}

    @property
    def output(self) -> PolicyMixture:
        """The policy that acts: a mixture of the stored policies, or the present one where none is stored."""
        return PolicyMixture([self._actor.with_network(network) for network in self._networks.snapshots.kept] or [self._actor])

    def inner_predict_best_action(self, x: Tensor) -> Tensor:
        """The mode of the output."""
        return self.output.mode(x)

    def inner_sample_action(self, x: Tensor) -> Tensor:
        """An action drawn from the output."""
        return self.output.sample(x)

    def inner_predict_value(self, x: Tensor, action: Tensor) -> Tensor:
        """Q_i(s, a), (B,), of the group whose turn it is: PPPO has critics for this group only."""
        actions = action.reshape(1, len(x), -1).to(x.dtype)
        return self._networks.critics.of_slots(x[None], actions).q_values[0]


class _PPPO(ContextualLearner[PPPOImpl, _PPPOConfig]):
    """What both kinds of actions share."""

    @property
    def turn(self) -> Turn:
        """The turn of the next update."""
        return self._schedule.now

    def whose_turn(self) -> str:
        """The group whose turn the next update is, and the phase, in words."""
        return describe_turn(self.turn, self._impl.index)

    @property
    def order(self) -> list[int]:
        """The groups, in the order of their turns."""
        return list(self._schedule.order)

    @property
    def _schedule(self) -> Schedule:
        if self._impl is None:
            raise AlgorithmError("a learner takes turns from its first fit or build_with_dataset on; it has seen no data yet")
        return cast(Schedule, self._impl.modules.schedule)

    def inner_create_impl(self, observation_shape: Any, action_size: int) -> None:
        """d3rlpy's hook: make the networks."""
        config, n = self._config, self.groups
        shapes = self.shapes(observation_shape, action_size)
        policy = make_policy(config, shapes)
        start_uniform(policy.network)
        critics = make_critics(config, shapes, n, self.value_bounds(), in_turn=True)
        stored = {"last": 0, "random": 1, "mixture": config.most_policies}[config.output]
        modules = PPPOModules(
            policy=policy.network,
            base=copy.deepcopy(policy.network),
            snapshots=Snapshots(policy.network, stored, config.seed),
            critics=critics,
            membership=make_weights(config, n, self._device),
            schedule=Schedule(n, config.evaluation_steps, config.improvement_steps, config.seed),
            **make_optimisers(config, policy, [("critics", critics.online)]),
        )
        self._impl = PPPOImpl(observation_shape, action_size, modules, policy, config, n, self.scaled_bounds(), self._device)

    def _sampler(self) -> RowSampler:
        all_groups = super()._sampler()
        if self._config.contexts is None and self._config.groups == 1:
            return all_groups
        index = ContextIndex(self._config.contexts, self.groups)
        return TurnSampler(lambda: self._impl and self.turn, index, balance=self._config.balance, all_groups=all_groups)


@final
class PPPO(_PPPO):
    """PPPO for continuous actions, as a d3rlpy learner; `PPPOConfig` makes it."""

    def get_action_type(self) -> ActionSpace:
        """Continuous."""
        return ActionSpace.CONTINUOUS


@final
class DiscretePPPO(_PPPO):
    """PPPO for discrete actions, as a d3rlpy learner; `DiscretePPPOConfig` makes it."""

    def get_action_type(self) -> ActionSpace:
        """Discrete."""
        return ActionSpace.DISCRETE


register_learnable(PPPOConfig)
register_learnable(DiscretePPPOConfig)
