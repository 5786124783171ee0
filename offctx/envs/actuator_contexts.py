"""Actuator inversion and permutation for any family: what an action does is part of the context.

Dimensions: N rows, s state, o observation, a action, p context inside, q actuator coordinates, z noise.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

from offctx.contexts.aib import with_aib_splits
from offctx.contexts.joined import joined
from offctx.contexts.kinds import CONTEXT_KINDS, DeclaredKinds, Kinds
from offctx.contexts.space import ContextSpace
from offctx.envs.actuator_mixing import ActuatorMixing, ActuatorValues
from offctx.envs.around_family import AroundFamily
from offctx.envs.base import Array
from offctx.envs.layered_spec import layered_spec
from offctx.envs.resolve import EnvLike, family_of, is_registered
from offctx.errors import ContextError

_ENTRY_POINT = "offctx.envs:ActuatorContexts"
_ROWS, _STEPS = 8, 32  # on which it is seen whether the reward depends on what reaches the actuators
_ROUNDING = 1e-9  # of rewards: the order of a sum


class ActuatorContexts(AroundFamily):
    """A contextual environment whose actuators may be inverted or permuted: further, discrete context coordinates.

    The environment inside gets the actions that `offctx.envs.actuator_mixing.ActuatorMixing` makes, by coordinates with the
    names `action_factor` (-1 or 1), `inversion` (0 or 1), `permutation` (the k-th in lexicographic order), `action_factor_<k>`
    and `inversion_<k>` (of actuator k alone). Rewards are those of the environment inside for what reaches the actuators. At
    the default context it is the environment inside, bit for bit. Derivatives along the other coordinates are those inside.

    Environments of offctx that have no such coordinate yet have ids of this class: `offctx/<Name>Inverted-v0`, with
    `action_factor`, and `offctx/<Name>Permuted-v0`, with `permutation` (where they have two actions or more).
    A family of your own gets an id by::

        gymnasium.register(
            "me/MineInverted-v0", "offctx.envs:ActuatorContexts", max_episode_steps=200,
            kwargs={"env": "me/Mine-v0", "actuators": ["action_factor"]},
        )

    Args:
        env: a Gymnasium id, a factory or an environment; contextual. Its time limit is kept.
        actuators: names, or a mapping from names to the values that the coordinate takes, such as
            ``{"action_factor": [-1, 0.5, 1], "permutation": [0, 1]}``.
        training: training ranges of continuous coordinates, for the splits of `offctx.aib_splits`. Without them the splits are
            those of the environment inside, and a sweep of each actuator coordinate.
        kinds: what the actuator coordinates change, such as ["dynamics", "reward"]; where not given, the dynamics, and the
            reward if it depends on what reaches the actuators in random transitions of the default context.

    Raises:
        EnvError: the environment is not contextual, or a name, an actuator or values do not fit.
        ContextError: the environment has a coordinate of that name already, or a training range does not fit.

    Example::

        env = offctx.ActuatorContexts("offctx/PendulumGoal-v0", ["action_factor"], training={"g": (1, 3)})
        dataset = offctx.collect(env, "me/inverted-pendulum-v0", contexts=env.context_space.splits["train"], seed=0)
    """

    def __init__(
        self,
        env: EnvLike,
        actuators: ActuatorValues,
        *,
        training: Mapping[str, Sequence[float]] | None = None,
        kinds: str | Sequence[str] | None = None,
    ) -> None:
        self.inner, self._limit, spec = family_of(env)
        self.mixing = ActuatorMixing(self.inner.action_space, actuators)
        own = self.mixing.context_space(())
        chosen: DeclaredKinds = self._measured_kinds(own) if kinds is None else dict.fromkeys(own.names, _declared(kinds))
        self.context_space = joined(self.inner.context_space, self.mixing.context_space(chosen))
        if training is not None:
            self.context_space = with_aib_splits(self.context_space, training)
        self.observation_space, self.action_space = self.inner.observation_space, self.inner.action_space
        self.noise_size = self.inner.noise_size
        self._describe_derivatives(own.size)
        self.spec = _spec(spec, self._limit, _arguments(actuators, training, None if kinds is None else _declared(kinds)))

    @property
    def max_episode_steps(self) -> int | None:  # type: ignore[override]  # Gymnasium's `make` may set another in the spec
        """The time limit: that of the spec, which `gymnasium.make(..., max_episode_steps=)` changes, or of the one inside."""
        limit = self._limit if self.spec is None else self.spec.max_episode_steps
        return limit if limit is not None and limit > 0 else None

    def _measured_kinds(self, own: ContextSpace) -> dict[str, Kinds]:
        """What each actuator coordinate changes: the dynamics, and the reward where it depends on what reaches the actuators.

        One coordinate at a time takes another value, along episodes of random actions.
        """
        rng, inner = np.random.default_rng(0), self.inner
        context = np.tile(inner.context_space.default, (_ROWS, 1))
        space = copy.deepcopy(inner.action_space)  # a class may share its space among environments
        space.seed(0)
        states, rewarded = np.stack([inner.start(rng, row) for row in context]), np.zeros(own.size, dtype=bool)
        for _ in range(_STEPS):
            actions = inner.admit_actions(np.stack([space.sample() for _ in range(_ROWS)]), _ROWS)
            noise = inner.draw_noise(rng, _ROWS)
            next_states = inner.simulate(states, actions, context, noise)[0]
            one, other = own.sample(rng, _ROWS), own.sample(rng, _ROWS)
            before = inner.rewards_of(states, self.mixing.mix(actions, one), next_states, context, noise)
            if before is None:
                break
            for k in np.flatnonzero(~rewarded):
                moved = one.copy()
                moved[:, k] = other[:, k]
                after = inner.rewards_of(states, self.mixing.mix(actions, moved), next_states, context, noise)
                rewarded[k] = after is not None and not np.allclose(before, after, rtol=_ROUNDING, atol=_ROUNDING)
            states = next_states
        return {name: ("dynamics", "reward") if rewarded[k] else ("dynamics",) for k, name in enumerate(own.names)}

    def _describe_derivatives(self, q: int) -> None:
        inner = self.inner
        self.delayed, self.has_derivatives = inner.delayed, inner.has_derivatives
        self.no_derivatives_because = "" if inner.has_derivatives else inner.without_derivatives
        self.derivative_source, self.derivative_tolerance = inner.derivative_source, inner.derivative_tolerance
        if inner.derivative_steps is not None:
            self.derivative_steps = np.concatenate([inner.derivative_steps, np.zeros(q)])

    def initial_state(self, rng: np.random.Generator, context: Any) -> Array:
        """The start inside."""
        return self.inner.start(rng, self._inside(np.asarray(context, dtype=np.float64)[None])[0])

    def simulate(
        self, states: Array, actions: Array, contexts: Array, noise: Array | None = None
    ) -> tuple[Array, Array, Array]:
        """One step of N rows inside, with the actions that reach the actuators."""
        return self.inner.simulate(states, self._mixed(actions, contexts), self._inside(contexts), noise)

    def observations(self, states: Array) -> Array:
        """The observations inside (N, o)."""
        return self.inner.observations(states)

    def latent_states(self, states: Array) -> Array:
        """The latent states inside."""
        return self.inner.latent_states(states)

    def states_from_observations(self, observations: Array) -> Array:
        """The states (N, s) that the environment inside reads off observations (N, o)."""
        return self.inner.states_from_observations(observations)

    def rewards_of(
        self, states: Array, actions: Array, next_states: Array, contexts: Array, noise: Array | None = None
    ) -> Array | None:
        """The rewards (N,) inside, where it can tell them, for the actions that reach the actuators."""
        return self.inner.rewards_of(states, self._mixed(actions, contexts), next_states, self._inside(contexts), noise)

    def derivatives(self, states: Array, actions: Array, contexts: Array, noise: Array | None = None) -> tuple[Array, Array]:
        """Those inside (N, o, p) and (N, p), and zeros along the q actuator coordinates."""
        dnext, dreward = self.inner.derivatives(states, self._mixed(actions, contexts), self._inside(contexts), noise)
        return self._with_zeros(dnext), self._with_zeros(dreward)

    def derivatives_with_error(
        self, states: Array, actions: Array, contexts: Array, noise: Array | None = None
    ) -> tuple[Array, Array, Array | None]:
        """`derivatives`, and the relative errors (N,) of those inside, or None where these are exact."""
        mixed, inside = self._mixed(actions, contexts), self._inside(contexts)
        dnext, dreward, error = self.inner.derivatives_with_error(states, mixed, inside, noise)
        return self._with_zeros(dnext), self._with_zeros(dreward), error

    def expand(
        self,
        states: Array,
        actions: Array,
        contexts: Array,
        dstates: Array | None,
        dactions: Array | None,
        dcontexts: Array | None,
        noise: Array | None = None,
    ) -> tuple[Array, Array]:
        """Directional derivatives inside; actions move as what reaches the actuators does, and nothing moves the latter.

        The arguments, results and errors are those of `ContextualEnv.expand`.
        """
        self._check_directions(dactions)
        mixed, own = self._mixed(actions, contexts), self._own(contexts)
        if dactions is not None:
            free = mixed == self.mixing.mix(actions, own, clip=False)  # what is clipped does not move
            dactions = free * self.mixing.mix(dactions, own, clip=False)
        moved = None if dcontexts is None else self._inside(dcontexts)
        return self.inner.expand(states, mixed, self._inside(contexts), dstates, dactions, moved, noise)

    def __getattr__(self, name: str) -> Any:
        """`states_from_physics`, where the environment inside has it: for datasets that hold qpos and qvel."""
        if name == "states_from_physics":
            return getattr(self.inner, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _inside(self, contexts: Array) -> Array:
        """The contexts inside (N, p)."""
        return np.ascontiguousarray(contexts[:, : self.inner.context_space.size])

    def _own(self, contexts: Array) -> Array:
        """The actuator coordinates (N, q)."""
        return contexts[:, self.inner.context_space.size :]

    def _mixed(self, actions: Array, contexts: Array) -> Array:
        """The actions that reach the actuators (N, a), or (N,) where Discrete."""
        return self.mixing.mix(actions, self._own(contexts))

    def _with_zeros(self, derivatives: Array) -> Array:
        """Derivatives (..., p) with zeros along the actuator coordinates: (..., p + q)."""
        q = self.context_space.size - self.inner.context_space.size
        return np.concatenate([derivatives, np.zeros((*derivatives.shape[:-1], q))], axis=-1)


def _declared(kinds: Any) -> list[str]:
    """The kinds that are declared, as a list; what they are the context space checks."""
    kind_list = [kinds] if isinstance(kinds, str) else kinds
    if not isinstance(kind_list, Sequence) or not kind_list or not all(isinstance(kind, str) for kind in kind_list):
        raise ContextError(f"kinds must be one or several of {', '.join(CONTEXT_KINDS)}; found {kinds!r}")
    return list(kind_list)


def _spec(spec: EnvSpec | None, limit: int | None, arguments: dict[str, Any]) -> EnvSpec | None:
    """How Gymnasium makes this environment again, by its id where it has one.

    None where no id and plain arguments make the environment inside.
    """
    if spec is None or not is_registered(spec, limit):
        return layered_spec(spec, limit, "ActuatorContexts", arguments)
    kwargs = {"env": spec.id, **arguments}
    for known in gymnasium.registry.values():
        if known.entry_point == _ENTRY_POINT and known.kwargs == kwargs and known.max_episode_steps == limit:
            return known
    name = spec.id.rpartition("/")[2]
    return EnvSpec(f"ActuatorContexts/{name}", entry_point=_ENTRY_POINT, max_episode_steps=limit, kwargs=kwargs)


def _arguments(
    actuators: ActuatorValues, training: Mapping[str, Sequence[float]] | None, kinds: Sequence[str] | None
) -> dict[str, Any]:
    """The arguments of this class as JSON."""
    values = actuators.items() if isinstance(actuators, Mapping) else ()
    listed = {name: None if each is None else np.asarray(each).tolist() for name, each in values}
    arguments: dict[str, Any] = {"actuators": listed or list(actuators)}
    if training is not None:
        arguments["training"] = {name: np.asarray(ends).tolist() for name, ends in training.items()}
    return arguments if kinds is None else arguments | {"kinds": list(kinds)}
