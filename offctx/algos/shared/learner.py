"""What the contextual learners share: their d3rlpy sides, outer and inner."""

import dataclasses
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from d3rlpy.algos.qlearning.base import QLearningAlgoBase, QLearningAlgoImplBase
from d3rlpy.algos.utility import assert_action_space_with_dataset, build_scalers_with_transition_picker
from d3rlpy.base import DeviceArg
from d3rlpy.optimizers.optimizers import OptimizerWrapper
from d3rlpy.torch_utility import Modules, convert_to_torch
from torch import nn

from offctx.algos.shared.actions import Actions
from offctx.algos.shared.batch import check_rewards
from offctx.algos.shared.config import ContextualConfig
from offctx.algos.shared.critics import PessimisticCritics
from offctx.algos.shared.export import ExportsPolicies
from offctx.algos.shared.groups import ContextGroups
from offctx.algos.shared.losses import value_bounds
from offctx.algos.shared.membership import Membership
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.errors import AlgorithmError


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
                buffer.register_contexts(self._config.contexts.ids, self._config.contexts.contexts)
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
