"""Policies without memory: "random", "zero", an object with `predict`, a callable, or a mixture. Each becomes a checked actor.

Dimensions: N rows, o observation, a action, p context.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from gymnasium import spaces

from offctx.contexts.space import Contexts
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.policies_with_memory import has_memory, refuse_half_a_memory
from offctx.errors import EnvError, PolicyError

ContextMode = Literal["append", "hidden"]
# "random" or "zero"; an object with predict(observations); a callable (observations, contexts, rng) -> actions; one with memory
Policy = Any
Actor = Callable[[Array, Contexts, np.random.Generator], Array]

# What a policy may raise on inputs of a size that it was not made for.
MISFITS = (RuntimeError, ValueError, TypeError, AssertionError, IndexError, AttributeError)


@dataclass(frozen=True)
class Mixture:
    """Each episode is played by one of several policies, drawn with the given weights.

    Args:
        policies: the policies, at least one.
        weights: one number >= 0 for each policy, not all 0; equal where not given.

    Raises:
        PolicyError: no policy, or weights that are no such numbers.

    Example::

        Mixture([trained, "random"], weights=[0.7, 0.3])
    """

    policies: Sequence[Policy]
    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if len(self.policies) == 0:
            raise PolicyError("a mixture needs at least one policy")
        weights = self._weights()
        with np.errstate(over="ignore"):
            total = weights.sum()
        if weights.shape != (len(self.policies),) or not np.isfinite(weights).all():
            raise PolicyError(f"expected {len(self.policies)} finite weights, one per policy; found {self.weights}")
        if (weights < 0).any() or total <= 0:
            raise PolicyError(f"mixture weights must be >= 0 and not all 0; found {self.weights}")
        if not np.isfinite(total):
            raise PolicyError(f"mixture weights must have a finite sum; found {self.weights}")

    @property
    def probabilities(self) -> Array:
        """The weights, normalised to sum 1."""
        return np.asarray(self._weights() / self._weights().sum())

    def _weights(self) -> Array:
        return np.asarray(self.weights if self.weights is not None else np.ones(len(self.policies)), dtype=float)


def policy_name(policy: Policy) -> str:
    """A short name of a policy, for cards and reports."""
    if isinstance(policy, str):
        return policy
    return str(getattr(policy, "__name__", None) or type(policy).__name__)


def check_mode(context: Any) -> ContextMode:
    """The context mode, "append" or "hidden"; PolicyError for anything else."""
    if not isinstance(context, str) or context not in ("append", "hidden"):
        raise PolicyError(f'context must be "append" or "hidden"; found {context!r}')
    return "append" if context == "append" else "hidden"


def make_actor(policy: Policy, env: ContextualEnv, context: ContextMode) -> Actor:
    """One checked function (observations (N, o), contexts (N, p), rng) -> actions from any kind of policy.

    Args:
        policy: "random", uniform actions; "zero", zeros within the bounds; an object with predict(observations); or a callable
            (observations, contexts, rng) -> actions.
        env: the environment in which it acts.
        context: whether `predict` gets observations with the context appended (N, o + p) or hidden (N, o).

    Returns:
        The function; its actions are (N, a) within the bounds of a Box, or int64 (N,) where Discrete.

    Raises:
        PolicyError: it is no policy, or its input size does not fit the environment.
    """
    check_mode(context)
    if isinstance(policy, Mixture):
        raise PolicyError("a Mixture is a behaviour to collect with; evaluate its members one by one")
    if isinstance(policy, type):
        raise PolicyError(
            f"expected a policy; found the class {policy.__name__}. Make a policy of it first, such as {policy.__name__}(...)"
        )
    if has_memory(policy):
        raise PolicyError(f"policy {policy_name(policy)!r} has a memory, and this needs a policy without one")
    if isinstance(policy, str):
        if policy not in _BY_NAME:
            raise PolicyError(f'the policies known by name are "random" and "zero"; found {policy!r}')
        choose = _BY_NAME[policy](env)
    elif callable(getattr(policy, "predict", None)):
        _refuse_transformers(policy)
        choose = _predictor(policy, env, context)
    elif callable(policy):
        choose = _function(policy)
    else:
        refuse_half_a_memory(policy)
        raise PolicyError(
            f'expected "random", "zero", an object with predict(observations) or a callable (observations, contexts, rng) -> '
            f"actions; found {type(policy).__name__}"
        )

    def act(observations: Array, contexts: Contexts, rng: np.random.Generator) -> Array:
        try:
            return env.admit_actions(choose(observations, contexts, rng), len(observations))
        except PolicyError as error:
            raise PolicyError(f"policy {policy_name(policy)!r}: {error}") from error

    return act


def _refuse_transformers(policy: Policy) -> None:
    """PolicyError for d3rlpy's sequence models, whose `predict` needs the past; it says what gives it to them."""
    for owner in (policy, getattr(policy, "algo", None)):  # the transformer, or d3rlpy's stateful wrapper of it
        if callable(getattr(owner, "as_stateful_wrapper", None)):
            raise PolicyError(
                f"policy {policy_name(policy)!r} acts on past steps and a target return: give "
                f"offctx.TransformerPolicy({'agent' if owner is policy else 'wrapper.algo'}, target_return=...) instead"
            )


