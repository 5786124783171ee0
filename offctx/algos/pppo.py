"""Pessimistic proximal policy optimisation (PPPO), deep: the environments one after the other, one critic set for all of them.

Source: arXiv 2503.07988, Algorithm 3. An environment is a context, or a group of contexts. Turn t = 0, 1, ... is that of
environment i = order[t mod n], in an order drawn once, and has two phases:

1. evaluation: Q_i by pessimistic evaluation of the present policy on the data of environment i alone: Q to
   r + gamma E_{a' ~ pi_t} Q_i(s', a'), and Q_i what it says less Gamma_i, clipped (`critics.py`);
2. improvement: pi_{t+1}(. | x) proportional to pi_t(. | x) exp( alpha Q_i(x, .) ), fitted to the states of all environments.
   Discrete: cross-entropy to that distribution, which is exact. Continuous: the minimum of
   - alpha E_{a ~ pi} Q_i(x, a) + KL( pi || pi_t ), which is the same distribution where the policy's class holds it; for a
   deterministic policy half the squared distance of the modes takes the place of KL.

The first policy is uniform over discrete actions; over continuous ones it has the mean and standard deviation of the uniform
distribution. With n = 1, this is soft policy iteration on the merged data.

Q_i means little in states that environment i never saw: there the quantifier makes it pessimistic, and nothing else does. A
quantifier on the critic's own features starts anew with each turn.

Departures: (1) several rounds over the environments, and no splitting of the data by step. (2) Critics, and their targets, go
on from the last environment's, where the paper's regression starts anew: of what environment i never saw, Q_i says what they
said. (3) alpha may be relative to how far values differ between actions. (4) After t turns the paper has pi_1..pi_t; "last" is
the one that the t-th turn ended with, pi_{t+1}. (5) Beyond `most_policies`, the mixture is of a uniform sample of them.

Dimensions: n environments, B batch, m rows of one environment, A discrete actions, a action, M stored policies.
"""

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast, final

import numpy as np
import torch
from d3rlpy.base import DeviceArg, register_learnable
from d3rlpy.constants import ActionSpace
from d3rlpy.models.torch import NormalPolicy
from d3rlpy.torch_utility import TorchMiniBatch
from torch import Tensor, nn

from offctx.algos.shared.actions import Actions, DiscreteActions
from offctx.algos.shared.batch import ContextualBatch
from offctx.algos.shared.config import ContextualConfig
from offctx.algos.shared.layout import Layout
from offctx.algos.shared.learner import ContextualImpl, ContextualLearner, ContextualModules
from offctx.algos.shared.losses import td_loss, td_targets
from offctx.algos.shared.membership import Membership
from offctx.algos.shared.networks import make_actions, make_critics, make_optimiser, minimise
from offctx.algos.shared.schedule import Schedule, Turn
from offctx.algos.shared.snapshots import Snapshots
from offctx.checks import check_choice, check_number, whole_number
from offctx.envs.base import Array
from offctx.errors import AlgorithmError

Output = Literal["last", "random", "mixture"]
_UNIFORM_STD = 3**-0.5  # of the uniform distribution over [-1, 1]


def exponentiated(log_probabilities: Tensor, values: Tensor, step_size: float | Tensor) -> Tensor:
    """pi(a) exp(step_size Q(a)), normalised: (B, A), as logarithms and values are."""
    return (log_probabilities + step_size * values).softmax(dim=-1)


def gaussian_divergence(means: Tensor, stds: Tensor, base_means: Tensor, base_stds: Tensor) -> Tensor:
    """KL( N(means, stds^2) || N(base_means, base_stds^2) ) of independent coordinates (B, a): (B,)."""
    ratios = (stds / base_stds).square()
    distances = ((means - base_means) / base_stds).square()
    return (ratios + distances - 1 - ratios.log()).sum(dim=-1) / 2


def spread(values: Tensor) -> Tensor:
    """How far values (B, A) differ between actions: the mean of |Q(x, a) - mean_a Q(x, .)|, a scalar."""
    return (values - values.mean(dim=-1, keepdim=True)).abs().mean()


class _InTurn:
    """A buffer whose batches are of the environment whose turn it is, or of all while the policy is improved.

    Args:
        buffer: with labelled contexts; all else is asked of it.
        everything: the same one, as it draws from all environments.
        learner: whose turns they are.
    """

    def __init__(self, buffer: Any, everything: Any, learner: "_PPPO") -> None:
        self._buffer, self._everything, self._learner = buffer, everything, learner
        self._own: dict[int, Any] = {}

    def sample_transition_batch(self, batch_size: int) -> Any:
        """B transitions for the next update."""
        turn = self._learner.turn
        if turn.phase == "improvement":
            return self._everything.sample_transition_batch(batch_size)
        if turn.group not in self._own:
            self._own[turn.group] = self._view(turn.group)
        return self._own[turn.group].sample_transition_batch(batch_size)

    def _view(self, group: int) -> Any:
        ids = self._buffer.table["context_ids"]
        groups = self._learner.impl.modules.membership.groups_of(np.maximum(ids, 0)).numpy()
        own = (groups == group) & (ids >= 0)
        if not own.any():
            raise AlgorithmError(f"{self._learner.whose_turn()}; this buffer holds no data of it")
        return self._buffer.stratified(np.where(own, ids if self._learner.config.balance else 0, -1))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._buffer, name)


