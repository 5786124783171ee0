"""Transitions labelled with context and context derivatives while an environment is stepped, for online CSE.

Dimensions: o observation, D what the agent observes (o, or o + p with the context appended), a action, p context, s state,
z noise coordinates.
"""

from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.envs.policies import ContextMode, check_mode
from offctx.envs.resolve import TRANSPARENT_WRAPPERS, wrappers_of
from offctx.envs.wrappers import CycleContexts, RandomContexts, appended_space, contextual
from offctx.errors import DerivativeError, EnvError

# The wrappers that may stand between `LabelTransitions` and its environment, in addition to those that choose contexts: they
# change no observation, action or reward.
_ALLOWED_WRAPPERS = TRANSPARENT_WRAPPERS | {"RecordEpisodeStatistics", "RecordVideo", "HumanRendering"}


@dataclass(frozen=True, eq=False)
class LabelledTransition:
    """One step of a `LabelTransitions` environment.

    Attributes:
        episode: number of the episode, counted by resets from 1.
        step: number of the step in its episode, from 0.
        observation: (D,).
        action: as the agent gave it, before the environment clips it: (a,), or () where Discrete.
        reward: of the step.
        next_observation: (D,), the true one also where the episode ended.
        terminated: whether the environment ended the episode.
        truncated: whether a time limit did.
        context: of the episode (p,).
        state: of the simulator before the step (s,).
        noise: of a stochastic step (z,); None where dynamics are deterministic.
        dnext_observation_dcontext: (o, p), or None without derivatives.
        dreward_dcontext: total derivative, which includes the next state's (p,), or None.
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
    """Labels each step with its context and the context derivatives of its transition, as online CSE needs them.

    Infos have `dnext_observation_dcontext` (o, p) and `dreward_dcontext` (p,) of the last step (zeros at a reset), and the
    environment's own `context`, `state` and `noise`. `last` is the whole transition; a buffer of `offctx.online_buffer`
    reads it there, because `fit_online` of d3rlpy gives a buffer neither infos nor next observations.

    Wrappers that choose contexts (`CycleContexts`, `RandomContexts`), time limits and recorders may stand inside. With
    context="hidden", Minari's DataCollector around it records a dataset with derivatives.

    Args:
        env: contextual.
        context: "append" the context to the observations (o + p), or leave it "hidden" (o).
        gradients: whether to compute derivatives. CSE(exact=...) and training without CSE need none.

    Raises:
        EnvError: `env` is not contextual, or a wrapper inside may change observations, actions or rewards.
        DerivativeError: the environment has no derivatives; or, at a step, they are not finite.

    Example::

        env = LabelTransitions(RandomContexts(gymnasium.make("offctx/PendulumGoal-v0"), contexts, seed=0))
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
            raise DerivativeError(f"{self.contextual.without_derivatives}: pass gradients=False")
        _refuse_other_wrappers(env)
        if context == "append":
            self.observation_space = appended_space(env)
        self.last: LabelledTransition | None = None
        self._episode, self._step = 0, 0
        self._observation = self._state = np.empty(0)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Starts an episode; the infos have derivatives that are zero."""
        observation, info = self.env.reset(seed=seed, options=options)
        self.last = None
        self._episode, self._step = self._episode + 1, 0
        self._observation, self._state = self._with_context(observation, info["context"]), info["state"]
        o, p = len(observation), self.contextual.context_space.size
        return self._observation.copy(), info | self._derivative_infos(np.zeros((o, p)), np.zeros(p))

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """One step; the infos have its derivatives, and `last` is the whole transition."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        context, noise = info["context"], info.get("noise")
        labels = self._label(action, context, noise) if self.gradients else {}
        next_observation = self._with_context(observation, context)
        self.last = LabelledTransition(
            episode=self._episode,
            step=self._step,
            observation=self._observation,
            action=np.array(action),
            reward=float(reward),
            next_observation=next_observation,
            terminated=bool(terminated),
            truncated=bool(truncated),
            context=context,
            state=self._state,
            noise=noise,
            dnext_observation_dcontext=labels.get("dnext_observation_dcontext"),
            dreward_dcontext=labels.get("dreward_dcontext"),
        )
        self._observation, self._state, self._step = next_observation, info["state"], self._step + 1
        return next_observation.copy(), float(reward), bool(terminated), bool(truncated), info | labels

    def _label(self, action: Any, context: Contexts, noise: Array | None) -> dict[str, Array]:
        """The derivatives of the step with this action from the last state."""
        actions = self.contextual.admit_actions(np.asarray(action)[None], 1)
        dnext, dreward = self.contextual.derivatives(
            self._state[None], actions, context[None], None if noise is None else noise[None]
        )
        return self._derivative_infos(dnext[0], dreward[0])

    def _with_context(self, observation: Array, context: Contexts) -> Array:
        """The observation (D,) that the agent gets."""
        return np.concatenate([observation, context]).astype(np.float32) if self.mode == "append" else observation

    def _derivative_infos(self, dnext: Array, dreward: Array) -> dict[str, Array]:
        """The derivatives as infos, in float32 as in datasets; none without `gradients`."""
        if not self.gradients:
            return {}
        return {"dnext_observation_dcontext": dnext.astype(np.float32), "dreward_dcontext": dreward.astype(np.float32)}


def labels_of(env: gymnasium.Env[Any, Any]) -> LabelTransitions:
    """The `LabelTransitions` among the wrappers of `env`. Raises EnvError where there is none."""
    for wrapper in wrappers_of(env):
        if isinstance(wrapper, LabelTransitions):
            return wrapper
    raise EnvError(
        f"expected an environment in offctx.envs.LabelTransitions, from which the buffer reads what fit_online does not give "
        f"it; found {env if isinstance(env, gymnasium.Env) else type(env).__name__}"
    )


def _refuse_other_wrappers(env: gymnasium.Env[Any, Any]) -> None:
    """EnvError for a wrapper that may change observations, actions or rewards: derivatives are of the environment inside."""
    for wrapper in wrappers_of(env):
        name = type(wrapper).__name__
        if not isinstance(wrapper, (CycleContexts, RandomContexts)) and name not in _ALLOWED_WRAPPERS:
            raise EnvError(
                f"wrapper {name} inside LabelTransitions may change observations, actions or rewards, but the labels would be "
                f"those without it: leave it out (LabelTransitions appends the context itself, and d3rlpy has scalers)"
            )
