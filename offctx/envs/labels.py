"""Transitions labelled with context and context derivatives while an environment is stepped: the ground of online CSE."""

from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.envs.policies import ContextMode, check_mode
from offctx.envs.wrappers import CycleContexts, RandomContexts, appended_space, contextual
from offctx.errors import DerivativeError, EnvError

# What may stand between `LabelTransitions` and its environment, beside the wrappers here that choose contexts: wrappers
# that leave observations, actions and rewards as they are.
_TRANSPARENT = {"TimeLimit", "OrderEnforcing", "PassiveEnvChecker", "RecordEpisodeStatistics", "RecordVideo", "HumanRendering"}


@dataclass(frozen=True, eq=False)
class LabelledTransition:
    """One step of a `LabelTransitions` environment, and all that is known of it.

    Attributes:
        episode: which one, counted by resets from 1.
        step: which one of the episode, from 0.
        observation: what the agent saw (D,).
        action: as it was given, before the environment clips it: (a,), or () where Discrete.
        reward: of the step.
        next_observation: what the agent saw next (D,), the true one also where the episode ended.
        terminated: whether the environment ended the episode.
        truncated: whether a time limit did.
        context: in force (p,).
        state: of the simulator, at which the action was taken (s,).
        noise: what drove a stochastic step (z,); None where dynamics are deterministic.
        dnext_observation_dcontext: (o, p), or None where derivatives were not asked for.
        dreward_dcontext: total, through the next state too (p,), or None.
    """

    episode: int
    step: int
    observation: Array
    action: Array
    reward: float
    next_observation: Array
    terminated: bool
    truncated: bool
    context: Contexts
    state: Array
    noise: Array | None
    dnext_observation_dcontext: Array | None
    dreward_dcontext: Array | None


class LabelTransitions(gymnasium.Wrapper[Array, Any, Array, Any], gymnasium.utils.RecordConstructorArgs):
    """Labels each step with its context and the context derivatives of its transition: what online CSE learns from.

    Infos carry `dnext_observation_dcontext` (o, p) and `dreward_dcontext` (p,) of the step just made, zeros at a reset, beside
    the environment's own `context`, `state` and `noise`. `last` is the whole transition, where a buffer of
    `offctx.online_buffer` looks it up: `fit_online` of d3rlpy shows a buffer neither infos nor next observations.

    Wrappers that choose contexts (`CycleContexts`, `RandomContexts`), time limits and recorders may stand inside. With
    context="hidden", Minari's DataCollector around it records a dataset with derivatives.

    Args:
        env: contextual.
        context: "append" it to the observations (o + p), or leave it "hidden" (o).
        gradients: whether to compute derivatives; CSE(exact=...), and training without CSE, do without.

    Raises:
        EnvError: `env` is not contextual, or a wrapper inside may change what the derivatives are of.
        DerivativeError: it has no derivatives; or at a step where they are not finite.
    """

    def __init__(
        self,
        env: gymnasium.Env[Array, Any],
        context: ContextMode = "append",
        gradients: bool = True,
    ) -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self, context=context, gradients=gradients)
        gymnasium.Wrapper.__init__(self, env)
        self.mode, self.gradients = check_mode(context), gradients
        self.contextual = contextual(env)
        if gradients and not self.contextual.has_derivatives:
            raise DerivativeError(f"{type(self.contextual).__name__} has no context derivatives: pass gradients=False")
        _refuse_changes(env)
        if context == "append":
            self.observation_space = appended_space(env)
        self.last: LabelledTransition | None = None
        self._episode, self._step = 0, 0
        self._seen = self._state = np.empty(0)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        self.last = None
        self._episode, self._step = self._episode + 1, 0
        self._seen, self._state = self._see(observation, info["context"]), info["state"]
        o, p = len(observation), self.contextual.context_space.size
        return self._seen.copy(), info | self._derivatives(np.zeros((o, p)), np.zeros(p))

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        context, noise = info["context"], info.get("noise")
        labels: dict[str, Array] = {}
        if self.gradients:
            admitted = self.contextual.admit_actions(np.asarray(action)[None], 1)
            found = self.contextual.derivatives(
                self._state[None], admitted, context[None], None if noise is None else noise[None]
            )
            labels = self._derivatives(found[0][0], found[1][0])
        seen = self._see(observation, context)
        self.last = LabelledTransition(
            episode=self._episode,
            step=self._step,
            observation=self._seen,
            action=np.array(action),
            reward=float(reward),
            next_observation=seen,
            terminated=bool(terminated),
            truncated=bool(truncated),
            context=context,
            state=self._state,
            noise=noise,
            dnext_observation_dcontext=labels.get("dnext_observation_dcontext"),
            dreward_dcontext=labels.get("dreward_dcontext"),
        )
        self._seen, self._state, self._step = seen, info["state"], self._step + 1
        return seen.copy(), float(reward), bool(terminated), bool(truncated), info | labels

    def _see(self, observation: Array, context: Contexts) -> Array:
        return np.concatenate([observation, context]).astype(np.float32) if self.mode == "append" else observation

    def _derivatives(self, dnext: Array, dreward: Array) -> dict[str, Array]:
        """The infos of derivatives, in float32 as datasets have them."""
        if not self.gradients:
            return {}
        return {"dnext_observation_dcontext": dnext.astype(np.float32), "dreward_dcontext": dreward.astype(np.float32)}


def labels_of(env: gymnasium.Env[Any, Any]) -> LabelTransitions:
    """The `LabelTransitions` among the wrappers of `env`, or an error that says that there is none."""
    layer = env
    while isinstance(layer, gymnasium.Wrapper):
        if isinstance(layer, LabelTransitions):
            return layer
        layer = layer.env
    raise EnvError(
        f"expected an environment in offctx.envs.LabelTransitions, which tells the buffer what fit_online does not; found "
        f"{env if isinstance(env, gymnasium.Env) else type(env).__name__}"
    )


def _refuse_changes(env: gymnasium.Env[Any, Any]) -> None:
    """That no wrapper may change observations, actions or rewards: the derivatives are those of the environment inside."""
    layer = env
    while isinstance(layer, gymnasium.Wrapper):
        name = type(layer).__name__
        if not isinstance(layer, (CycleContexts, RandomContexts)) and name not in _TRANSPARENT:
            raise EnvError(
                f"wrapper {name} inside LabelTransitions may change observations, actions or rewards, of which the labels "
                f"would know nothing: leave it out (LabelTransitions appends the context itself, d3rlpy scales by its scalers)"
            )
        layer = layer.env
