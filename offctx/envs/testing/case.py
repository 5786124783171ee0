"""An environment under test, and the random episodes that it is tested on.

Dimensions: N rows, E episodes, s state, o observation, p context, z noise coordinates.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import gymnasium
import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.context_draws import draw_contexts
from offctx.envs.resolve import ResolvedEnv
from offctx.envs.rollout import TimeStep, episode_seeds, play

Factory = str | Callable[[], gymnasium.Env[Any, Any]]

STEPS = 8  # of each random episode


@dataclass(frozen=True)
class Case:
    """An environment under test, and the random episodes that it is tested on, played when first needed.

    Attributes:
        factory: a Gymnasium id, or a function that makes the environment.
        seed: of all random draws.
        episodes: how many episodes, E.
    """

    factory: Factory
    seed: int
    episodes: int

    @classmethod
    def of(cls, factory: Factory, seed: int, transitions: int) -> "Case":
        """A case with about so many transitions, and at least four episodes."""
        return cls(factory, seed, max(transitions // STEPS, 4))

    def make(self) -> ContextualEnv:
        """A fresh environment without wrappers."""
        env = gymnasium.make(self.factory) if isinstance(self.factory, str) else self.factory()
        inner = env.unwrapped if isinstance(env, gymnasium.Env) else env
        assert isinstance(inner, ContextualEnv), f"expected an offctx.envs.ContextualEnv; found {type(inner).__name__}"
        return inner

    @cached_property
    def env(self) -> ContextualEnv:
        """The environment under test."""
        return self.make()

    @property
    def name(self) -> str:
        """The name of its class."""
        return type(self.env).__name__

    @cached_property
    def contexts(self) -> Contexts:
        """The context of each episode (E, p)."""
        return draw_contexts(self.env.context_space, np.random.default_rng(self.seed), self.episodes)

    @cached_property
    def seeds(self) -> Array:
        """The seed of each episode (E,)."""
        return episode_seeds(self.seed, self.episodes)

    @cached_property
    def steps(self) -> list[TimeStep]:
        """The episodes, played together under random actions."""
        space = copy.deepcopy(self.env.action_space)
        space.seed(self.seed)
        resolved = ResolvedEnv(self.env, STEPS, self.name, None)

        def act(observations: Array, contexts: Contexts, rng: np.random.Generator) -> Array:
            return self.env.admit_actions(np.stack([space.sample() for _ in observations]), len(observations))

        unused = np.random.default_rng(0)  # `act` draws from the action space
        return list(play(resolved, self.contexts, self.seeds, [act], np.zeros(self.episodes, int), unused))

    @cached_property
    def rows(self) -> tuple[Array, ...]:
        """The arguments of `simulate`, N transitions: states, actions, contexts, noise (N, 0 where there is none)."""
        parts = [(step.states, step.actions, self.contexts[step.rows], step.noise) for step in self.steps]
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))

    def simulate(self, rows: tuple[Array, ...] | None = None, env: ContextualEnv | None = None) -> tuple[Array, ...]:
        """The environment's `simulate` with copies of the rows, which are those of the case where not given."""
        states, actions, contexts, noise = (array.copy() for array in (self.rows if rows is None else rows))
        return (env or self.env).simulate(states, actions, contexts, noise)
