"""The d3rlpy side of the closed-form learners: one fit to all data of a buffer."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from typing import Any

import torch
from d3rlpy.algos.qlearning.base import QLearningAlgoBase
from d3rlpy.algos.utility import build_scalers_with_transition_picker
from d3rlpy.base import save_config
from d3rlpy.constants import ActionSpace, LoggingStrategy
from d3rlpy.logging import D3RLPyLogger, NoopAdapterFactory

from offctx.algos.closed_form.config import Fitted
from offctx.algos.closed_form.data import EpisodeData
from offctx.algos.closed_form.fitting import fit_problem
from offctx.algos.closed_form.model import LinearImpl, LinearModel, LinearModules, refuse_gradient_steps
from offctx.algos.closed_form.predictions import StepPredictions
from offctx.algos.closed_form.preparation import choose_horizon, read_episodes, scale
from offctx.algos.closed_form.problem import Problem
from offctx.algos.shared.export import ExportsPolicies
from offctx.errors import LinearError
from offctx.notices import d3rlpy_log_hidden
from offctx.uncertainty.feature_map import FeatureMap
from offctx.uncertainty.features import admit_features, make_features


class LinearLearner(StepPredictions, ExportsPolicies, QLearningAlgoBase, ABC):
    """A d3rlpy learner for discrete actions that is fitted in closed form, in one epoch of one step.

    An algorithm is a subclass with `_make_model` and `_solve`.
    """

    merged = False  # whether all data count as one environment's
    _config: Any
    _impl: Any

    @abstractmethod
    def _make_model(self, features: FeatureMap, sizes: tuple[int, int, int]) -> LinearModel:
        """An empty model for T, n, A."""

    @abstractmethod
    def _solve(self, problem: Problem, model: Any) -> dict[str, float]:
        """Computes policy and values, stores them in the model, and returns the metrics."""

    def _select(self, data: EpisodeData, horizon: int) -> EpisodeData:
        """The transitions that regressions may use, of those below the horizon."""
        return data

    def get_action_type(self) -> ActionSpace:
        """Discrete."""
        return ActionSpace.DISCRETE

    def inner_create_impl(self, observation_shape: Any, action_size: int) -> None:
        """d3rlpy's hook: an empty model, of the sizes that `fit` found."""
        config, fitted = self._config, self._config.fitted
        if fitted is None:
            raise LinearError(
                f"{type(self).__name__} is made by fit(buffer): its sizes, such as how many environments there are, come from "
                f"data"
            )
        features = make_features(
            config.features, observation_shape[0], size=config.n_features, bandwidth=config.bandwidth, seed=config.features_seed
        )
        sizes = (1 if config.stationary else fitted.horizon, fitted.environments, action_size)
        modules = LinearModules(self._make_model(features, sizes).to(self._device))
        self._impl = LinearImpl(tuple(observation_shape), action_size, modules, self._device)

    def fit(self, dataset: Any, n_steps: int = 1, **options: Any) -> list[tuple[int, dict[str, float]]]:
        """Fits to all transitions of a buffer, anew whatever was fitted before.

        Args:
            dataset: a buffer of offctx with discrete actions, context hidden (the paper's setting) or appended.
            n_steps: d3rlpy's; without effect, as there is one step.
            options: those of `fitter`.

        Returns:
            One pair of the epoch, 1, and its metrics.

        Raises:
            LinearError: data that do not fit the config or the algorithm; the message says which.

        Example::

            learner = offctx.algos.LinearPERMConfig(beta=0.5).create()
            learner.fit(dataset.replay_buffer(context="hidden"))
        """
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
        """Fits to all transitions of a buffer, anew whatever was fitted before; yields once.

        Args:
            dataset: a buffer of offctx with discrete actions, context hidden (the paper's setting) or appended.
            n_steps, n_steps_per_epoch, logging_steps, logging_strategy, show_progress: d3rlpy's; without effect, as there is
                one step.
            experiment_name, with_timestamp, save_interval: d3rlpy's.
            logger_adapter: d3rlpy's; where it is None, nothing is written.
            evaluators, callback, epoch_callback: d3rlpy's, each called once.

        Raises:
            LinearError: data that do not fit the config or the algorithm; the message says which.
        """
        least = getattr(self._config, "min_contexts", 1)
        data = read_episodes(dataset, type(self).__name__, merged=self.merged, min_contexts=least)
        build_scalers_with_transition_picker(self, dataset)
        with d3rlpy_log_hidden():
            logger = D3RLPyLogger(
                algo=self,
                adapter_factory=logger_adapter or NoopAdapterFactory(),
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

    def _fit(self, data: EpisodeData, info: Any) -> dict[str, float]:
        horizon = choose_horizon(self._config, int(data.steps.max()) + 1)
        data, bounds = scale(self._config, data, self._device)
        usable = data if self._config.stationary else data.where(data.steps < horizon)
        usable = self._select(usable, horizon)
        self._config = dataclasses.replace(self._config, fitted=Fitted(horizon, data.n))
        self._impl = None
        self.create_impl(info.observation_signature.shape[0], info.action_size)
        assert self._impl is not None
        model: LinearModel = self._impl.policy
        try:
            return self._solve(self._problem(usable, data.where(data.steps == 0), model, bounds), model)
        except Exception:
            self._impl = None  # a model that is half fitted must not answer
            raise

    def _problem(self, usable: EpisodeData, starts: EpisodeData, model: LinearModel, bounds: tuple[float, float]) -> Problem:
        config = self._config
        admit_features(model.features, usable.observations)
        with torch.no_grad():
            return fit_problem(
                usable,
                starts,
                model.features,
                model.actions,
                horizon=config.fitted.horizon,
                stationary=config.stationary,
                reward_bounds=bounds,
                quantifier=config.quantifier(),
                ridge=config.ridge,
                gamma=config.gamma,
            )

    def update(self, batch: Any) -> dict[str, float]:
        """Raises an error. Call `fit` instead.

        Raises:
            LinearError: always.
        """
        raise refuse_gradient_steps("update(batch)")

    def fit_online(self, *args: Any, **options: Any) -> None:
        """Raises an error. Collect a dataset first, then call `fit`.

        Raises:
            LinearError: always.
        """
        raise refuse_gradient_steps("fit_online")

    def prepare_online(self, buffer: Any) -> None:
        """Raises an error, as `fit_online`, before an online training begins.

        Raises:
            LinearError: always.
        """
        raise refuse_gradient_steps("train_online")
