"""Episodes of several contexts side by side without an end: a row whose episode ends begins the next one at once.

Dimensions: n rows, K contexts, s state, o observation, a action, p context, z noise coordinates, H steps of an episode.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from gymnasium.utils.seeding import np_random
from numpy.typing import ArrayLike

from offctx.checks import whole_number
from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.base import Array
from offctx.envs.resolve import ResolvedEnv
from offctx.envs.rollout import simulate_checked
from offctx.errors import EnvError

ContextDraw = Callable[[np.random.Generator], ArrayLike]
_DRAWS = 1  # of a context draw's generator, which is not that of the episode


@dataclass(frozen=True)
class JointStep:
    """One time step of n episodes side by side.

    Attributes:
        begins: which of them begin with this step, booleans (n,).
        contexts: (n, p).
        states: (n, s).
        observations: (n, o).
        actions: as the simulator got them: (n, a) within the bounds, or int64 (n,) where Discrete.
        noise: (n, z).
        rewards: (n,).
        next_observations: the true ones (n, o), also where an episode ends.
        terminations: booleans (n,), True where the environment ended the episode.
        truncations: booleans (n,), True at the time limit.
        returns: the sum of the rewards of each episode so far, this step's included (n,).
    """

    begins: Array
    contexts: Contexts
    states: Array
    observations: Array
    actions: Array
    noise: Array
    rewards: Array
    next_observations: Array
    terminations: Array
    truncations: Array
    returns: Array

    @property
    def ends(self) -> Array:
        """Which episodes end with this step, booleans (n,)."""
        return np.asarray(self.terminations | self.truncations)


def episode_seed(seed: int, row: int, episode: int) -> int:
    """The seed of the k-th episode of a row, from 0 on: `env.reset(seed=...)` with it replays the episode."""
    words = np.random.SeedSequence([seed, row, episode]).generate_state(1, np.uint64)
    return int(words[0] >> np.uint64(1))


class EpisodePlan:
    """Which context and which seed the k-th episode of a row has, whatever the other rows do.

    Args:
        space: the valid contexts.
        contexts: (K, p), of which row i plays those with the indices i, i + n, i + 2n, ... modulo K, one an episode; or a
            function from a generator to a context (p,), called for each episode.
        rows: n; K where not given.
        seed: of all episodes.

    Attributes:
        contexts: as given (K, p), or None where they are drawn.
        draw: as given, or None.

    Raises:
        ContextError: a context is not valid. One that is drawn is checked when its episode begins.
        EnvError: no context, contexts that are drawn for a number of rows that is not given, or a number out of range.
    """

    def __init__(self, space: ContextSpace, contexts: ArrayLike | ContextDraw, rows: int | None, seed: int) -> None:
        self.space, self.seed = space, whole_number(seed, "seed", 0, EnvError)
        self.contexts: Contexts | None = None
        self.draw: ContextDraw | None = None
        if callable(contexts):
            if rows is None:
                raise EnvError("contexts that are drawn do not say how many episodes are played side by side: give rows=")
            self.draw = contexts
        else:
            self.contexts = space.check_many(contexts)
        count = rows if self.contexts is None or rows is not None else len(self.contexts)
        self.rows = whole_number(count, "rows", 1, EnvError, most=1_000_000)

    def context(self, row: int, episode: int) -> Contexts:
        """The context (p,)."""
        if self.contexts is not None:
            return np.asarray(self.contexts[(row + episode * self.rows) % len(self.contexts)])
        assert self.draw is not None
        return self.space.check(self.draw(np.random.default_rng([self.seed, row, episode, _DRAWS])))


class ParallelEpisodes:
    """n environments of one family in their contexts, stepped by one call of the simulator.

    The start and the noise of each episode are drawn from its own seed, exactly as `env.reset(seed=seed,
    options={"context": c})` and `env.step` draw them. No row depends on what the other rows do.

    Args:
        resolved: the environment and its time limit.
        plan: contexts and seeds.

    Attributes:
        contexts: of the running episodes (n, p).
        observations: that their next actions are chosen by (n, o).
        begins: which of them have not made a step yet, booleans (n,).
        same_context: which of them play in the context of the row's last episode, booleans (n,).

    Raises:
        EnvError: the environment gives no finite start state.
    """

    def __init__(self, resolved: ResolvedEnv, plan: EpisodePlan) -> None:
        env, n = resolved.env, plan.rows
        self._env, self._horizon, self._plan = env, resolved.horizon, plan
        self._rows = np.arange(n)
        self._played = np.full(n, -1)  # the number of each row's episode
        self._steps, self._returns = np.zeros(n, np.int64), np.zeros(n)
        self._noise = np.zeros((n, self._horizon, env.noise_size))
        self.contexts = np.full((n, env.context_space.size), np.nan)
        self.begins, self.same_context = np.ones(n, np.bool_), np.zeros(n, np.bool_)
        first = env.start(np_random(episode_seed(plan.seed, 0, 0))[0], plan.context(0, 0))
        self._states = np.zeros((n, len(first)))
        self._begin(self._rows)
        self.observations = env.observations(self._states)

    def __len__(self) -> int:
        return len(self._rows)

    def step(self, actions: Array) -> JointStep:
        """One step of all episodes; those that end begin anew.

        Args:
            actions: (n, a), clipped to the bounds of a Box; or (n,) or (n, 1) where Discrete.

        Raises:
            PolicyError: the actions have the wrong shape, are not finite or do not exist.
            EnvError: a next state or reward is not finite.
        """
        env, states, contexts, begins = self._env, self._states, self.contexts, self.begins
        admitted, noise = env.admit_actions(actions, len(self)), self._noise[self._rows, self._steps]
        next_states, rewards, terminations = simulate_checked(env, (states, admitted, contexts, noise), len(self))
        next_observations = env.observations(next_states)
        self._steps += 1
        self._returns += rewards
        step = JointStep(
            begins=begins,
            contexts=contexts,
            states=states,
            observations=self.observations,
            actions=admitted,
            noise=noise,
            rewards=rewards,
            next_observations=next_observations,
            terminations=terminations,
            truncations=self._steps == self._horizon,
            returns=self._returns.copy(),
        )
        self._states, self.observations, self.begins = next_states, next_observations, step.ends
        if self.begins.any():
            self._begin_anew(np.flatnonzero(self.begins))
        return step

    def state(self) -> dict[str, Array]:
        """All that the next steps depend on, as arrays."""
        names = ("_played", "_steps", "_returns", "_noise", "_states", "contexts", "begins", "same_context")
        return {name.strip("_"): getattr(self, name).copy() for name in names}

    def restore(self, state: dict[str, Array]) -> None:
        """Goes on from what `state` returned."""
        for name, array in state.items():
            attribute = name if hasattr(self, name) else f"_{name}"
            setattr(self, attribute, np.array(array))
        self.observations = self._env.observations(self._states)

    def _begin_anew(self, rows: Array) -> None:
        """The next episode in these rows. Arrays that a step has been given stay as they are."""
        self._states, self.contexts, self.observations = self._states.copy(), self.contexts.copy(), self.observations.copy()
        self._begin(rows)
        self.observations[rows] = self._env.observations(self._states[rows])

    def _begin(self, rows: Array) -> None:
        """Draws context, start state and noise of the next episode in each of these rows."""
        for row in rows.tolist():
            self._played[row] += 1
            episode = int(self._played[row])
            context = self._plan.context(row, episode)
            generator, _ = np_random(episode_seed(self._plan.seed, row, episode))
            self.same_context[row] = np.array_equal(context, self.contexts[row])
            self.contexts[row], self._states[row] = context, self._env.start(generator, context)
            if self._env.noise_size:
                self._noise[row] = self._env.draw_noise(generator, self._horizon)
        self._steps[rows], self._returns[rows] = 0, 0
