"""d3rlpy's inner side: the way of a batch to an update, and predictions without memory.

An update:

1. z of each window; encoder, hypernetwork and dynamics model take one step (`context_inference/inference.py`).
2. Policy and critics are told z and the generated adapters, both detached, and take one step (`backbones/`).

Dimensions: G windows, m rows of a window, B = G m rows, o observation, p context, d latent.
"""

from dataclasses import dataclass
from typing import Any, final

import torch
from d3rlpy.algos.qlearning.base import QLearningAlgoImplBase
from d3rlpy.optimizers.optimizers import OptimizerWrapper
from d3rlpy.torch_utility import Modules, TorchMiniBatch
from torch import Tensor, nn

from offctx.algos.backbones.backbone import Backbone
from offctx.algos.context_inference.conditioned import Condition
from offctx.algos.context_inference.features import action_vectors
from offctx.algos.context_inference.inference import ContextInference
from offctx.algos.context_inference.objectives.names import NEEDS_IDS
from offctx.algos.context_inference.rows import Rows
from offctx.algos.dmash.encoder import scaled_windows
from offctx.algos.dmash.settings import DMASHSettings
from offctx.algos.shared.metrics import as_numbers
from offctx.errors import AlgorithmError


@dataclass(frozen=True)
class DMASHModules(Modules):
    """What a learner saves."""

    backbone: Backbone
    inference: ContextInference | None
    actor_optim: OptimizerWrapper
    critic_optim: OptimizerWrapper
    temperature_optim: OptimizerWrapper | None
    inference_optim: OptimizerWrapper | None


