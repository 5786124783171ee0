"""Properties 1, 2 and 3: the spaces are of known kinds, Gymnasium's checker passes, reset puts a context in force."""

import warnings
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env

from offctx.contexts.space import Contexts
from offctx.envs.base import ContextualEnv
from offctx.envs.required_spaces import require_spaces
from offctx.envs.testing.case import STEPS, Case
from offctx.errors import OffctxError


def check_spaces(case: Case) -> None:
    """Observations are a 1-D Box of floats, actions a 1-D Box of floats or Discrete."""
    env = case.env
    require_spaces(env)
    observation_space, action_space = env.observation_space, env.action_space
    assert _is_float_vector(observation_space), (
        f"expected a 1-D Box of a float type as observation_space; found {observation_space}"
    )
    assert isinstance(action_space, spaces.Discrete) or _is_float_vector(action_space), (
        f"expected a 1-D Box of a float type, or Discrete, as action_space; found {action_space}"
    )


def check_gymnasium(case: Case) -> None:
    """Gymnasium's own checker passes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check_env(case.env, skip_render_check=True)
        except OffctxError:
            raise  # it names the cause; `check_contextual_env` makes it an AssertionError
        except (AssertionError, gymnasium.error.Error, AttributeError, TypeError, ValueError) as error:
            raise AssertionError(f"{case.name}: expected Gymnasium's check_env to pass; it says: {error}") from error


def check_contexts_in_force(case: Case) -> None:
    """The context given to reset is in force and in every info; without one, the default context is."""
    env, space = case.env, case.env.context_space
    by_name = dict(zip(space.names, case.contexts[0].tolist(), strict=True))
    requests: list[tuple[Any, Contexts]] = [(context, context) for context in case.contexts[:4]]
    requests += [(by_name, case.contexts[0]), ({}, space.default), (None, space.default)]
    for request, context in requests:
        _, info = env.reset(seed=case.seed, options=None if request is None else {"context": request})
        where = f"reset(options={{'context': {request}}})" if request is not None else "reset()"
        assert_context_in_force(env, info, context, where)
        keys = set(info)
        for _ in range(STEPS):
            _, _, terminated, _, info = env.step(case.steps[0].actions[0])
            assert set(info) == keys, f"expected the info keys of reset in every step, {sorted(keys)}; found {sorted(info)}"
            assert_context_in_force(env, info, context, "step")
            if terminated:
                break


def assert_context_in_force(env: ContextualEnv, info: dict[str, Any], context: Contexts, where: str) -> None:
    """That the environment and an info hold this context (p,)."""
    for name, value in (("env.context", env.context), ('info["context"]', info.get("context"))):
        same = value is not None and np.array_equal(value, context)
        assert same, f"{where}: expected {name} to be {context}; found {value}"


def _is_float_vector(space: Any) -> bool:
    return isinstance(space, spaces.Box) and len(space.shape) == 1 and np.dtype(space.dtype).kind == "f"
