"""How a learner chooses the actions of n environments side by side while it learns.

Dimensions: n environments, o observation, a action, p context.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from d3rlpy.algos.qlearning.explorers import ConstantEpsilonGreedy, Explorer, LinearDecayEpsilonGreedy, NormalNoise
from gymnasium.spaces import Discrete

from offctx.envs.base import Array, ContextualEnv
from offctx.envs.parallel_episodes import JointStep, ParallelEpisodes
from offctx.envs.players import MemoryPlayer
from offctx.envs.policies import ContextMode
from offctx.envs.policies_with_memory import Transitions
from offctx.errors import AlgorithmError

_FOR_DISCRETE, _FOR_CONTINUOUS = (ConstantEpsilonGreedy, LinearDecayEpsilonGreedy), (NormalNoise,)
_MAKERS = ("exploration_policy", "memory_policy")  # of a policy with memory, the better one for collecting first


class Behaviour(Protocol):
    """Chooses actions, and is shown what followed. `offctx.training.online_loop` calls it in this order in each step."""

    def begin(self, rows: Array, same_context: Array) -> None:
        """Episodes begin in these rows; `same_context` says where the context is that of the row's last episode."""

    def act(self, episodes: ParallelEpisodes, step: int) -> Array:
        """The actions (n, a) or (n,) in step number `step`, counted from 1 over all environments."""

    def observe(self, step: JointStep) -> None:
        """What followed, in all rows; the actions may be those of a warm-up, in which `act` is not called."""

    def state(self) -> dict[str, Any]:
        """All that its next actions depend on, beside the agent and the global generators, as `torch.save` writes it."""

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from what `state` returned."""


class PlainBehaviour:
    """A d3rlpy learner without memory: what it samples, or what an explorer makes of it.

    Args:
        agent: with networks.
        explorer: of d3rlpy; None to sample from the policy.
        seen: from observations (n, o) and contexts (n, p) to what the agent sees.
    """

    def __init__(self, agent: Any, explorer: Explorer | None, seen: Callable[[Array, Array], Array]) -> None:
        self._agent, self._explorer, self._seen = agent, explorer, seen

    def begin(self, rows: Array, same_context: Array) -> None:
        """Nothing: it has no memory."""

    def act(self, episodes: ParallelEpisodes, step: int) -> Array:
        """One call of the policy for all rows."""
        inputs = self._seen(episodes.observations, episodes.contexts)
        if self._explorer is not None:
            return np.asarray(self._explorer.sample(self._agent, inputs, step))
        return np.asarray(self._agent.sample_action(inputs))

    def observe(self, step: JointStep) -> None:
        """Nothing: it has no memory."""

    def state(self) -> dict[str, Any]:
        """Nothing: it has no memory."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing: it has no memory."""


class MemoryBehaviour:
    """A learner that acts by a policy with memory, one memory for each environment.

    Args:
        agent: has `exploration_policy()`, or else `memory_policy()`, which makes an `offctx.envs.PolicyWithMemory`.
        env: the environment.
        context: whether the policy's observations have the context appended.
        rng: that it draws from.
    """

    def __init__(self, agent: Any, env: ContextualEnv, context: ContextMode, rng: np.random.Generator) -> None:
        policy = next(getattr(agent, name) for name in _MAKERS if callable(getattr(agent, name, None)))()
        self._policy, self._player, self._rng = policy, MemoryPlayer(policy, env, context), rng
        self._size, self._acted = 0, False

    def begin(self, rows: Array, same_context: Array) -> None:
        """Passes on which episodes begin. The first call names all rows."""
        self._size = self._size or len(rows)
        self._player.begin(rows, same_context, self._size)

    def act(self, episodes: ParallelEpisodes, step: int) -> Array:
        """The actions of all rows."""
        self._acted = True
        return self._player.act(np.arange(self._size), episodes.observations, episodes.contexts, self._rng)

    def observe(self, step: JointStep) -> None:
        """Shows the policy the transitions of all rows. A policy with memory is asked for actions in a warm-up too."""
        if not self._acted:
            self._player.act(np.arange(self._size), step.observations, step.contexts, self._rng)
        self._acted = False
        names = ("observations", "actions", "rewards", "next_observations", "terminations", "truncations")
        transitions = Transitions(rows=np.arange(self._size), **{name: getattr(step, name) for name in names})
        self._player.observe(transitions, step.contexts)

    def state(self) -> dict[str, Any]:
        """The number of rows, and the policy's own `state()`.

        Raises:
            AlgorithmError: the policy has none, so that a run cannot be gone on with.
        """
        if not callable(getattr(self._policy, "state", None)) or not callable(getattr(self._policy, "restore", None)):
            raise AlgorithmError(
                f"a run folder keeps what {type(self._policy).__name__} remembers: give it the methods state() -> dict of "
                f"tensors and numbers, and restore(state); or train without run="
            )
        return {"size": self._size, "policy": self._policy.state(), "generator": self._rng.bit_generator.state}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from what `state` returned."""
        self._size = state["size"]
        self._policy.restore(state["policy"])
        self._rng.bit_generator.state = state["generator"]


def behaviour_of(
    agent: Any,
    explorer: Explorer | None,
    env: ContextualEnv,
    context: ContextMode,
    seen: Callable[[Array, Array], Array],
    rng: np.random.Generator,
) -> Behaviour:
    """How this learner chooses actions while it learns.

    Args:
        agent: a d3rlpy learner with networks, with or without memory.
        explorer: of d3rlpy, or None.
        env: the environment.
        context: whether the agent sees the context.
        seen: from observations (n, o) and contexts (n, p) to what the agent sees.
        rng: for policies with memory that draw.

    Raises:
        AlgorithmError: an explorer for a learner with memory or for other actions, or something else as an explorer.
        PolicyError: a policy with memory that lacks a method, or does not fit the environment.
    """
    if explorer is not None and not isinstance(explorer, Explorer):
        raise AlgorithmError(f"expected an explorer of d3rlpy, such as d3rlpy.algos.NormalNoise(); found {explorer!r}")
    discrete = isinstance(env.action_space, Discrete)
    if isinstance(explorer, _FOR_CONTINUOUS if discrete else _FOR_DISCRETE):
        fitting = "ConstantEpsilonGreedy or LinearDecayEpsilonGreedy" if discrete else "NormalNoise"
        raise AlgorithmError(f"{type(explorer).__name__} does not explore in {env.action_space}: give {fitting}")
    if not any(callable(getattr(agent, name, None)) for name in _MAKERS):
        return PlainBehaviour(agent, explorer, seen)
    if explorer is not None:
        raise AlgorithmError(f"{type(agent).__name__} acts by its own policy with memory, and takes no explorer of d3rlpy")
    return MemoryBehaviour(agent, env, context, rng)
