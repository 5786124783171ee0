"""d3rlpy's outer side: makes the networks for a buffer, and has the buffer draw the windows that the update needs."""

import copy
import dataclasses
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, final

from d3rlpy.algos.qlearning.base import QLearningAlgoBase
from d3rlpy.base import DeviceArg, register_learnable
from d3rlpy.constants import ActionSpace
from d3rlpy.torch_utility import TorchMiniBatch

from offctx.algos.dmash.buffers import balanced, bounds_of, check_actions, check_knowledge, check_windows, with_windows
from offctx.algos.dmash.encoder import TrainedEncoder
from offctx.algos.dmash.export import WindowPolicy, write_windowed
from offctx.algos.dmash.impl import DMASHImpl
from offctx.algos.dmash.memory import DMASHPolicy
from offctx.algos.dmash.networks import make_impl
from offctx.algos.dmash.settings import DMASHSettings
from offctx.algos.shared.action_scaler import needed_action_scaler
from offctx.algos.shared.export import ExportsPolicies
from offctx.buffers.batch import ContextualMiniBatch
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.errors import AlgorithmError


@dataclass()
class DMASHConfig(DMASHSettings):
    """Settings of DMA*-SH; the defaults are the paper's method with SAC. `offctx.algos.dmash.presets` has other methods.

    Args:
        context: what the learner knows of the context: "none"; "given": the buffer appends it to observations; "inferred" from
            history windows, where the buffer hides it.
        use: how networks use what is known: "concat": as an input; "adapter": each network has a hypernetwork of its own, which
            generates an adapter; "shared": the dynamics model's hypernetwork generates one adapter for all networks.
        backbone: "sac"; or "td3bc" or "iql", for offline data.
        encoder: "lstm", or "set": a weighted mean, which acts at constant cost for any length.
        head: what z is: "simnorm", "bounded", "linear" or "gaussian".
        encoder_loss: "dynamics", "focal", "csro", "corro", "unicorn" or "gentle".
        csro_weight: of the penalty of encoder_loss="csro", in the paper's units: 10 to 50 there.
        latent_size: d.
        masking: the probability with which a block of a transition is hidden from the encoder in training.
        encode_rewards: whether the encoder reads rewards.
        standardise: scale what the encoder reads by its running mean and spread, and what the dynamics model predicts by its
            spread; the paper does neither.
        window: K, the transitions in a history window at most.
        keep: how many of them the encoder reads; None: a fifth. The set encoder reads all of them when it acts.
        within: the windows go on into other episodes of the same "context", or stay in their "episode".
        rows_per_window: m, rows of a batch that share a window.
        width: of both hidden layers of all networks.
        bottleneck: of adapters.
        tau: of the target update w_target += tau (w - w_target).
        n_critics: how many critics.
        policy_delay: updates of the critics for one of the policy.
        initial_temperature: of SAC.
        log_std: of SAC's policy: "tanh" keeps it smoothly within [-5, 2], as in the paper; "clamp" clamps it to [-20, 2], as in
            d3rlpy. With "clamp" and policy_delay=1, SAC without a context is d3rlpy's.
        alpha: of TD3+BC, the weight of the critic.
        expectile, weight_temp, max_weight: of IQL.
        actor_learning_rate, critic_learning_rate, temp_learning_rate: of the actor-critic.
        inference_learning_rate: of encoder, hypernetwork and dynamics model; 3e-4 in the paper.
        actor_optim_factory, critic_optim_factory, inference_optim_factory: d3rlpy's.
        discrete_actions: actions are indices, which the encoder reads as unit vectors. For an encoder alone, whose
            `offctx.train_encoder` fills it in: the policy acts in boxes.
        context_bounds: the least and largest value of each coordinate of a given context, which is scaled to [-1, 1]; a learner
            fills them in from its first buffer.
        actor_gradient: let the policy's loss train the shared hypernetwork too, as the paper warns against: a comparison.
        paper: True: the choices of the paper's public code in place of ours, for comparison; some are faults. Or a list of
            some of them, out of "row-in-window", "truncation-is-terminal", "raw-contexts", "full-windows",
            "plain-hypernetwork", "raw-features" and "gaussian-layer-norm" (`offctx.algos.dmash.paper` says what each does).
        batch_size: B, transitions in a batch; a multiple of `rows_per_window`.
        gamma: the discount.
        observation_scaler, action_scaler, reward_scaler: as in d3rlpy's learners. Without an action_scaler, a learner scales
            the bounds of its first buffer's action space to [-1, 1], in which its policy acts.
        compile_graph: must be False.

    Raises:
        AlgorithmError: a setting out of its range.

    Source: arXiv 2602.06550.

    Example::

        buffer = dataset.replay_buffer(context="anonymous")
        agent = DMASHConfig(backbone="td3bc", encoder="set").create()
        agent.fit(buffer, n_steps=10_000)
        report = offctx.evaluate(agent, env, contexts, context="hidden", warmup=128)
    """

    def create(self, device: DeviceArg = False, enable_ddp: bool = False) -> "DMASH":
        """A learner with these settings, on d3rlpy's `device`: False, True or "cuda:0"; `enable_ddp` must be False."""
        return DMASH(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """The name in saved files."""
        return "offctx_dmash"


@final
class DMASH(ExportsPolicies, QLearningAlgoBase[DMASHImpl, DMASHConfig]):
    """DMA*-SH and the methods that it is compared with, as a d3rlpy learner; `DMASHConfig` makes it.

    `predict` acts as in the first step of an episode, without a memory. `memory_policy` infers the context while it plays:
    `offctx.evaluate` and `offctx.collect` play it.
    """

    _config: DMASHConfig

    def __init__(self, config: DMASHConfig, device: DeviceArg = False, enable_ddp: bool = False) -> None:
        if enable_ddp:
            raise AlgorithmError("DMASH trains in one process: leave enable_ddp out")
        super().__init__(config, device, enable_ddp)

    def get_action_type(self) -> ActionSpace:
        """Continuous."""
        return ActionSpace.CONTINUOUS

    def memory_policy(self) -> DMASHPolicy:
        """The policy's mode, which infers its context from the transitions that it sees. It shares the learner's weights.

        Raises:
            AlgorithmError: the learner has no networks yet.
        """
        return self._policy(explore=False)

    @property
    def encoder(self) -> TrainedEncoder:
        """A copy of the encoder as it is now, such as for `offctx.InferredContext`.

        Raises:
            AlgorithmError: the learner has no networks yet, or infers no context.
        """
        impl = self._policy(explore=False)._impl
        if impl.inference is None:
            raise AlgorithmError(f'context="{self._config.context}" infers no context, and has no encoder')
        return TrainedEncoder(impl.inference.encoder, self._config).copy()

    def save_policy(self, fname: str) -> None:
        """Write the policy's mode, scalers included, to a file that works without offctx.

        Args:
            fname: ends in .pt for TorchScript, or .onnx for ONNX. Where the context is inferred, the file takes observations,
                history windows and their mask (`offctx.algos.dmash.export` says which inputs); else observations.

        Raises:
            AlgorithmError: the learner has no networks yet, the name ends otherwise, or the package onnx is not installed.
        """
        impl: DMASHImpl = self._policy(explore=False)._impl
        if impl.inference is None:
            super().save_policy(fname)
            return
        inference, backbone = copy.deepcopy(impl.inference).cpu(), copy.deepcopy(impl.backbone).cpu()
        write_windowed(WindowPolicy(TrainedEncoder(inference.encoder, self._config), inference, backbone), "actions", fname)

    def exploration_policy(self) -> DMASHPolicy:
        """The same, drawing its actions: what `offctx.train_online` collects with.

        Raises:
            AlgorithmError: the learner has no networks yet.
        """
        return self._policy(explore=True)

    def prepare_online(self, buffer: Any) -> None:
        """The hook of `offctx.train_online`: takes the bounds of actions and of given contexts from its buffer.

        Raises:
            AlgorithmError: the buffer does not fit the setting `context`.
        """
        self._learn_from(buffer)

    def build_with_dataset(self, dataset: Any) -> None:
        """Make the networks for the observations, actions and contexts of a buffer.

        Raises:
            AlgorithmError: the buffer does not fit the settings.
        """
        self._learn_from(dataset)
        check_windows(self._config, dataset)
        super().build_with_dataset(dataset)

    def fitter(self, dataset: Any, *args: Any, **options: Any) -> Generator[tuple[int, dict[str, float]], None, None]:
        """d3rlpy's `fitter`, on batches with windows where the context is inferred, equally many rows of each context.

        Args:
            dataset: a buffer of `dataset.replay_buffer()`; any buffer of d3rlpy where the context is "none".
            args, options: those of d3rlpy's `fitter`.

        Raises:
            AlgorithmError: the buffer does not fit the setting `context`.
        """
        self._learn_from(dataset)
        yield from super().fitter(self.drawn_from(dataset), *args, **options)

    def fit_online(self, env: Any, buffer: Any = None, *args: Any, **options: Any) -> None:
        """d3rlpy's `fit_online`, in one environment and without memory; `offctx.train_online` has neither limit.

        Args:
            env: as in d3rlpy.
            buffer: of `offctx.online_buffer()` where the context is given; any buffer of d3rlpy, or None, where it is "none".
            args, options: those of d3rlpy's `fit_online`.

        Raises:
            AlgorithmError: the context is inferred, which needs a memory; or the buffer does not fit the setting `context`.
        """
        self._refuse_without_memory("fit_online")
        if buffer is not None or self._config.context == "given":
            self._learn_from(buffer)
        super().fit_online(env, None if buffer is None else self.with_windows(buffer), *args, **options)

    def collect(self, *args: Any, **options: Any) -> Any:
        """d3rlpy's `collect`, which acts without memory.

        Raises:
            AlgorithmError: the context is inferred, which needs a memory.
        """
        self._refuse_without_memory("collect")
        return super().collect(*args, **options)

    def _refuse_without_memory(self, name: str) -> None:
        if self._config.context == "inferred":
            instead = {
                "fit_online": 'offctx.train_online(agent, env, context="hidden", steps=..., seed=...)',
                "collect": 'offctx.collect(env, id, policy=agent, context="hidden", ...)',
            }
            raise AlgorithmError(
                f"d3rlpy's {name} asks for each action without what was seen before, and this agent infers its context from "
                f"that: use {instead[name]}, which keeps a memory"
            )

    def drawn_from(self, buffer: Any) -> Any:
        """The buffer as `fit` draws from it: with windows where it needs them, and equally many rows of each context.

        Raises:
            AlgorithmError: a buffer of d3rlpy where windows are needed.
        """
        return balanced(self.with_windows(buffer))

    def update_encoder(self, batch: ContextualMiniBatch) -> dict[str, float]:
        """One update of encoder, hypernetwork and dynamics model alone, as `offctx.train_encoder` makes it.

        Args:
            batch: with history windows.

        Returns:
            The losses.

        Raises:
            AlgorithmError: the learner has no networks yet, or infers no context; or the batch does not suit it.
        """
        impl: DMASHImpl = self._policy(explore=False)._impl
        config = self._config
        scalers = {name: getattr(config, name) for name in ("observation_scaler", "action_scaler", "reward_scaler")}
        tensors = TorchMiniBatch.from_batch(
            batch=batch, gamma=config.gamma, compute_returns_to_go=False, device=self._device, **scalers
        )
        return impl.update_encoder(tensors)

    def with_windows(self, buffer: Any) -> Any:
        """The buffer as the learner draws from it: with the windows that it needs, if it has none.

        Raises:
            AlgorithmError: a buffer of d3rlpy where windows or truncations are needed.
        """
        return with_windows(self._config, buffer)

    def inner_create_impl(self, observation_shape: Any, action_size: int) -> None:
        """d3rlpy's hook: make the networks."""
        self._impl = make_impl(self._config, observation_shape, action_size, self._device)

    def _policy(self, *, explore: bool) -> DMASHPolicy:
        if self._impl is None:
            raise AlgorithmError("the learner has no networks yet: call fit(buffer) or build_with_dataset(buffer) first")
        return DMASHPolicy(self._impl, self._config, explore=explore)

    def _learn_from(self, dataset: Any) -> None:
        """Take bounds of actions and of given contexts from the first buffer, and check that a buffer fits the settings."""
        check_knowledge(self._config, dataset)
        check_actions(self._config, dataset)
        if self._impl is None and self._config.action_scaler is None and isinstance(dataset, ContextualReplayBuffer):
            self._config = copy.copy(self._config)
            self._config.action_scaler = needed_action_scaler(dataset.action_space)
        if self._config.context != "given":
            return
        bounds, names = self._config.context_bounds, list(dataset.context_space.names)
        if bounds is None:
            self._config = dataclasses.replace(self._config, context_bounds=bounds_of(dataset))
        elif len(bounds[0]) != len(names):
            raise AlgorithmError(f"expected context_bounds of the {len(names)} coordinates {names}; found {len(bounds[0])}")


register_learnable(DMASHConfig)