def _function(policy: Policy) -> Actor:
    """A callable, which must take observations, contexts and a generator."""
    name = policy_name(policy)
    try:
        function: Any = getattr(policy, "forward", policy)
        signature = inspect.signature(function)  # a torch module's own arguments are its forward's
    except (TypeError, ValueError):  # of a built-in function
        return policy  # type: ignore[no-any-return]
    try:
        signature.bind("observations", "contexts", "rng")
    except TypeError as error:
        raise PolicyError(
            f"policy {name!r} takes the arguments {signature}; a callable policy must take three, observations (N, o), "
            f"contexts (N, p) and a random generator, and return N actions: lambda observations, contexts, rng: ..."
        ) from error
    return policy  # type: ignore[no-any-return]


def _random(env: ContextualEnv) -> Actor:
    """Uniform actions."""
    space = env.action_space
    if isinstance(space, spaces.Discrete):
        return lambda observations, _, rng: rng.integers(space.start, space.start + space.n, len(observations))
    assert isinstance(space, spaces.Box)
    if not (np.isfinite(space.low).all() and np.isfinite(space.high).all()):
        raise EnvError(f'the "random" policy needs a bounded action space; found {space}')
    return lambda observations, _, rng: rng.uniform(space.low, space.high, (len(observations), *space.shape))


def _zero(env: ContextualEnv) -> Actor:
    """Zeros, clipped to the bounds."""
    space = env.action_space
    if isinstance(space, spaces.Discrete):
        raise PolicyError(
            f'the "zero" policy needs a Box of actions; {space} has no zero action. Each of its actions is a number without '
            f"magnitude; a constant one is the callable lambda observations, contexts, rng: np.full(len(observations), action)"
        )
    assert isinstance(space, spaces.Box)
    action = np.clip(0.0, space.low, space.high)
    return lambda observations, _, rng: np.tile(action, (len(observations), *[1] * action.ndim))


_BY_NAME: dict[str, Callable[[ContextualEnv], Actor]] = {"random": _random, "zero": _zero}


@dataclass(frozen=True)
class PolicyInputs:
    """Makes the inputs of a policy.

    Attributes:
        size: numbers of one input: o, or o + p where the context is appended.
        context: the mode.
        hint: what an error about the size says of the context.
    """

    size: int
    context: ContextMode
    hint: str

    @classmethod
    def of(cls, policy: Any, name: str, env: ContextualEnv, context: ContextMode) -> "PolicyInputs":
        """Those of a policy in an environment.

        Args:
            policy: its attribute `observation_shape`, if it has one, is the shape of the inputs that it was made for.
            name: of the policy.
            env: the environment.
            context: the mode.

        Raises:
            PolicyError: the policy takes inputs of another shape, or has no networks yet.
        """
        assert env.observation_space.shape is not None
        o, p = env.observation_space.shape[0], env.context_space.size
        size = o + p if context == "append" else o
        inputs = f"{o} observations + {p} context coordinates appended" if context == "append" else f"{o} observations, hidden"
        hint = f'the context is {inputs} (context="{context}"); was it trained with the other mode, or in another environment?'
        expected = getattr(policy, "observation_shape", (size,))
        if expected is None:
            raise PolicyError(f"policy {name!r} has no networks yet: fit or load it first")
        if tuple(expected) != (size,):
            raise PolicyError(f"policy takes inputs of shape {tuple(expected)}, but would get ({size},): {hint}")
        return cls(size, context, hint)

    def make(self, observations: Array, contexts: Contexts) -> Array:
        """The inputs, float32 (N, size)."""
        inputs = [observations, contexts] if self.context == "append" else [observations]
        return np.concatenate(inputs, axis=1).astype(np.float32)


def _predictor(policy: Policy, env: ContextualEnv, context: ContextMode) -> Actor:
    """The actions of `policy.predict`; errors about the input size say what the input is."""
    inputs = PolicyInputs.of(policy, policy_name(policy), env, context)

    def choose(observations: Array, contexts: Contexts, rng: np.random.Generator) -> Array:
        try:
            actions = policy.predict(inputs.make(observations, contexts))
        except MISFITS as error:
            raise PolicyError(f"predict failed on inputs of shape (N, {inputs.size}): {error}; {inputs.hint}") from error
        if not isinstance(actions, tuple):
            return actions  # type: ignore[no-any-return]
        if len(actions) > 1 and actions[1] is not None:  # stable-baselines3 gives (actions, state)
            raise PolicyError(
                "predict returned a state, so it has a memory, which would be lost: give "
                f"offctx.envs.RecurrentPredictor(policy) instead of the {type(policy).__name__}"
            )
        return actions[0]  # type: ignore[no-any-return]

    return choose
