"""What the contextual learners share: their config, how they meet a buffer, and how a batch is laid out for their critics.

Dimensions: C contexts, n groups, k members, B batch, m slots of a group, o observation, a action.
"""

import dataclasses
import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from d3rlpy.algos.qlearning.base import QLearningAlgoBase, QLearningAlgoImplBase
from d3rlpy.algos.utility import assert_action_space_with_dataset, build_scalers_with_transition_picker
from d3rlpy.base import DeviceArg, LearnableConfig
from d3rlpy.models.builders import create_categorical_policy, create_deterministic_policy, create_normal_policy
from d3rlpy.models.encoders import EncoderFactory, make_encoder_field
from d3rlpy.optimizers.optimizers import OptimizerFactory, OptimizerWrapper, make_optimizer_field
from d3rlpy.torch_utility import Modules, TorchMiniBatch, convert_to_torch
from torch import Tensor, nn

from offctx.algos.critics import Actions, ContinuousActions, DiscreteActions, PessimisticCritics, PolicyKind
from offctx.algos.export import ExportsPolicies
from offctx.algos.groups import ContextGroups, Grouping, Layout, Membership
from offctx.algos.losses import value_bounds
from offctx.algos.stacked import make_critic
from offctx.algos.uncertainty import UncertaintyFactory, make_uncertainty_field
from offctx.data.replay_buffer import ContextualReplayBuffer
from offctx.errors import AlgorithmError, whole_number

_TOLERANCE = 1e-4  # by how much, as a share of their range, rewards may miss their bounds


@dataclass()
class ContextualConfig(LearnableConfig):
    """Hyperparameters of contextual learners; those not listed are d3rlpy's, as in its IQL.

    Args:
        groups: how many critic sets. None: one for each context of the data; m: contexts share them in m groups; 1: a single
            one, which needs no context labels; where there are, contexts weigh equally.
        grouping: contexts that are near each other share ("distance"), or those that chance brings together ("random").
        policy: whether the policy is "stochastic" or "deterministic".
        uncertainty: Gamma, which is subtracted from what critics say.
        reward_bounds: least and largest reward there can be; values are clipped to what they allow.
        horizon: the most steps of an episode, if the bounds are to count on that; needed where gamma is 1.
        balance: draw equally many transitions from each context, where the buffer can. Contexts weigh equally in the policy
            either way; drawn equally, the batch says more about those with little data.
        seed: of random grouping, and of what else the learner draws beside its networks and their actions.
        contexts: the contexts met, which a learner fills in when it first sees a buffer.
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
    uncertainty: UncertaintyFactory = make_uncertainty_field()
    reward_bounds: tuple[float, float] | None = None
    horizon: int | None = None
    balance: bool = True
    seed: int = 0
    contexts: ContextGroups | None = None

    def __post_init__(self) -> None:
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
            raise AlgorithmError("compile_graph is not for contextual learners: how a batch is laid out differs each time")


def check_choice(value: Any, name: str, choices: tuple[str, ...]) -> None:
    """That a setting is one of its choices."""
    if value not in choices:
        raise AlgorithmError(f"{name} must be one of {', '.join(choices)}; found {value!r}")


def check_number(value: Any, name: str, low: float, high: float = math.inf) -> None:
    """That a setting is a finite number within bounds."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not low <= value <= high:
        wanted = f">= {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        raise AlgorithmError(f"{name} must be a number {wanted}; found {value!r}")


def _checked_bounds(bounds: Any) -> tuple[float, float]:
    try:
        low, high = (float(bound) for bound in bounds)
    except (TypeError, ValueError) as error:
        raise AlgorithmError(f"reward_bounds must be two numbers, the least and largest reward; found {bounds!r}") from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise AlgorithmError(f"reward_bounds must be finite, the least before the largest; found {bounds!r}")
    return low, high


# --- what a learner is made of ---------------------------------------------------------------------------------------------


