"""What the linear learners share: config, model, and how a closed-form fit meets d3rlpy's interface.

Dimensions: n environments whose Q the model holds, H horizon, T steps that have regressions of their own (H, or 1 where
stationary), B observations, D what the agent sees, A actions, m features.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from typing import Any, final

import numpy as np
import torch
from d3rlpy.algos.qlearning.base import QLearningAlgoBase, QLearningAlgoImplBase
from d3rlpy.algos.utility import build_scalers_with_transition_picker
from d3rlpy.base import LearnableConfig, save_config
from d3rlpy.constants import ActionSpace, LoggingStrategy
from d3rlpy.logging import D3RLPyLogger, FileAdapterFactory
from d3rlpy.torch_utility import Modules, convert_to_torch
from torch import Tensor, nn

from offctx.algos.export import ExportsPolicies
from offctx.algos.linear.problem import Data, Problem, elliptical_bonus, linear
from offctx.data.replay_buffer import ContextualReplayBuffer
from offctx.envs.base import Array
from offctx.errors import LinearError
from offctx.linear.checks import at_least, count
from offctx.linear.features import FeatureKind, FeatureMap, admit_features, make_features

_ROWS = 4096  # observations asked about at a time


@dataclasses.dataclass(frozen=True)
class Fitted:
    """What the sizes of a fitted model follow from: the horizon H, and how many environments n its data had."""

    horizon: int
    environments: int


@dataclasses.dataclass()
class LinearConfig(LearnableConfig):
    """Hyperparameters that the linear learners share. d3rlpy's `batch_size` and `compile_graph` have no meaning here.

    Args:
        gamma: the discount; 1, as the theory has it, unless given.
        horizon: H, the steps to go at an episode's start; the longest episode of the data where None. Later steps of longer
            episodes are left out, unless stationary.
        stationary: one policy for all steps, of H sweeps over all transitions whatever their step: for long horizons, and
            policies that do not know the step. The horizon may then exceed the data's.
        reward_bounds: the least and largest reward there can be; those of the data where None. Values are clipped to what they
            allow. In the data's units: a reward scaler scales them too.
        beta: scale of the uncertainty quantifier, >= 0, in the unit of values. Theory's is `offctx.linear.beta_perm` and so on.
        ridge: lambda of the regressions, > 0.
        features: "fourier", random Fourier features of the observation; or "observation", itself, of norm at most 1.
        n_features: m, of Fourier features; even. Memory grows with n T A m^2.
        bandwidth: of the Fourier features' kernel, in standard deviations; their median distance in the data where None.
        features_seed: of the Fourier features.
        fitted: what `fit` found; leave it out.
    """

    gamma: float = 1.0
    horizon: int | None = None
    stationary: bool = False
    reward_bounds: tuple[float, float] | None = None
    beta: float = 1.0
    ridge: float = 1.0
    features: FeatureKind = "fourier"
    n_features: int = 64
    bandwidth: float | None = None
    features_seed: int = 0
    fitted: Fitted | None = None

    def __post_init__(self) -> None:
        if at_least(self.gamma, 0, "gamma") > 1:
            raise LinearError(f"expected gamma <= 1; found {self.gamma:g}")
        if self.horizon is not None:
            count(self.horizon, 1, "horizon")
        at_least(self.beta, 0, "beta")
        at_least(self.ridge, 0, "ridge", strictly=True)
        make_features(self.features, 1, size=self.n_features, bandwidth=self.bandwidth, seed=self.features_seed)
        if self.reward_bounds is not None:
            low, high = (at_least(bound, -np.inf, "each of two reward_bounds") for bound in self.reward_bounds)
            if low > high:
                raise LinearError(f"expected reward_bounds as (low, high); found {self.reward_bounds}")
            self.reward_bounds = (low, high)


@dataclasses.dataclass()
class SeparateConfig(LinearConfig):
    """What PERM and PPPO have beside `LinearConfig`, as they keep the environments apart.

    Args:
        seed: of what the learner draws.
        min_contexts: fewer contexts in the data are an error; with a single one there is nothing to tell apart.
    """

    seed: int = 0
    min_contexts: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        count(self.seed, 0, "seed")
        count(self.min_contexts, 1, "min_contexts")


class LinearModel(nn.Module, ABC):
    """Pessimistic values of n environments, held as what they can be computed from at any observation, and a policy.

    Everything is float64. Steps count from 0; a stationary model has the same answer at each.

    Args:
        features: psi.
        sizes: T, n, A.
        beta: scale of Gamma.
    """

    weights: Tensor
    whitening: Tensor
    bounds: Tensor

    def __init__(self, features: FeatureMap, sizes: tuple[int, int, int], beta: float) -> None:
        super().__init__()
        T, n, A = sizes
        m = features.size
        self.features, self.steps, self.beta = features, T, beta
        self.register_buffer("weights", torch.zeros(T, n, m, A))
        self.register_buffer("whitening", torch.zeros(T, n, A, m, m))
        self.register_buffer("bounds", torch.zeros(T, 2))
        self.double()

    @final
    def hold(self, problem: Problem, weights: list[Tensor]) -> None:
        """Keep what was found: w of the T steps, each (n, m, 1, A)."""
        T = len(problem.steps)
        self.weights.copy_(torch.stack(weights)[:, :, :, 0])
        self.whitening.copy_(torch.stack([step.whitening for step in problem.steps]))
        self.bounds.copy_(torch.from_numpy(problem.bounds[:T]))

    @final
    def index(self, step: int) -> int:
        """Which of the T steps serves a step of an episode."""
        return min(step, self.steps - 1)

    @final
    def q(self, x: Tensor, step: int, environments: slice = slice(None)) -> Tensor:
        """Pessimistic Q (n, B, A) at observations (B, D)."""
        t = self.index(step)
        psi = self.features(x.double())[None]
        bonus = self.beta * elliptical_bonus(psi, self.whitening[t, environments])
        return (linear(psi, self.weights[t, environments, :, None])[:, :, 0] - bonus).clamp(
            self.bounds[t, 0], self.bounds[t, 1]
        )

    @abstractmethod
    def probabilities(self, x: Tensor, step: int) -> Tensor:
        """The policy (B, A) at observations (B, D)."""


@dataclasses.dataclass(frozen=True)
class LinearModules(Modules):
    """What is saved."""

    model: LinearModel


@final
class LinearImpl(QLearningAlgoImplBase):
    """d3rlpy's inner side; it knows no steps, and answers for the first."""

    _modules: LinearModules

    @property
    def policy(self) -> LinearModel:
        """The model: policy and values are not apart."""
        return self._modules.model

    def copy_policy_from(self, impl: Any) -> None:
        """All of a learner of the same kind and sizes."""
        if type(impl.policy) is not type(self.policy):
            raise LinearError(f"expected the policy of a {type(self.policy).__name__}; found {type(impl.policy).__name__}")
        self.policy.load_state_dict(impl.policy.state_dict())

    def inner_predict_best_action(self, x: Tensor) -> Tensor:
        return self.policy.probabilities(x, 0).argmax(dim=-1)

    def inner_sample_action(self, x: Tensor) -> Tensor:
        return self.policy.probabilities(x, 0).multinomial(1)[:, 0]

    def inner_predict_value(self, x: Tensor, action: Tensor) -> Tensor:
        return _of_actions(self.policy.q(x, 0), action)

    def inner_update(self, batch: Any, grad_step: int) -> dict[str, float]:
        raise _no_steps("update(batch)")


