"""Who plays the episodes of a batch: policies with and without memory, each in rows of its own.

Dimensions: N rows, E rows of the whole batch, o observation, a action, p context.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.global_draws import refused_global_draws
from offctx.envs.policies import (
    MISFITS,
    Actor,
    ContextMode,
    Mixture,
    Policy,
    PolicyInputs,
    check_mode,
    make_actor,
    policy_name,
)
from offctx.envs.policies_with_memory import Transitions, has_memory, memory_span, policy_with_memory
from offctx.envs.row_draws import RowGenerator
from offctx.errors import PolicyError


class MemoryPlayer:
    """A policy with memory, checked, in an environment.

    Args:
        policy: a `PolicyWithMemory`, or an object that makes one by `memory_policy()`.
        env: the environment in which it acts.
        context: whether its observations have the context appended or hidden.

    Attributes:
        name: of the policy, for errors.
        span: how long it remembers.

    Raises:
        PolicyError: a method is missing or takes other arguments, or its input size does not fit the environment.
    """

    def __init__(self, policy: Policy, env: ContextualEnv, context: ContextMode) -> None:
        self.name, self._env = policy_name(policy), env
        self._policy = policy_with_memory(policy)
        self._inputs = PolicyInputs.of(self._policy, self.name, env, check_mode(context))
        self.span = memory_span(self._policy)

    def begin(self, rows: Array, same_context: Array, size: int) -> None:
        """Episodes begin in these rows, as `PolicyWithMemory.begin` says."""
        self._policy.begin(rows, same_context, size)

    def act(self, rows: Array, observations: Array, contexts: Contexts, rng: np.random.Generator) -> Array:
        """The actions in these rows: (N, a) within the bounds of a Box, or int64 (N,) where Discrete.

        Raises:
            PolicyError: it fails on its inputs, or gives invalid actions.
        """
        try:
            actions = self._policy.act(rows, self._inputs.make(observations, contexts), rng)
            return self._env.admit_actions(actions, len(rows))
        except PolicyError as error:
            raise PolicyError(f"policy {self.name!r}: {error}") from error
        except MISFITS as error:
            raise PolicyError(
                f"policy {self.name!r} failed to act on observations of shape {(len(rows), self._inputs.size)}: {error}; "
                f"{self._inputs.hint}"
            ) from error

    def observe(self, transitions: Transitions, contexts: Contexts) -> None:
        """Shows what followed.

        Args:
            transitions: with observations (N, o) as the environment gives them.
            contexts: (N, p).
        """
        self._policy.observe(
            Transitions(
                rows=transitions.rows,
                observations=self._inputs.make(transitions.observations, contexts),
                actions=transitions.actions,
                rewards=transitions.rewards,
                next_observations=self._inputs.make(transitions.next_observations, contexts),
                terminations=transitions.terminations,
                truncations=transitions.truncations,
            )
        )


Player = Actor | MemoryPlayer


def make_player(policy: Policy, env: ContextualEnv, context: ContextMode) -> Player:
    """A checked player from any kind of policy: `make_actor` of one without memory, else a `MemoryPlayer`.

    Args:
        policy: with or without memory.
        env: the environment in which it acts.
        context: whether `predict`, or the policy with memory, gets observations with the context appended or hidden.

    Raises:
        PolicyError: it is no policy, or its input size does not fit the environment.
    """
    if has_memory(policy) and not isinstance(policy, Mixture):
        return MemoryPlayer(policy, env, context)
    return make_actor(policy, env, context)


class Cast:
    """The players of a batch of E episodes, and which of them plays which row.

    Args:
        players: the players.
        assignment: the index of the player of each row (E,).
        contexts: the context of each row (E, p).
    """

    def __init__(self, players: Sequence[Player], assignment: Array, contexts: Contexts) -> None:
        self._players, self._assignment, self._contexts = players, assignment, contexts
        self._memories = [(k, player) for k, player in enumerate(players) if isinstance(player, MemoryPlayer)]

    def begin(self, rows: Array, same_context: Array) -> None:
        """Episodes begin in these rows (N,); `same_context`, booleans (N,), is True where the row's context stays."""
        for k, player in self._memories:
            own = self._assignment[rows] == k
            if own.any():
                player.begin(rows[own], same_context[own], len(self._assignment))

    def act(
        self, rows: Array, observations: Array, rng: np.random.Generator, memory_rng: np.random.Generator | None = None
    ) -> Array:
        """The actions in these rows, by the player of each.

        Args:
            rows: (N,).
            observations: (N, o).
            rng: for policies that draw.
            memory_rng: for those with memory; `rng` where not given.

        Raises:
            PolicyError: a player gave invalid actions, or one with memory drew what would depend on the other rows.
        """
        contexts, memory_rng = self._contexts[rows], rng if memory_rng is None else memory_rng
        if len(self._players) == 1:
            return _act(self._players[0], rows, observations, contexts, rng, memory_rng)
        assignment = self._assignment[rows]
        pieces = [
            (
                mask := assignment == k,
                _act(
                    player,
                    rows[mask],
                    observations[mask],
                    contexts[mask],
                    *(own.of(mask) if isinstance(own, RowGenerator) else own for own in (rng, memory_rng)),
                ),
            )
            for k, player in enumerate(self._players)
            if (assignment == k).any()
        ]
        actions = np.empty((len(rows), *pieces[0][1].shape[1:]), dtype=pieces[0][1].dtype)
        for mask, chosen in pieces:
            actions[mask] = chosen
        return actions

    def observe(self, transitions: Transitions) -> None:
        """Shows each player with memory what followed in its rows; observations are (N, o), as the environment gives them."""
        for k, player in self._memories:
            own = self._assignment[transitions.rows] == k
            if own.any():
                chosen = transitions if own.all() else Transitions(**{name: v[own] for name, v in vars(transitions).items()})
                player.observe(chosen, self._contexts[chosen.rows])


def _act(player: Player, rows: Array, observations: Array, contexts: Contexts, rng: Any, memory_rng: Any) -> Array:
    if not isinstance(player, MemoryPlayer):
        return player(observations, contexts, rng)
    if not isinstance(memory_rng, RowGenerator):
        return player.act(rows, observations, contexts, memory_rng)
    with refused_global_draws(player.name):
        return player.act(rows, observations, contexts, memory_rng)