def make_actions(config: ContextualConfig, observation_shape: Any, action_size: int, discrete: bool, device: str) -> Actions:
    """The policy: d3rlpy's own modules, made as its IQL makes them."""
    about = (observation_shape, action_size, config.actor_encoder_factory)
    on = {"device": device, "enable_ddp": False}
    if discrete:
        return DiscreteActions(create_categorical_policy(*about, **on), config.policy)
    if config.policy == "deterministic":
        return ContinuousActions(create_deterministic_policy(*about, **on))
    return ContinuousActions(create_normal_policy(*about, **on, min_logstd=-5.0, max_logstd=2.0, use_std_parameter=True))


def make_critics(
    config: ContextualConfig, observation_shape: Any, action_size: int, discrete: bool, groups: int, device: str,
    bounds: tuple[float, float] | None, *, in_turn: bool = False,
) -> PessimisticCritics:  # fmt: skip
    """Critics of n groups, of observations and actions, or of observations with a value for each discrete action.

    `in_turn`: of one group only, which serve one after the other, starting with the first.
    """
    both = None if discrete else action_size

    def make() -> Any:
        return make_critic(config.critic_encoder_factory, observation_shape, both, action_size if discrete else 1)

    features = make()._fc.in_features
    uncertainty = config.uncertainty.create(
        groups=groups,
        observation_size=int(observation_shape[0]),
        action_size=action_size,
        discrete=discrete,
        critic_features=features,
    )
    if in_turn:
        uncertainty.turn_to(0)
    return PessimisticCritics(make, 1 if in_turn else groups, config.n_critics, uncertainty, bounds, discrete).to(device)


def make_optimiser(factory: OptimizerFactory, modules: list[tuple[str, Any]], rate: float) -> OptimizerWrapper:
    """d3rlpy's optimiser; Adam in torch's fused form, which passes once over the weights instead of ten times."""
    made = factory.create(modules, lr=rate, compiled=False)
    if isinstance(made.optim, (torch.optim.Adam, torch.optim.AdamW)):
        for group in made.optim.param_groups:
            group["fused"], group["foreach"] = True, False
    return made


def minimise(optimiser: OptimizerWrapper, loss: Tensor) -> None:
    """One step down a loss."""
    optimiser.optim.zero_grad()  # to none, where d3rlpy fills with zeros and adds: slower with many critics
    loss.backward()  # type: ignore[no-untyped-call]  # torch does not type it
    optimiser.step()


@dataclass(frozen=True)
class ContextualBatch:
    """A batch on the device, flat and packed by group.

    Attributes:
        flat: as d3rlpy has it, rows (B, ...).
        layout: where each row lies in the packed tensors.
        observations, actions, next_observations: packed (n, m, ...).
        rewards, terminals, discounts: (B,).
        weights: of the policy's loss (B,): their sum over a batch is the unweighted mean over contexts.
    """

    flat: TorchMiniBatch
    layout: Layout
    observations: Tensor
    actions: Tensor
    next_observations: Tensor
    rewards: Tensor
    terminals: Tensor
    discounts: Tensor
    weights: Tensor

    @classmethod
    def of(
        cls, batch: TorchMiniBatch, membership: Membership, gamma: float, reward_bounds: tuple[float, float] | None
    ) -> "ContextualBatch":
        """Lay out a batch.

        Raises:
            AlgorithmError: context ids missing or never seen; rewards out of their bounds.
        """
        contexts, groups = membership.of(batch.numpy_batch)
        size = len(batch.rewards)
        layout = Layout.of(groups, membership.groups, size, batch.device)
        check_rewards(batch.rewards, reward_bounds)
        return cls(
            batch,
            layout,
            layout.pack(batch.observations),
            layout.pack(batch.actions),
            layout.pack(batch.next_observations),
            batch.rewards[:, 0],
            batch.terminals[:, 0],
            (gamma**batch.intervals)[:, 0],
            membership.weigh(contexts, size),
        )

    def sum_of_means(self, losses: Tensor) -> Tensor:
        """The sum over groups of the mean loss in each: what n separate learners would minimise; losses (B,)."""
        return (losses / self.layout.counts).sum()


