"""Observation contexts for any family: what is seen changes, neither the dynamics nor the reward.

Dimensions: N rows, s state, o observation inside, n distractors, a action, p context inside, q that of the sensor, z noise.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from numpy.typing import ArrayLike

from offctx.checks import whole_number
from offctx.contexts.joined import joined
from offctx.envs.around_family import AroundFamily
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.layered_spec import layered_spec
from offctx.envs.resolve import EnvLike, family_of, is_registered
from offctx.envs.sensor import Sensor
from offctx.envs.sensor_noise import begin_episode, sensor_noise
from offctx.envs.sensor_ranges import checked_range, checked_scale, context_space_of
from offctx.errors import EnvError

_MOST_DISTRACTORS = 10_000  # every state holds them

Range = Sequence[float]


class ObservationContexts(AroundFamily):
    """A contextual environment seen through a sensor, whose noise, gain, bias and delay are further context coordinates.

    With the observation x_t (o,) of the environment inside, the agent sees

        y_t = gain x_(t - delay) + bias u + noise u eps_t,     eps_t ~ N(0, I), x_0 before the start

    and then the distractors, numbers that depend on nothing else: w_t = 0.9 w_(t - 1) + sqrt(0.19) N(0, I), of variance 1.
    Each range that is given adds one coordinate, of kind "observation": `observation_noise`, `observation_gain`,
    `observation_bias`, `observation_delay` (discrete, in steps). At their defaults 0, 1, 0 and 0 the observation is that of the
    environment inside, bit for bit. Latent states, rewards and terminations are always those of the environment inside.

    The state is the state inside, then the last observations that a delay needs, and what is seen; so `simulate` is pure, and
    infos/state of a dataset determines everything. eps and w come from the episode's own seed, beside what the environment
    inside draws: at the same seed it has the same start and the same noise as without a sensor. Observations do not determine
    the state. Derivatives, where the environment inside has them, are exact along noise (with eps held fixed), gain and bias.
    With a delay there are none: the next observation shows the past, which no context of the step changes.

    Args:
        env: a Gymnasium id, a factory or an environment; contextual. Its time limit is kept.
        noise: lowest and highest standard deviation of the noise, in units of `scale`; the lowest is at least 0.
        gain: lowest and highest gain.
        bias: lowest and highest bias, in units of `scale`.
        delay: lowest and highest number of steps, whole numbers, at most 1,000.
        distractors: how many numbers to append, n, at most 10,000; they have no coordinate.
        scale: u, the unit of noise and bias in each observation, (o,) or one number, >= 0; 0 leaves out an observation.

    Raises:
        EnvError: the environment is not contextual, its observations are no vector of floats, or an argument does not fit.
        ContextError: a range is not two numbers, low < high, that hold the default.

    Example::

        env = offctx.ObservationContexts("offctx/PendulumGoal-v0", noise=(0, 0.5), gain=(0.5, 2), distractors=3)
        contexts = env.context_space.mesh(g=[1, 2], observation_noise=[0, 0.2])
        dataset = offctx.collect(env, "me/noisy-pendulum-v0", contexts=contexts, seed=0)
    """

    def __init__(
        self,
        env: EnvLike,
        *,
        noise: Range | None = None,
        gain: Range | None = None,
        bias: Range | None = None,
        delay: Range | None = None,
        distractors: int = 0,
        scale: ArrayLike = 1.0,
    ) -> None:
        self.inner, self.max_episode_steps, spec = family_of(env)
        space = self.inner.observation_space
        if not isinstance(space, spaces.Box) or len(space.shape) != 1 or np.dtype(space.dtype).kind != "f":
            raise EnvError(f"ObservationContexts needs observations in a 1-D Box of floats; found {space}")
        pairs = {"noise": noise, "gain": gain, "bias": bias, "delay": delay}
        ranges = {name: checked_range(name, pair) for name, pair in pairs.items() if pair is not None}
        n = whole_number(distractors, "distractors", 0, EnvError)
        if n > _MOST_DISTRACTORS:
            raise EnvError(f"distractors must be at most {_MOST_DISTRACTORS:,}; found {distractors!r}")
        if not ranges and not n:
            raise EnvError("ObservationContexts changes nothing: give a range of noise, gain, bias or delay, or distractors")
        depth = int(ranges["delay"][1]) if "delay" in ranges else 0
        self.sensor = Sensor(space.shape[0], checked_scale(scale, space.shape[0]), tuple(ranges), depth, n)
        self.context_space = joined(self.inner.context_space, context_space_of(ranges)) if ranges else self.inner.context_space
        self.observation_space = _observation_space(space, unbounded=bool({"noise", "gain", "bias"} & set(ranges)), more=n)
        self.action_space = self.inner.action_space
        self.noise_size = self.inner.noise_size + self.sensor.noise_size
        self._layer = _sensors_of(self.inner)
        self._describe_derivatives(with_delay=depth > 0)
        arguments = {name: list(pair) for name, pair in ranges.items()} | ({"distractors": n} if n else {})
        arguments |= {"scale": self.sensor.scale.tolist()} if (self.sensor.scale != 1).any() else {}
        self.spec = _spec(spec, env, arguments, self.max_episode_steps)

    def _describe_derivatives(self, with_delay: bool) -> None:
        inner = self.inner
        self.delayed = inner.delayed or with_delay
        self.has_derivatives = inner.has_derivatives and not with_delay
        self.no_derivatives_because = (
            "with a delay the next observation shows the past, which no context of the step changes"
            if with_delay
            else inner.without_derivatives
        )
        self.derivative_source, self.derivative_tolerance = inner.derivative_source, inner.derivative_tolerance
        if inner.derivative_steps is not None:
            self.derivative_steps = np.concatenate([inner.derivative_steps, np.zeros(len(self.sensor.names))])

    def initial_state(self, rng: np.random.Generator, context: Any) -> Array:
        """The start inside, drawn first, and what the sensor shows of it."""
        inside, own = self._contexts(np.asarray(context, dtype=np.float64)[None])
        state = self.inner.start(rng, inside[0])[None]
        seen = self.inner.observations(state).astype(np.float64)
        if self._layer == 0:
            begin_episode(rng)
        memory = self.sensor.start(seen, own, sensor_noise(rng, 0, 1, self.sensor.noise_size, self._layer))
        return np.concatenate([state[0], memory[0]])

    def noise_of_steps(self, rng: np.random.Generator, n: int, first: int = 0) -> Array:
        """The noise inside, as drawn there, and that of the sensor, from the same seed: (n, z)."""
        inside = self.inner.noise_of_steps(rng, n, first)
        return np.concatenate([inside, sensor_noise(rng, first + 1, n, self.sensor.noise_size, self._layer)], axis=1)

    def simulate(
        self, states: Array, actions: Array, contexts: Array, noise: Array | None = None
    ) -> tuple[Array, Array, Array]:
        """One step of N rows inside, and what the sensor shows of the next states."""
        inside, own = self._contexts(contexts)
        drawn, own_noise = self._noise(noise, len(states))
        next_states, rewards, terminations = self.inner.simulate(self._inner(states), actions, inside, drawn)
        seen = self.inner.observations(next_states).astype(np.float64)
        memory = self.sensor.step(states[:, -self.sensor.memory :], seen, own, own_noise)
        return np.concatenate([next_states, memory], axis=1), rewards, terminations

    def observations(self, states: Array) -> Array:
        """What the sensor shows (N, o + n)."""
        dtype: Any = self.observation_space.dtype
        return np.asarray(states[:, -self.sensor.shown :], dtype=dtype)

    def latent_states(self, states: Array) -> Array:
        """The latent states inside: dynamics and rewards do not depend on the sensor."""
        return np.asarray(self.inner.latent_states(self._inner(states)))

    def rewards_of(
        self, states: Array, actions: Array, next_states: Array, contexts: Array, noise: Array | None = None
    ) -> Array | None:
        """The rewards (N,) that the environment inside gives, where it can."""
        inside, drawn = self._contexts(contexts)[0], self._noise(noise, len(states))[0]
        return self.inner.rewards_of(self._inner(states), actions, self._inner(next_states), inside, drawn)

    def states_from_observations(self, observations: Array) -> Array:
        """Always raises EnvError: what is seen does not determine the state."""
        raise EnvError("what ObservationContexts shows does not determine the state inside: infos/state is needed")

    def derivatives(self, states: Array, actions: Array, contexts: Array, noise: Array | None = None) -> tuple[Array, Array]:
        """Those inside, as the sensor shows them, and exact ones along noise, gain and bias.

        Args:
            states: (N, s).
            actions: (N, a), or integers (N,) where Discrete.
            contexts: (N, p + q).
            noise: (N, z), held fixed.

        Returns:
            of next observations (N, o + n, p + q) and of rewards (N, p + q).

        Raises:
            EnvError: there is a delay, or the environment inside has no derivatives.
            DerivativeError: a derivative is not finite.
        """
        return self.derivatives_with_error(states, actions, contexts, noise)[:2]

    def derivatives_with_error(
        self, states: Array, actions: Array, contexts: Array, noise: Array | None = None
    ) -> tuple[Array, Array, Array | None]:
        """`derivatives`, and the relative errors (N,) of those inside, or None where these are exact."""
        if not self.has_derivatives:
            raise EnvError(f"{self.without_derivatives}; collect with gradients=False")
        inside, own = self._contexts(contexts)
        drawn, own_noise = self._noise(noise, len(states))
        states = self._inner(states)
        dnext, dreward, error = self.inner.derivatives_with_error(states, actions, inside, drawn)
        seen = self.inner.observations(self.inner.simulate(states, actions, inside, drawn)[0]).astype(np.float64)
        shown = self.sensor.derivatives(seen, dnext, own, own_noise)
        return shown, np.concatenate([dreward, np.zeros_like(own)], axis=1), error

    def _inner(self, states: Array) -> Array:
        """The states inside (N, s)."""
        return np.ascontiguousarray(states[:, : -self.sensor.memory])

    def _contexts(self, contexts: Array) -> tuple[Array, Array]:
        """The contexts inside (N, p) and those of the sensor (N, q)."""
        p = self.inner.context_space.size
        return np.ascontiguousarray(contexts[:, :p]), contexts[:, p:]

    def _noise(self, noise: Array | None, rows: int) -> tuple[Array | None, Array]:
        """The noise inside and that of the sensor."""
        if noise is None:
            if self.noise_size:
                raise EnvError(f"expected noise ({rows}, {self.noise_size}), standard normal; found None")
            return None, np.zeros((rows, 0))
        z = self.inner.noise_size
        return np.ascontiguousarray(noise[:, :z]), noise[:, z:]


def _sensors_of(env: ContextualEnv) -> int:
    """How many sensors there are around the innermost family."""
    if not isinstance(env, AroundFamily):
        return 0
    return int(isinstance(env, ObservationContexts)) + _sensors_of(env.inner)


def _observation_space(space: spaces.Box, *, unbounded: bool, more: int) -> spaces.Box:
    """The space of what is seen: where noise, gain or bias may change it, without bounds."""
    infinite = np.full(more, np.inf, dtype=space.dtype)
    low = np.full_like(space.low, -np.inf) if unbounded else space.low
    high = np.full_like(space.high, np.inf) if unbounded else space.high
    dtype: Any = space.dtype
    return spaces.Box(np.concatenate([low, -infinite]), np.concatenate([high, infinite]), dtype=dtype)


def _spec(spec: EnvSpec | None, env: EnvLike, arguments: dict[str, Any], limit: int | None) -> EnvSpec | None:
    """How Gymnasium makes this environment again; None where no id and plain arguments make the environment inside."""
    if spec is None or not (isinstance(env, str) or is_registered(spec, limit)):
        return layered_spec(spec, limit, "ObservationContexts", arguments)
    name = spec.id.rpartition("/")[2]
    return EnvSpec(
        id=f"ObservationContexts/{name}",
        entry_point="offctx.envs:ObservationContexts",
        max_episode_steps=limit,
        kwargs={"env": env if isinstance(env, str) else spec.id, **arguments},
    )
