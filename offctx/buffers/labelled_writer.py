"""Writes online steps with all that their environment knows of them.

d3rlpy gives a buffer the observation, the action and the reward of a step. This writer looks up the rest in
`LabelTransitions`: the context, derivatives, the simulator state, noise and the true next observation. So a step is written
at once, the last one of a truncated episode too.

Dimensions: D what the agent sees, a action, p context.
"""

from typing import Any

import gymnasium
import numpy as np
from d3rlpy.dataset import DatasetInfo
from gymnasium import spaces

from offctx.buffers.augmentation import DERIVATIVES
from offctx.buffers.context_ids import ContextIds
from offctx.buffers.episode_index import EpisodeIndex
from offctx.contexts.space import ContextSpace
from offctx.envs.base import Array
from offctx.envs.labels import LabelledTransition, LabelTransitions
from offctx.envs.policies import ContextMode
from offctx.errors import DatasetError, EnvError


class LabelledWriter:
    """Appends the steps of one environment to a buffer.

    Args:
        episodes: of the buffer.
        context_ids: of the buffer.
        labels: the environment.
    """

    def __init__(self, episodes: EpisodeIndex, context_ids: ContextIds, labels: LabelTransitions) -> None:
        self._episodes, self._context_ids, self._labels = episodes, context_ids, labels
        self._newest: LabelledTransition | None = None  # the last one that was written
        self._growing = False  # whether the newest episode is still played

    def append(self, observation: Array, action: Array, reward: Array) -> None:
        """One step: observation (D,), action (a,) and reward (1,), float32, as d3rlpy gives them.

        Raises:
            DatasetError: it is not the last step of the environment.
        """
        transition = self._last_transition(observation, action, reward)
        newest = self._newest
        continues = newest is not None and (newest.episode, newest.step + 1) == (transition.episode, transition.step)
        if self._growing and continues:
            self._episodes.table.amend_last(next_actions=action)
        else:
            self._episodes.begin()
        labels = {name: getattr(transition, name) for name in DERIVATIVES}
        labels |= {"states": transition.state, "noise": transition.noise}
        contexts = transition.context[None].astype(np.float32)
        self._episodes.append(
            observations=observation[None],
            actions=action[None],
            rewards=reward[None],
            next_observations=transition.next_observation[None],
            next_actions=(0 if transition.terminated else 1) * action[None],
            terminals=np.full((1, 1), transition.terminated, dtype=np.float32),
            contexts=contexts,
            context_ids=self._context_ids.of(contexts),
            **{name: label[None] for name, label in labels.items() if label is not None},
        )
        self._newest, self._growing = transition, True

    def clip_episode(self, terminated: bool) -> None:
        """Ends the episode, by termination or not, whatever the environment says of its last step."""
        if self._growing:
            table = self._episodes.table
            (action,) = table.take("actions", np.array([table.size - 1]))
            table.amend_last(terminals=np.array([terminated]), next_actions=(0 if terminated else 1) * action)
        self._growing = False

    def _last_transition(self, observation: Array, action: Array, reward: Array) -> LabelledTransition:
        """The environment's last transition, if that is the given step."""
        last = self._labels.last
        if last is None or last is self._newest:
            raise DatasetError(
                "the environment that this buffer is connected to has made no step since the last one: give fit_online the "
                "same environment, or connect the buffer to that one"
            )
        pairs = {
            "observation": (last.observation, observation),
            "action": (last.action.reshape(-1), action),
            "reward": (np.array([last.reward]), reward),
        }
        for name, (expected, actual) in pairs.items():
            if not np.array_equal(expected.astype(np.float32), actual):
                raise DatasetError(
                    f"expected the last step of the environment that this buffer is connected to, with {name} {expected}; "
                    f"found {actual}. Give fit_online the same environment; not as eval_env too, and without wrappers around "
                    f"LabelTransitions that change observations, actions or rewards"
                )
        return last


def check_environment(
    env: gymnasium.Env[Any, Any],
    labels: LabelTransitions,
    info: DatasetInfo,
    action_space: spaces.Space[Any],
    context_space: ContextSpace,
    context: ContextMode,
) -> None:
    """Checks that the steps of an environment fit a buffer.

    Args:
        env: the environment as d3rlpy is given it.
        labels: the `LabelTransitions` among its wrappers.
        info: of the buffer, as are the other arguments.
        action_space: what actions the buffer has.
        context_space: what its contexts mean.
        context: whether it has them appended to the observations.

    Raises:
        EnvError: context, observations or actions differ.
    """
    names, shape = labels.contextual.context_space.names, info.observation_signature.shape[0]
    if labels.mode != context:
        raise EnvError(
            f'the buffer has the context "{context}", the environment "{labels.mode}": make either with the other\'s context='
        )
    if names != context_space.names:
        raise EnvError(f"the buffer's context is {list(context_space.names)}; the environment's {list(names)}")
    if env.observation_space.shape != shape or env.action_space != action_space:
        raise EnvError(
            f"the buffer has observations of shape {shape} and actions in {action_space}; the environment has "
            f"{env.observation_space.shape} and {env.action_space}"
        )