def check_rewards(rewards: Tensor, bounds: tuple[float, float] | None) -> None:
    """That rewards lie within their bounds, up to rounding."""
    if bounds is None or not rewards.numel():
        return
    slack = _TOLERANCE * (bounds[1] - bounds[0])
    least, most = float(rewards.min()), float(rewards.max())
    if least < bounds[0] - slack or most > bounds[1] + slack:
        raise AlgorithmError(
            f"expected rewards within reward_bounds, as the learner sees them {bounds[0]:g} to {bounds[1]:g}; found {least:g} "
            f"to {most:g}"
        )


@dataclass(frozen=True)
class ContextualModules(Modules):
    """What a contextual learner trains and saves, beside what is its own."""

    policy: nn.Module
    critics: PessimisticCritics
    membership: Membership
    actor_optim: OptimizerWrapper
    critic_optim: OptimizerWrapper


TModules = TypeVar("TModules", bound=ContextualModules)
TConfig = TypeVar("TConfig", bound=ContextualConfig)


class ContextualImpl(QLearningAlgoImplBase, Generic[TModules, TConfig]):
    """d3rlpy's inner side of a contextual learner: how its policy, critics and optimisers are found."""

    def __init__(
        self, observation_shape: Any, action_size: int, modules: TModules, actions: Actions, config: TConfig,
        reward_bounds: tuple[float, float] | None, device: str,
    ) -> None:  # fmt: skip
        super().__init__(observation_shape, action_size, modules, device)
        self._own, self._actions, self._config, self._reward_bounds = modules, actions, config, reward_bounds

    @property
    def policy(self) -> nn.Module:
        """The policy that is trained."""
        return self._own.policy

    @property
    def policy_optim(self) -> torch.optim.Optimizer:
        """Its optimiser."""
        return self._own.actor_optim.optim  # type: ignore[no-any-return]  # d3rlpy is untyped

    @property
    def q_function(self) -> nn.ModuleList:
        """All critics, as one module."""
        return nn.ModuleList([self._own.critics.online])

    @property
    def q_function_optim(self) -> torch.optim.Optimizer:
        """The optimiser of all that is no policy."""
        return self._own.critic_optim.optim  # type: ignore[no-any-return]  # d3rlpy is untyped


# --- the learner --------------------------------------------------------------------------------------------------------------

TImpl = TypeVar("TImpl", bound=QLearningAlgoImplBase)


