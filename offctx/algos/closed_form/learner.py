"""The d3rlpy side of the closed-form learners: fit, predict, save."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import torch
from d3rlpy.algos.qlearning.base import QLearningAlgoBase
from d3rlpy.algos.utility import build_scalers_with_transition_picker
from d3rlpy.base import save_config
from d3rlpy.constants import ActionSpace, LoggingStrategy
from d3rlpy.logging import D3RLPyLogger, FileAdapterFactory
from d3rlpy.torch_utility import convert_to_torch
from torch import Tensor

from offctx.algos.closed_form.by_step import ByStep
from offctx.algos.closed_form.config import Fitted, LinearConfig
from offctx.algos.closed_form.data import EpisodeData
from offctx.algos.closed_form.model import LinearImpl, LinearModel, LinearModules, refuse_gradient_steps, value_of_actions
from offctx.algos.closed_form.problem import Problem
from offctx.algos.shared.export import ExportsPolicies
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.checks import count
from offctx.envs.base import Array
from offctx.errors import LinearError
from offctx.uncertainty.features import FeatureMap, admit_features, make_features

_ROWS = 4096  # observations asked about at a time


class LinearLearner(ExportsPolicies, QLearningAlgoBase, ABC):
    """A d3rlpy learner for discrete actions that is fitted in closed form, in one epoch of one step.

    Steps count from 0, so that step h has H - h to go. Where no step is given (d3rlpy's evaluators and `offctx.evaluate` give
    none), the policy of the first step answers; `by_step` counts instead. `predict` is the policy's mode.
    """

    merged = False  # whether all data are one environment's
    _config: Any
    _impl: Any

    # --- what an algorithm brings ---------------------------------------------------------------------------------------

    @abstractmethod
    def _make_model(self, features: FeatureMap, sizes: tuple[int, int, int]) -> LinearModel:
        """An empty model for T, n, A."""

    @abstractmethod
    def _solve(self, problem: Problem, model: Any) -> dict[str, float]:
        """Find policy and values, put them into the model, and return what is worth knowing."""

    def _select(self, data: EpisodeData, horizon: int) -> EpisodeData:
        """The transitions that regressions may use, of those below the horizon."""
        return data

    # --- fitting --------------------------------------------------------------------------------------------------------

    def get_action_type(self) -> ActionSpace:
        """Discrete."""
        return ActionSpace.DISCRETE

    def inner_create_impl(self, observation_shape: Any, action_size: int) -> None:
        """d3rlpy's hook: an empty model, of the sizes that `fit` found."""
        config, found = self._config, self._config.fitted
        if found is None:
            raise LinearError(
                f"{type(self).__name__} is made by fit(buffer): its sizes, such as how many environments there are, come from "
                f"data"
            )
        features = make_features(
            config.features, observation_shape[0], size=config.n_features, bandwidth=config.bandwidth, seed=config.features_seed
        )
        sizes = (1 if config.stationary else found.horizon, found.environments, action_size)
        modules = LinearModules(self._make_model(features, sizes).to(self._device))
        self._impl = LinearImpl(tuple(observation_shape), action_size, modules, self._device)

    def fit(self, dataset: Any, n_steps: int = 1, **options: Any) -> list[tuple[int, dict[str, float]]]:
        """d3rlpy's `fit`; see `fitter`."""
        return list(self.fitter(dataset, n_steps, **options))

    def fitter(
        self,
        dataset: Any,
        n_steps: int = 1,
        n_steps_per_epoch: int = 1,
        logging_steps: int = 1,
        logging_strategy: LoggingStrategy = LoggingStrategy.EPOCH,
        experiment_name: str | None = None,
        with_timestamp: bool = True,
        logger_adapter: Any = None,
        show_progress: bool = True,
        save_interval: int = 1,
        evaluators: dict[str, Any] | None = None,
        callback: Callable[[Any, int, int], None] | None = None,
        epoch_callback: Callable[[Any, int, int], None] | None = None,
    ) -> Generator[tuple[int, dict[str, float]], None, None]:
        """Fit to all transitions of a buffer, anew whatever was fitted before; yields once.

        Args:
            dataset: a buffer of offctx with discrete actions, context hidden (the paper's setting) or appended.
            n_steps, n_steps_per_epoch, logging_steps, logging_strategy, show_progress: d3rlpy's; without effect, as there is
                one step.
            experiment_name, with_timestamp, logger_adapter, save_interval: d3rlpy's.
            evaluators, callback, epoch_callback: d3rlpy's, each called once.

        Raises:
            LinearError: data that do not fit the config or the algorithm; the message says which.
        """
        data = self._read(dataset)
        build_scalers_with_transition_picker(self, dataset)
        logger = D3RLPyLogger(
            algo=self,
            adapter_factory=logger_adapter or FileAdapterFactory(),
            experiment_name=experiment_name or type(self).__name__,
            n_steps_per_epoch=1,
            with_timestamp=with_timestamp,
        )
        with logger.measure_time("step"):
            metrics = self._fit(data, dataset.dataset_info)
        self._grad_step += 1
        save_config(self, logger)
        for call in (callback, epoch_callback):
            if call is not None:
                call(self, 1, 1)
        metrics |= {name: evaluator(self, dataset) for name, evaluator in (evaluators or {}).items()}
        for name, value in metrics.items():
            logger.add_metric(name, value)
        written = logger.commit(1, 1)
        if save_interval == 1:
            logger.save_model(1, self)
        yield 1, written
        logger.close()

    def _read(self, dataset: Any) -> EpisodeData:
        if not isinstance(dataset, ContextualReplayBuffer):
            raise LinearError(
                f"expected a buffer of offctx, such as dataset.replay_buffer(context='hidden'); found {type(dataset).__name__}"
            )
        if dataset.dataset_info.action_space != ActionSpace.DISCRETE:
            raise LinearError(
                f"{type(self).__name__} is for discrete actions; the data have continuous ones: PERM and PPPO of offctx.algos "
                f"take those"
            )
        data = EpisodeData.of(dataset, merged=self.merged)
        least = getattr(self._config, "min_contexts", 1)
        if data.n < least:
            raise LinearError(
                f"expected data of at least {least} contexts; found {data.n}. {type(self).__name__} keeps contexts apart; set "
                f"min_contexts={data.n} if that is meant"
            )
        return data

    def _fit(self, data: EpisodeData, info: Any) -> dict[str, float]:
        config, device = self._config, self._device
        horizon = _horizon(config, int(data.steps.max()) + 1)
        rewards, bounds = _scaled_rewards(config, data.rewards)
        scaler = config.observation_scaler
        seen = [convert_to_torch(rows.numpy(), device) for rows in (data.observations, data.next_observations)]
        observations, following = (rows.double() if scaler is None else scaler.transform(rows).double() for rows in seen)
        data = EpisodeData(*(column.to(device) for column in data))
        data = data._replace(observations=observations, next_observations=following, rewards=rewards.to(device))
        usable = data if config.stationary else data.where(data.steps < horizon)
        usable = self._select(usable, horizon)

        self._config = dataclasses.replace(config, fitted=Fitted(horizon, data.n))
        self._impl = None
        self.create_impl(info.observation_signature.shape[0], info.action_size)
        assert self._impl is not None
        model: LinearModel = self._impl.policy
        try:
            return self._solve(self._problem(usable, data.where(data.steps == 0), model, bounds), model)
        except Exception:
            self._impl = None  # not one that is half made
            raise

    def _problem(self, usable: EpisodeData, starts: EpisodeData, model: LinearModel, bounds: tuple[float, float]) -> Problem:
        config, found = self._config, self._config.fitted
        admit_features(model.features, usable.observations)
        with torch.no_grad():
            return Problem.fit(
                usable,
                starts,
                model.features,
                model.weights.shape[-1],
                horizon=found.horizon,
                stationary=config.stationary,
                reward_bounds=bounds,
                quantifier=config.quantifier(),
                ridge=config.ridge,
                gamma=config.gamma,
            )

    def update(self, batch: Any) -> dict[str, float]:
        """Not possible.

        Raises:
            LinearError: always.
        """
        raise refuse_gradient_steps("update(batch)")

    def fit_online(self, *args: Any, **options: Any) -> None:
        """Not possible; `collect` into a buffer, then `fit`, is.

        Raises:
            LinearError: always.
        """
        raise refuse_gradient_steps("fit_online")

    # --- asking ---------------------------------------------------------------------------------------------------------

    @property
    def horizon(self) -> int:
        """H."""
        return self._fitted_model()[1].horizon

    def predict(self, x: Array, step: int | None = None) -> Array:
        """The policy's likeliest actions (B,) at observations (B, D); of equally likely ones the first."""
        return np.asarray(self.predict_probabilities(x, step).argmax(axis=-1))

    def predict_probabilities(self, x: Array, step: int | None = None) -> Array:
        """The policy (B, A)."""
        return self._ask(lambda model, rows, h, _: model.probabilities(rows, h), x, step)

    def sample_action(self, x: Array, step: int | None = None) -> Array:
        """Actions (B,) drawn from the policy, with torch's generator as everywhere in d3rlpy."""
        return self._ask(lambda model, rows, h, _: model.probabilities(rows, h).multinomial(1)[:, 0], x, step)

    def predict_value(self, x: Array, action: Array, step: int | None = None) -> Array:
        """Pessimistic Q (B,) of actions (B,) or (B, 1), the mean over environments: a lower bound, in the scaled unit."""
        return self._ask(lambda model, rows, h, actions: value_of_actions(model.q(rows, h), actions), x, step, action)

    def by_step(self, seed: int | None = None) -> "ByStep":
        """The policy as something that counts steps itself, for one `offctx.evaluate`.

        Args:
            seed: draw actions, by this seed; the mode where None.
        """
        return ByStep(self, seed)

    def _fitted_model(self) -> tuple[LinearModel, Fitted]:
        if self._impl is None or self._config.fitted is None:
            raise LinearError(f"{type(self).__name__} knows nothing yet: call fit(buffer) first, or load a saved one")
        return self._impl.policy, self._config.fitted

    def _ask(self, what: Callable[..., Tensor], x: Any, step: int | None, actions: Any = None) -> Array:
        """Some rows at a time: `what` of model, observations as the scaler leaves them, step and actions."""
        model, found = self._fitted_model()
        h = 0 if step is None else count(step, 0, "step")
        if h >= found.horizon:
            raise LinearError(f"expected a step in 0..{found.horizon - 1}, as the horizon is {found.horizon}; found {h}")
        rows = convert_to_torch(np.array(x), self._device)
        if tuple(rows.shape[1:]) != self._impl.observation_shape:
            raise LinearError(
                f"expected observations of shape (B, {self._impl.observation_shape[0]}); found {tuple(rows.shape)}"
            )
        chosen = torch.zeros(len(rows)) if actions is None else torch.from_numpy(np.array(actions))
        scaler = self._config.observation_scaler
        with torch.no_grad():
            seen = rows if scaler is None else scaler.transform(rows)
            parts = zip(torch.split(seen, _ROWS), torch.split(chosen.to(self._device), _ROWS), strict=True)
            return np.asarray(torch.cat([what(model, part, h, taken) for part, taken in parts]).cpu().numpy())


def _horizon(config: LinearConfig, longest: int) -> int:
    horizon = config.horizon or longest
    if horizon > longest and not config.stationary:
        raise LinearError(
            f"expected a horizon up to {longest}, the longest episode of the data; found {horizon}: nothing is known of later "
            f"steps, unless stationary=True lets all steps share their data"
        )
    return horizon


def _scaled_rewards(config: LinearConfig, rewards: Tensor) -> tuple[Tensor, tuple[float, float]]:
    """Rewards (N,) and their bounds as the learner sees them."""
    least, most = float(rewards.min()), float(rewards.max())
    low, high = config.reward_bounds or (least, most)
    rounding = 1e-6 * max(abs(low), abs(high))  # the buffer's rewards are float32
    if least < low - rounding or most > high + rounding:
        raise LinearError(f"expected rewards within reward_bounds, {low:g} to {high:g}; the data have {least:g} to {most:g}")
    if config.reward_scaler is None:
        return rewards, (low, high)
    low, high = sorted(config.reward_scaler.transform(torch.tensor([low, high], dtype=torch.float64)).tolist())
    return config.reward_scaler.transform(rewards), (low, high)