@dataclass()
class _PPPOConfig(ContextualConfig):
    tau: float = 0.02
    evaluation_steps: int = 100
    improvement_steps: int = 25
    step_size: float = 1.0
    scale_free: bool = True
    output: Output = "last"
    most_policies: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self.output, "output", ("last", "random", "mixture"))
        check_number(self.step_size, "step_size", 0)
        for name in ("evaluation_steps", "improvement_steps", "most_policies"):
            whole_number(getattr(self, name), name, 1, AlgorithmError)


@dataclass()
class PPPOConfig(_PPPOConfig):
    """PPPO for continuous actions: `PPPOConfig().create().fit(buffer)`.

    `fit` draws what each phase needs. `update(batch)` takes any batch: evaluation uses its rows of the environment whose turn
    it is, improvement all of them.

    Args:
        tau: of the target critics: within a turn they have to follow from one environment's values to the next's.
        evaluation_steps: updates of the critics in each turn.
        improvement_steps: updates of the policy in each turn.
        step_size: alpha. In the theory, with rewards in [0, 1] and n turns, sqrt(log A / (H^2 n)).
        scale_free: alpha counts in units of 1 / (mean |Q(x, a) - mean_a Q(x, .)|), the mean over the batch and over all, or two
            uniformly drawn, actions: one setting for rewards of any scale. False: alpha is itself.
        output: what acts, is predicted and exported: the "last" policy; a "random" one of the policies that were evaluated,
            uniformly, of which one copy is kept; or their "mixture", each with the same probability. The mixture's prediction
            is the action of largest mean probability, or the mean of the policies' modes. Before the first improvement all
            are the first policy.
        most_policies: how many policies a mixture holds at most: beyond that, a uniform sample of them.
        others: see `ContextualConfig`.

    Raises:
        AlgorithmError: a setting out of its range.
    """

    def create(self, device: DeviceArg = False, enable_ddp: bool = False) -> "PPPO":
        """A learner with these settings."""
        return PPPO(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """The name in saved files."""
        return "offctx_pppo"


@dataclass()
class DiscretePPPOConfig(_PPPOConfig):
    """PPPO for discrete actions; see `PPPOConfig`. Critics give a value for each action, and expectations are exact."""

    def create(self, device: DeviceArg = False, enable_ddp: bool = False) -> "DiscretePPPO":
        """A learner with these settings."""
        return DiscretePPPO(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """The name in saved files."""
        return "offctx_discrete_pppo"


@dataclass(frozen=True)
class PPPOModules(ContextualModules):
    """What is trained and saved; `base` is pi_t while pi_{t+1} is made of it."""

    base: nn.Module
    snapshots: Snapshots
    schedule: Schedule


@final
class PPPOImpl(ContextualImpl[PPPOModules, _PPPOConfig]):
    """The update, and the policy as d3rlpy asks it."""

    def __init__(
        self, observation_shape: Any, action_size: int, modules: PPPOModules, actions: Actions, config: _PPPOConfig,
        reward_bounds: tuple[float, float] | None, device: str, whose_turn: Callable[[], str],
    ) -> None:  # fmt: skip
        super().__init__(observation_shape, action_size, modules, actions, config, reward_bounds, device)
        self._base = _acting(actions, modules.base)
        self._whose_turn = whose_turn
        self._merged = Membership(None, 1)  # the rows of one environment are of one group

    # --- training ------------------------------------------------------------------------------------------------------

    def inner_update(self, batch: TorchMiniBatch, grad_step: int) -> dict[str, float]:
        """One step of evaluation or of improvement."""
        contexts, groups = self._own.membership.of(batch.numpy_batch)
        turn = self._own.schedule.now
        if turn.phase == "evaluation":
            losses = self._evaluate(self._rows_of(turn.group, batch, groups), turn)
        else:
            losses = self._improve(batch, self._own.membership.weigh(contexts, len(batch.rewards)), turn)
        self._own.schedule.advance()
        return {name: float(loss) for name, loss in losses.items()}

    def _rows_of(self, group: int, batch: TorchMiniBatch, groups: Array | None) -> ContextualBatch:
        """The rows of one environment, as a batch of a single group."""
        if groups is not None and not (groups == group).all():
            rows = torch.from_numpy(np.flatnonzero(groups == group)).to(batch.device)
            if not len(rows):
                raise AlgorithmError(
                    f"{self._whose_turn()}, and a batch without its transitions says nothing of it. fit(buffer) draws them"
                )
            columns = {
                name: value[rows]
                for name, value in vars(batch).items()
                if isinstance(value, Tensor) and len(value) == len(groups)
            }
            batch = dataclasses.replace(batch, **columns, numpy_batch=None)
        return ContextualBatch.of(batch, self._merged, self._config.gamma, self._reward_bounds)

    def _evaluate(self, laid: ContextualBatch, turn: Turn) -> dict[str, Tensor]:
        """Critics towards their targets."""
        critics, actions, layout = self._own.critics, self._actions, laid.layout
        if turn.step == 0:
            critics.uncertainty.turn_to(turn.group)
        found = actions.taken(critics, laid.observations, laid.actions)
        critics.observe(laid.observations, laid.actions, found.features.detach(), layout.mask)  # first: it may start anew
        with torch.no_grad():
            following = actions.expected(critics, laid.flat.next_observations, layout, target=True)
            targets = td_targets(laid.rewards, following, laid.terminals, laid.discounts)
        loss = laid.sum_of_means(td_loss(layout.unpack(found.members, lead=1), targets))
        minimise(self._own.critic_optim, loss)
        critics.target.track(critics.online, self._config.tau)
        return {"critic_loss": loss.detach()}

    def _improve(self, batch: TorchMiniBatch, weights: Tensor, turn: Turn) -> dict[str, Tensor]:
        """The policy towards pi_t exp(alpha Q_i); weights (B,)."""
        if turn.step == 0:
            self._own.base.load_state_dict(self._own.policy.state_dict())
            self._own.snapshots.show(self._own.policy)
        improve = self._improve_discrete if isinstance(self._actions, DiscreteActions) else self._improve_continuous
        losses, divergences = improve(batch.observations)
        loss = (weights * losses).sum()
        minimise(self._own.actor_optim, loss)
        return {"actor_loss": loss.detach(), "divergence": (weights * divergences).sum().detach()}

    def _improve_discrete(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy to the exact target, and the divergence from pi_t: (B,) each."""
        actions, base = cast(DiscreteActions, self._actions), cast(DiscreteActions, self._base)
        with torch.no_grad():
            values = self._own.critics.judge(observations[None]).values[0]
            before = base.log_probabilities(observations)
            target = exponentiated(before, values, self._step_size(values))
        logs = actions.log_probabilities(observations)
        return -(target * logs).sum(dim=-1), (logs.exp() * (logs - before)).sum(dim=-1)

    def _improve_continuous(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Less alpha times the value of an action drawn, plus the divergence from pi_t; and the latter: (B,) each."""
        critics, layout = self._own.critics, Layout.of(None, 1, len(observations), self._device)
        values = self._actions.expected(critics, observations, layout)
        alpha: float | Tensor = self._config.step_size
        if self._config.scale_free:
            with torch.no_grad():
                uniform = 2 * torch.rand(2, *self._shape_of(observations), device=observations.device) - 1
                alpha = self._step_size(
                    torch.stack([critics.judge(observations[None], u[None]).values[0] for u in uniform], -1)
                )
        found = self._actions.policy(observations)
        with torch.no_grad():
            before = self._own.base(observations)
        if found.logstd is None:
            divergences = (found.squashed_mu - before.squashed_mu).square().sum(dim=-1) / 2
        else:
            divergences = gaussian_divergence(found.squashed_mu, found.logstd.exp(), before.squashed_mu, before.logstd.exp())
        return divergences - alpha * values, divergences

    def _shape_of(self, observations: Tensor) -> tuple[int, int]:
        return len(observations), self._action_size

    def _step_size(self, values: Tensor) -> float | Tensor:
        """Alpha, given values (B, A) of several actions."""
        alpha = self._config.step_size
        return alpha / spread(values).clamp_min(1e-8) if self._config.scale_free else alpha

    # --- d3rlpy's questions ----------------------------------------------------------------------------------------------

    def _output(self) -> list[Actions]:
        """The policies that act, each with the same probability."""
        return [_acting(self._actions, policy) for policy in self._own.snapshots.kept] or [self._actions]

    def inner_predict_best_action(self, x: Tensor) -> Tensor:
        """The output's mode, or what stands for it."""
        policies = self._output()
        if len(policies) == 1:
            return policies[0].greedy(x)
        if isinstance(self._actions, DiscreteActions):
            return self.probabilities(x).argmax(dim=-1)
        return torch.stack([policy.greedy(x) for policy in policies]).mean(dim=0)

    def inner_sample_action(self, x: Tensor) -> Tensor:
        """An action drawn from a policy drawn from the output."""
        policies = self._output()
        drawn = torch.stack([policy.draw(x) for policy in policies])
        chosen = torch.randint(len(policies), (len(x),), device=x.device)
        return drawn[chosen, torch.arange(len(x), device=x.device)]

    def probabilities(self, x: Tensor) -> Tensor:
        """The output's probabilities of discrete actions (B, A)."""
        return torch.stack([cast(DiscreteActions, policy).log_probabilities(x).exp() for policy in self._output()]).mean(dim=0)

    def inner_predict_value(self, x: Tensor, action: Tensor) -> Tensor:
        """The pessimistic value of actions (B,), in the environment whose turn it is: there is a critic for no other."""
        given = action.reshape(1, len(x), -1).to(x.dtype)
        return self._actions.taken(self._own.critics, x[None], given).values[0]


def _acting(actions: Actions, policy: nn.Module) -> Actions:
    """The same kind of actions, by another policy."""
    twin = copy.copy(actions)
    twin.policy = policy
    return twin


def _start_uniform(policy: Any) -> None:
    """No action preferred over another: the last layer is zero, and a Gaussian as wide as the uniform distribution."""
    last = policy._mu if isinstance(policy, NormalPolicy) else policy._fc
    for weight in last.parameters():
        nn.init.zeros_(weight)
    if isinstance(policy, NormalPolicy):
        share = (np.log(_UNIFORM_STD) - policy._min_logstd) / (policy._max_logstd - policy._min_logstd)
        nn.init.constant_(policy._logstd, np.log(share / (1 - share)))


class _PPPO(ContextualLearner[PPPOImpl, _PPPOConfig]):
    """What both kinds of actions share."""

    @property
    def turn(self) -> Turn:
        """The turn of the next update."""
        return self._schedule.now

    @property
    def order(self) -> list[int]:
        """The groups, in the order of their turns."""
        return list(self._schedule.order)

    @property
    def _schedule(self) -> Schedule:
        if self._impl is None:
            raise AlgorithmError("a learner takes turns from its first fit or build_with_dataset on; it has seen no data yet")
        return cast(Schedule, self._impl.modules.schedule)

    def whose_turn(self) -> str:
        """In words."""
        turn, known = self.turn, self._config.contexts
        if known is None:
            who = f"contexts k with k modulo {self.groups} = {turn.group}"
        else:
            ids = [number for number, group in zip(known.ids, known.groups, strict=True) if group == turn.group]
            who = f"context id {ids[0]}" if len(ids) == 1 else f"context ids {ids}"
        return f"it is the turn of {who} ({turn.phase} {turn.number})"

    def inner_create_impl(self, observation_shape: Any, action_size: int) -> None:
        """d3rlpy's hook: make the networks."""
        config, discrete, n = self._config, self.get_action_type() == ActionSpace.DISCRETE, self.groups
        about = (observation_shape, action_size, discrete)
        actions = make_actions(config, *about, self._device)
        _start_uniform(actions.policy)
        critics = make_critics(config, *about, n, self._device, self.value_bounds(), in_turn=True)
        stored = {"last": 0, "random": 1, "mixture": config.most_policies}[config.output]
        modules = PPPOModules(
            policy=actions.policy,
            base=copy.deepcopy(actions.policy),
            snapshots=Snapshots(actions.policy, stored, config.seed),
            critics=critics,
            membership=Membership(config.contexts, n).to(self._device),
            schedule=Schedule(n, config.evaluation_steps, config.improvement_steps, config.seed),
            actor_optim=make_optimiser(config.actor_optim_factory, [("policy", actions.policy)], config.actor_learning_rate),
            critic_optim=make_optimiser(
                config.critic_optim_factory, [("critics", critics.online)], config.critic_learning_rate
            ),
        )
        self._impl = PPPOImpl(
            observation_shape, action_size, modules, actions, config, self.scaled_bounds(), self._device, self.whose_turn
        )

    def _balanced(self, dataset: Any) -> Any:
        everything = super()._balanced(dataset)
        return everything if self._config.contexts is None and self._config.groups == 1 else _InTurn(dataset, everything, self)


@final
class PPPO(_PPPO):
    """The learner of `PPPOConfig`."""

    def get_action_type(self) -> ActionSpace:
        """Continuous."""
        return ActionSpace.CONTINUOUS


@final
class DiscretePPPO(_PPPO):
    """The learner of `DiscretePPPOConfig`."""

    def get_action_type(self) -> ActionSpace:
        """Discrete."""
        return ActionSpace.DISCRETE


register_learnable(PPPOConfig)
register_learnable(DiscretePPPOConfig)