def _of_actions(q: Tensor, actions: Tensor) -> Tensor:
    """The mean over environments of q (n, B, A), at actions (B,) or (B, 1): (B,)."""
    return q.mean(dim=0).gather(1, actions.reshape(-1, 1).long())[:, 0]


def _no_steps(what: str) -> LinearError:
    return LinearError(
        f"{what} is not possible: a linear learner solves all of its data at once and takes no gradient steps on batches; call "
        f"fit(buffer), also again when the buffer has grown"
    )


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

    def _select(self, data: Data, horizon: int) -> Data:
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

    def _read(self, dataset: Any) -> Data:
        if not isinstance(dataset, ContextualReplayBuffer):
            raise LinearError(
                f"expected a buffer of offctx, such as dataset.replay_buffer(context='hidden'); found {type(dataset).__name__}"
            )
        if dataset.dataset_info.action_space != ActionSpace.DISCRETE:
            raise LinearError(
                f"{type(self).__name__} is for discrete actions; the data have continuous ones: PERM and PPPO of offctx.algos "
                f"take those"
            )
        data = Data.of(dataset, merged=self.merged)
        least = getattr(self._config, "min_contexts", 1)
        if data.n < least:
            raise LinearError(
                f"expected data of at least {least} contexts; found {data.n}. {type(self).__name__} keeps contexts apart; set "
                f"min_contexts={data.n} if that is meant"
            )
        return data

    def _fit(self, data: Data, info: Any) -> dict[str, float]:
        config, device = self._config, self._device
        horizon = _horizon(config, int(data.steps.max()) + 1)
        rewards, bounds = _scaled_rewards(config, data.rewards)
        scaler = config.observation_scaler
        seen = [convert_to_torch(rows.numpy(), device) for rows in (data.observations, data.next_observations)]
        observations, following = (rows.double() if scaler is None else scaler.transform(rows).double() for rows in seen)
        data = Data(*(column.to(device) for column in data))
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

    def _problem(self, usable: Data, starts: Data, model: LinearModel, bounds: tuple[float, float]) -> Problem:
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
                beta=config.beta,
                ridge=config.ridge,
                gamma=config.gamma,
            )

    def update(self, batch: Any) -> dict[str, float]:
        """Not possible.

        Raises:
            LinearError: always.
        """
        raise _no_steps("update(batch)")

    def fit_online(self, *args: Any, **options: Any) -> None:
        """Not possible; `collect` into a buffer, then `fit`, is.

        Raises:
            LinearError: always.
        """
        raise _no_steps("fit_online")

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
        return self._ask(lambda model, rows, h, actions: _of_actions(model.q(rows, h), actions), x, step, action)

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