@final
class DMASHImpl(QLearningAlgoImplBase):
    """The update, and the predictions that d3rlpy calls.

    Args:
        observation_shape: of what the learner is given, (o,), or (o + p,) where the context is given.
        action_size: a.
        modules: networks and optimisers.
        config: the learner's settings.
        device: where the networks are.
    """

    _modules: DMASHModules

    def __init__(
        self, observation_shape: Any, action_size: int, modules: DMASHModules, config: DMASHSettings, device: str
    ) -> None:
        super().__init__(observation_shape, action_size, modules, device)
        self._config = config
        self._bounds = None if config.context_bounds is None else torch.tensor(config.context_bounds, device=device)

    @property
    def backbone(self) -> Backbone:
        """The actor-critic."""
        return self._modules.backbone

    @property
    def inference(self) -> ContextInference | None:
        """What infers contexts, or None."""
        return self._modules.inference

    @property
    def policy(self) -> nn.Module:
        """The networks of the policy, without its hypernetwork where all networks share one."""
        policy: nn.Module = self.backbone.policy
        return policy

    @property
    def policy_optim(self) -> torch.optim.Optimizer:
        """The optimiser of the policy."""
        return self._modules.actor_optim.optim  # type: ignore[no-any-return]  # d3rlpy is untyped

    @property
    def q_function(self) -> nn.ModuleList:
        """All critics, as one module."""
        return nn.ModuleList([self.backbone.critics])

    @property
    def q_function_optim(self) -> torch.optim.Optimizer:
        """The optimiser of the critics."""
        return self._modules.critic_optim.optim  # type: ignore[no-any-return]  # d3rlpy is untyped

    def copy_policy_from(self, impl: QLearningAlgoImplBase) -> None:
        """d3rlpy's hook: the policy of another learner, and the inference that it is told by.

        Raises:
            ValueError: the other learner is of another kind.
        """
        self._copy_inference_from(impl)
        super().copy_policy_from(impl)

    def copy_q_function_from(self, impl: QLearningAlgoImplBase) -> None:
        """d3rlpy's hook: the critics of another learner, and the inference that they are told by.

        Raises:
            ValueError: the other learner is of another kind.
        """
        self._copy_inference_from(impl)
        super().copy_q_function_from(impl)

    def _copy_inference_from(self, impl: QLearningAlgoImplBase) -> None:
        theirs = impl.inference if isinstance(impl, DMASHImpl) else None
        if (self.inference is None) != (theirs is None):
            raise ValueError("one of the two learners infers its context, and the other does not")
        if self.inference is not None and theirs is not None:
            self.inference.load_state_dict(theirs.state_dict())

    def inner_update(self, batch: TorchMiniBatch, grad_step: int) -> dict[str, float]:
        """d3rlpy's hook: one update."""
        rows = self._rows(batch)
        condition, losses = self._condition(batch, rows)
        if not self._config.actor_gradient:
            return as_numbers(losses | self.backbone.update(rows, condition))
        assert self.inference is not None
        with self.inference.taught_by_policy(condition) as for_policy:
            return as_numbers(losses | self.backbone.update(rows, condition, for_policy))

    def update_encoder(self, batch: TorchMiniBatch) -> dict[str, float]:
        """One update of what infers contexts, without policy and critics."""
        if self.inference is None:
            raise AlgorithmError(f'context="{self._config.context}" infers no context, and has no encoder')
        self._modules.set_train()
        return as_numbers(self._condition(batch, self._rows(batch))[1])

    def split(self, observations: Tensor) -> tuple[Tensor, Tensor | None]:
        """Observations (B, o), and the given contexts (B, p) scaled to [-1, 1], or None.

        An observation scaler has scaled the contexts too.
        """
        if self._bounds is None:
            return observations, None
        low, high = self._bounds
        contexts = observations[:, -len(low) :]
        if self._config.observation_scaler is None and not self._config.follows_paper("raw-contexts"):
            contexts = 2 * (contexts - low) / (high - low) - 1
        return observations[:, : -len(low)], contexts

    def cold(self, count: int) -> Condition:
        """What is known of the contexts of rows of which nothing was seen yet."""
        if self.inference is None:
            return Condition()
        size, device = sum(self.inference.encoder.blocks), self._device
        empty = (torch.zeros(count, 1, size, device=device), torch.zeros(count, 1, dtype=torch.bool, device=device))
        return self.inference.of_latent(self.inference.encoder.of_features(*empty).z)

    def inner_predict_best_action(self, x: Tensor) -> Tensor:
        """The policy's mode, without a memory of earlier transitions."""
        return self.backbone.mode(*self._without_memory(x))

    def inner_sample_action(self, x: Tensor) -> Tensor:
        """An action drawn from the policy, without a memory of earlier transitions."""
        return self.backbone.sample(*self._without_memory(x))

    def inner_predict_value(self, x: Tensor, action: Tensor) -> Tensor:
        """The mean of the critics (B,), without a memory of earlier transitions."""
        observations, condition = self._without_memory(x)
        return self.backbone.values(observations, action.reshape(len(x), -1).to(x.dtype), condition)

    def _without_memory(self, x: Tensor) -> tuple[Tensor, Condition]:
        if tuple(x.shape[1:]) != tuple(self._observation_shape):
            raise AlgorithmError(f"expected observations of shape (N, {self._observation_shape[0]}); found {tuple(x.shape)}")
        observations, contexts = self.split(x)
        return observations, self.cold(len(x)) if contexts is None else Condition(contexts)

    def _rows(self, batch: TorchMiniBatch) -> Rows:
        terminals, discounts = batch.terminals[:, 0], (self._config.gamma**batch.intervals)[:, 0]
        observations, next_observations = self.split(batch.observations)[0], self.split(batch.next_observations)[0]
        actions = action_vectors(batch.actions.float(), self._action_size)
        return Rows(observations, actions, batch.rewards[:, 0], next_observations, terminals, discounts)

    def _condition(self, batch: TorchMiniBatch, rows: Rows) -> tuple[Condition, dict[str, Tensor]]:
        history = getattr(batch.numpy_batch, "history", None)
        if self._config.context == "none":
            return Condition(), {}
        if self._config.context == "given":
            contexts = self.split(batch.observations)[1]
            assert contexts is not None
            return Condition(contexts if history is None else contexts[:: len(contexts) // len(history)]), {}
        if history is None:
            raise AlgorithmError("expected a batch with history windows: the buffer needs history=config.history()")
        assert self.inference is not None
        first = history.first_rows()
        ids = torch.from_numpy(batch.numpy_batch.context_ids[first]).to(self._device)
        if self._config.encoder_loss in NEEDS_IDS and bool((ids < 0).any()):
            raise AlgorithmError(
                f'encoder_loss="{self._config.encoder_loss}" compares windows of one context with those of others: expected a '
                f'buffer that tells ids, context="anonymous" or "hidden"; found transitions whose context is unknown'
            )
        return self.inference.learn(scaled_windows(self._config, history.to_torch(self._device)), ids, rows)