class ContextualLearner(ExportsPolicies, QLearningAlgoBase[TImpl, TConfig], Generic[TImpl, TConfig]):
    """A d3rlpy learner that meets its contexts in the first buffer it is given."""

    _config: TConfig

    def __init__(self, config: TConfig, device: DeviceArg = False, enable_ddp: bool = False) -> None:
        if enable_ddp:
            raise AlgorithmError(f"{type(self).__name__} trains in one process: leave enable_ddp out")
        super().__init__(config, device, enable_ddp)
        self._data: ContextualReplayBuffer | None = None

    @property
    def groups(self) -> int:
        """How many critic sets, n.

        Raises:
            AlgorithmError: it has met no contexts and was not told.
        """
        found = self._config.contexts.size if self._config.contexts else self._config.groups
        if found is None:
            raise AlgorithmError(
                f"{type(self).__name__} learns its contexts from data: call fit(buffer), build_with_dataset(buffer) or "
                f"fit_online with a buffer that holds data of them; or say groups=m"
            )
        return int(found)

    def scaled_bounds(self) -> tuple[float, float] | None:
        """The bounds of rewards as the reward scaler leaves them."""
        bounds, scaler = self._config.reward_bounds, self._config.reward_scaler
        if bounds is None or scaler is None:
            return bounds
        low, high = (float(x) for x in scaler.transform(torch.tensor(bounds)))
        return low, high

    def value_bounds(self) -> tuple[float, float] | None:
        """The least and largest value that rewards within their bounds allow."""
        bounds = self.scaled_bounds()
        return None if bounds is None else value_bounds(bounds, self._config.gamma, self._config.horizon)

    def create_impl(self, observation_shape: Any, action_size: int) -> None:
        """d3rlpy's hook: make the networks, and show the quantifier the data where there are any."""
        super().create_impl(observation_shape, action_size)
        self._show_data()

    def build_with_dataset(self, dataset: Any) -> None:
        """Make the networks for a buffer's contexts, observations and actions.

        Raises:
            AlgorithmError: contexts unknown, a single one, fewer than groups; rewards out of their bounds.
        """
        self._meet(dataset, anew=True)
        super().build_with_dataset(dataset)

    def fitter(self, dataset: Any, *args: Any, **options: Any) -> Generator[tuple[int, dict[str, float]], None, None]:
        """d3rlpy's `fitter`, on batches with equally many transitions of each context if `balance`."""
        self._meet(dataset, anew=self._impl is None)
        yield from super().fitter(self._balanced(dataset), *args, **options)

    def fit_online(self, env: Any, buffer: Any = None, *args: Any, **options: Any) -> None:
        """d3rlpy's `fit_online`.

        A learner without networks takes its contexts from the transitions that the buffer holds. Where it holds none, they are
        unknown and the config must say groups=m: id k then belongs to group k modulo m. A learner that knows its contexts tells
        the buffer their ids, which would number them anew.
        """
        if isinstance(buffer, ContextualReplayBuffer):
            if self._impl is None and buffer.transition_count:
                self.build_with_dataset(buffer)
            elif self._config.contexts is not None:
                self._config.contexts.check(buffer)
                buffer.number_contexts(self._config.contexts.ids, self._config.contexts.contexts)
        super().fit_online(env, buffer, *args, **options)

    def _meet(self, dataset: Any, *, anew: bool) -> None:
        assert_action_space_with_dataset(self, dataset.dataset_info)
        build_scalers_with_transition_picker(self, dataset)
        untouched = not anew and not self._impl.modules.membership.seen.any()  # networks made by create_impl, say
        if self._config.contexts is not None and not anew:
            self._config.contexts.check(dataset)
        elif anew or untouched:
            found = ContextGroups.of(dataset, self._config.groups, self._config.grouping, self._config.seed)
            self._config = dataclasses.replace(self._config, contexts=found)
            self._data = dataset if isinstance(dataset, ContextualReplayBuffer) else None
        if untouched and self._data is not None:
            self._impl.modules.membership.meet(self._config.contexts)
            self._show_data()
        if self._config.reward_bounds is not None and isinstance(dataset, ContextualReplayBuffer):
            rewards = torch.from_numpy(dataset.table["rewards"].copy())
            scaler = self._config.reward_scaler
            check_rewards(rewards if scaler is None else scaler.transform(rewards), self.scaled_bounds())

    def _balanced(self, dataset: Any) -> Any:
        known = self._config.contexts
        if not self._config.balance or known is None or len(known.ids) == 1:
            return dataset
        return dataset.stratified(dataset.table["context_ids"])

    def _show_data(self) -> None:
        """Show the quantifier all transitions of a buffer just met, scaled as the critics see them."""
        data, self._data = self._data, None
        if data is None:
            return
        modules = self._impl.modules
        groups = modules.membership.groups_of(data.table["context_ids"])
        scale = [self._config.observation_scaler, self._config.action_scaler]
        columns = [convert_to_torch(data.table[name], self._device) for name in ("observations", "actions")]
        rows, actions = (x if s is None else s.transform(x) for x, s in zip(columns, scale, strict=True))
        modules.critics.prepare(rows, actions, groups)