@final
class ByStep:
    """A learner's policy that takes each call of `predict` for the next step of all episodes, as `offctx.evaluate` plays them.

    One serves one evaluation. Beyond the horizon there is no policy, unless the learner is stationary.
    """

    def __init__(self, learner: LinearLearner, seed: int | None = None) -> None:
        self._learner, self._rng = learner, None if seed is None else np.random.default_rng(count(seed, 0, "seed"))
        self._step, self._running = 0, np.inf
        self.__name__ = type(learner).__name__

    @property
    def observation_shape(self) -> Any:
        """(D,)."""
        return self._learner.observation_shape

    def predict(self, x: Array) -> Array:
        """Actions (B,) of the next step.

        Raises:
            LinearError: more episodes than a step ago, or a step beyond the horizon: another evaluation has begun.
        """
        if len(x) > self._running:
            raise LinearError(
                f"expected at most {self._running} episodes to go on; found {len(x)}: make a by_step() for each evaluation"
            )
        stationary = self._learner.config.stationary
        p = self._learner.predict_probabilities(x, None if stationary else self._step)
        self._running, self._step = len(x), self._step + 1
        if self._rng is None:
            return np.asarray(p.argmax(axis=-1))
        drawn = self._rng.random((len(p), 1)) >= p.cumsum(axis=-1)
        return np.asarray(np.minimum(drawn.sum(axis=-1), p.shape[1] - 1))
