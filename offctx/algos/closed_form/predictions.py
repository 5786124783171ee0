"""The predictions of a closed-form learner, by step of the episode.

Dimensions: B observations, D numbers of each, A actions, H horizon.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from d3rlpy.torch_utility import convert_to_torch
from torch import Tensor

from offctx.algos.closed_form.by_step import ByStep
from offctx.algos.closed_form.config import Fitted
from offctx.algos.closed_form.model import LinearModel, value_of_actions
from offctx.checks import count
from offctx.envs.base import Array
from offctx.errors import LinearError

_ROWS = 4096  # observations of one forward pass


class StepPredictions:
    """Policy and values of each step, for a learner with a fitted model.

    Steps count from 0, so that step h has H - h to go. Where no step is given (d3rlpy's evaluators and `offctx.evaluate` give
    none), the policy of the first step answers; `by_step` counts instead.
    """

    _config: Any
    _impl: Any
    _device: str

    @property
    def horizon(self) -> int:
        """The horizon H."""
        return self._fitted_model()[1].horizon

    def predict(self, x: Array, step: int | None = None) -> Array:
        """The policy's likeliest actions (B,) at observations x (B, D); of equally likely ones the first.

        Args:
            x: observations (B, D), not scaled.
            step: in 0..H - 1; the first where None.

        Raises:
            LinearError: not fitted, another shape, or a step beyond the horizon.
        """
        return np.asarray(self.predict_probabilities(x, step).argmax(axis=-1))

    def predict_probabilities(self, x: Array, step: int | None = None) -> Array:
        """The policy's probabilities (B, A).

        Args:
            x: observations (B, D), not scaled.
            step: in 0..H - 1; the first where None.

        Raises:
            LinearError: not fitted, another shape, or a step beyond the horizon.
        """
        return self._evaluate(lambda model, rows, h, _: model.probabilities(rows, h), x, step)

    def sample_action(self, x: Array, step: int | None = None) -> Array:
        """Actions (B,) drawn from the policy, with torch's generator as everywhere in d3rlpy.

        Args:
            x: observations (B, D), not scaled.
            step: in 0..H - 1; the first where None.

        Raises:
            LinearError: not fitted, another shape, or a step beyond the horizon.
        """
        return self._evaluate(lambda model, rows, h, _: model.probabilities(rows, h).multinomial(1)[:, 0], x, step)

    def predict_value(self, x: Array, action: Array, step: int | None = None) -> Array:
        """Pessimistic Q (B,), the mean over environments: a lower bound, in the unit of scaled rewards.

        Args:
            x: observations (B, D), not scaled.
            action: (B,) or (B, 1).
            step: in 0..H - 1; the first where None.
        """
        return self._evaluate(lambda model, rows, h, actions: value_of_actions(model.q(rows, h), actions), x, step, action)

    def by_step(self, seed: int | None = None) -> ByStep:
        """A policy that counts steps itself, for one `offctx.evaluate`.

        Args:
            seed: actions are drawn, by this seed; the mode where None.
        """
        return ByStep(self, seed)  # type: ignore[arg-type]  # every subclass is a LinearLearner

    def _fitted_model(self) -> tuple[LinearModel, Fitted]:
        if self._impl is None or self._config.fitted is None:
            raise LinearError(f"{type(self).__name__} is not fitted: call fit(buffer) first, or load a saved one")
        return self._impl.policy, self._config.fitted

    def _evaluate(self, function: Callable[..., Tensor], x: Any, step: int | None, actions: Any = None) -> Array:
        """A function of model, scaled observations, step and actions, some observations at a time."""
        model, fitted = self._fitted_model()
        h = 0 if step is None else count(step, 0, "step")
        if h >= fitted.horizon:
            raise LinearError(f"expected a step in 0..{fitted.horizon - 1}, as the horizon is {fitted.horizon}; found {h}")
        rows = convert_to_torch(np.array(x), self._device)
        if tuple(rows.shape[1:]) != self._impl.observation_shape:
            expected = self._impl.observation_shape[0]
            raise LinearError(f"expected observations of shape (B, {expected}); found {tuple(rows.shape)}")
        chosen = torch.zeros(len(rows)) if actions is None else torch.from_numpy(np.array(actions))
        scaler = self._config.observation_scaler
        with torch.no_grad():
            scaled = rows if scaler is None else scaler.transform(rows)
            parts = zip(torch.split(scaled, _ROWS), torch.split(chosen.to(self._device), _ROWS), strict=True)
            return np.asarray(torch.cat([function(model, part, h, part_actions) for part, part_actions in parts]).cpu().numpy())
