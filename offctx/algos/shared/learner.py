"""d3rlpy's outer side of a contextual learner: it learns its contexts from the first buffer that it is given."""

import dataclasses
from collections.abc import Generator
from typing import Any, Generic, TypeVar

import torch
from d3rlpy.algos.qlearning.base import QLearningAlgoBase
from d3rlpy.algos.utility import assert_action_space_with_dataset, build_scalers_with_transition_picker
from d3rlpy.base import DeviceArg
from d3rlpy.constants import ActionSpace
from d3rlpy.torch_utility import convert_to_torch

from offctx.algos.shared.batch import check_rewards
from offctx.algos.shared.export import ExportsPolicies
from offctx.algos.shared.groups import ContextGroups
from offctx.algos.shared.impl import ContextualImpl, TConfig
from offctx.algos.shared.losses import value_bounds
from offctx.algos.shared.networks import Shapes
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.buffers.samplers import BalancedSampler, RowSampler, UniformSampler
from offctx.errors import AlgorithmError

TImpl = TypeVar("TImpl", bound=ContextualImpl[Any, Any])


class ContextualLearner(ExportsPolicies, QLearningAlgoBase[TImpl, TConfig], Generic[TImpl, TConfig]):
    """A d3rlpy learner that learns its contexts from the first buffer that it is given."""

    _config: TConfig

    def __init__(self, config: TConfig, device: DeviceArg = False, enable_ddp: bool = False) -> None:
        if enable_ddp:
            raise AlgorithmError(f"{type(self).__name__} trains in one process: leave enable_ddp out")
        super().__init__(config, device, enable_ddp)
        self._data: ContextualReplayBuffer | None = None  # until the quantifier has seen it

    @property
    def groups(self) -> int:
        """How many groups of contexts there are, n.

        Raises:
            AlgorithmError: the learner has seen no contexts yet, and its config does not say groups=m.
        """
        groups = self._config.contexts.size if self._config.contexts else self._config.groups
        if groups is None:
            raise AlgorithmError(
                f"{type(self).__name__} learns its contexts from data: call fit(buffer), build_with_dataset(buffer) or "
                f"fit_online with a buffer that holds data of them; or say groups=m"
            )
        return int(groups)

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

    def shapes(self, observation_shape: Any, action_size: int) -> Shapes:
        """The shapes of observations and actions, for which networks are made."""
        return Shapes(observation_shape, action_size, self.get_action_type() == ActionSpace.DISCRETE, self._device)

    def create_impl(self, observation_shape: Any, action_size: int) -> None:
        """d3rlpy's hook: make the networks; then show the quantifier the data, where there are any."""
        super().create_impl(observation_shape, action_size)
        self._prepare_quantifier()

    def build_with_dataset(self, dataset: Any) -> None:
        """Make the networks for the contexts, observations and actions of a buffer.

        Args:
            dataset: a buffer of `dataset.replay_buffer()`; any buffer of d3rlpy where groups is 1.

        Raises:
            AlgorithmError: contexts unknown, a single one, fewer than groups; rewards out of their bounds.
        """
        self._learn_contexts(dataset, rebuild=True)
        super().build_with_dataset(dataset)

    def fitter(self, dataset: Any, *args: Any, **options: Any) -> Generator[tuple[int, dict[str, float]], None, None]:
        """d3rlpy's `fitter`, on batches with equally many transitions of each context where `balance` is True.

        Args:
            dataset: a buffer of `dataset.replay_buffer()`; any buffer of d3rlpy where groups is 1.
            args, options: those of d3rlpy's `fitter`.

        Raises:
            AlgorithmError: contexts unknown, a single one, fewer than groups, or not those of the first buffer; rewards out
                of their bounds.
        """
        self._learn_contexts(dataset, rebuild=self._impl is None)
        yield from super().fitter(self._with_sampler(dataset), *args, **options)

    def fit_online(self, env: Any, buffer: Any = None, *args: Any, **options: Any) -> None:
        """d3rlpy's `fit_online`.

        A learner without networks takes its contexts from the transitions that the buffer holds. If the buffer is empty, the
        contexts are unknown and the config must say groups=m; id k then belongs to group k modulo m. A learner that knows its
        contexts registers their ids with the buffer. Without this, the buffer would assign new ids.

        Args:
            env: contextual, in `offctx.envs.LabelTransitions`, where groups is not 1.
            buffer: of `offctx.online_buffer(env)` or `dataset.replay_buffer()`, connected to env.
            args, options: those of d3rlpy's `fit_online`.

        Raises:
            AlgorithmError: contexts unknown and groups not given, or contexts that are not those of the first buffer.
        """
        if isinstance(buffer, ContextualReplayBuffer):
            self.prepare_online(buffer)
        super().fit_online(env, buffer, *args, **options)

    def prepare_online(self, buffer: ContextualReplayBuffer) -> None:
        """Learns the contexts of a buffer before online steps are appended to it, or gives it those that are known.

        Args:
            buffer: that online steps will be appended to.

        Raises:
            AlgorithmError: contexts that are not those of the first buffer.
        """
        if self._impl is None and buffer.transition_count:
            self.build_with_dataset(buffer)
        elif self._config.contexts is not None:
            self._config.contexts.check(buffer)
            buffer.register_contexts(self._config.contexts.ids, self._config.contexts.contexts)

    def _learn_contexts(self, dataset: Any, *, rebuild: bool) -> None:
        """Take the contexts of the first buffer; check that those of a later buffer are the same.

        Args:
            dataset: the buffer.
            rebuild: the networks will be made for this buffer.
        """
        assert_action_space_with_dataset(self, dataset.dataset_info)
        build_scalers_with_transition_picker(self, dataset)
        untrained = not rebuild and not self._impl.modules.membership.seen.any()  # networks made by create_impl, say
        if self._config.contexts is not None and not rebuild:
            self._config.contexts.check(dataset)
        elif rebuild or untrained:
            contexts = ContextGroups.of(dataset, self._config.groups, self._config.grouping, self._config.seed)
            self._config = dataclasses.replace(self._config, contexts=contexts)
            self._data = dataset if isinstance(dataset, ContextualReplayBuffer) else None
        if untrained and self._data is not None:
            self._impl.adopt_contexts(self._config.contexts)
            self._prepare_quantifier()
        if self._config.reward_bounds is not None and isinstance(dataset, ContextualReplayBuffer):
            rewards = torch.from_numpy(dataset.table["rewards"].copy())
            scaler = self._config.reward_scaler
            check_rewards(rewards if scaler is None else scaler.transform(rewards), self.scaled_bounds())

    def _with_sampler(self, dataset: Any) -> Any:
        """The buffer as `fit` draws from it."""
        return dataset.with_sampler(self._sampler()) if isinstance(dataset, ContextualReplayBuffer) else dataset

    def _sampler(self) -> RowSampler:
        """Equally many rows of each context where `balance` is True and there are several."""
        contexts = self._config.contexts
        if not self._config.balance or contexts is None or len(contexts.ids) == 1:
            return UniformSampler()
        return BalancedSampler(lambda table: table["context_ids"])

    def _prepare_quantifier(self) -> None:
        """Show the quantifier all transitions of a new buffer, scaled as the critics see them."""
        data, self._data = self._data, None
        if data is None:
            return
        groups = torch.from_numpy(self._impl.index.groups_of(data.table["context_ids"])).to(self._device)
        scalers = [self._config.observation_scaler, self._config.action_scaler]
        columns = [convert_to_torch(data.table[name], self._device) for name in ("observations", "actions")]
        scaled = [x if scaler is None else scaler.transform(x) for x, scaler in zip(columns, scalers, strict=True)]
        self._impl.modules.critics.prepare(*scaled, groups)
