"""The three spaces that every environment family sets."""

from typing import Any

import gymnasium

from offctx.contexts.space import ContextSpace
from offctx.errors import EnvError

_EXAMPLES = {
    "context_space": 'offctx.ContextSpace(["mass"], low=0.5, high=2.0, default=1.0, units=["kg"])',
    "observation_space": "gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)",
    "action_space": "gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)",
}


def require_spaces(env: gymnasium.Env[Any, Any]) -> None:
    """That an environment has all its spaces.

    Args:
        env: without wrappers.

    Raises:
        EnvError: a space is missing, or the context space is no `ContextSpace`; the message shows how to set it.
    """
    for name, example in _EXAMPLES.items():
        if getattr(env, name, None) is None:
            raise EnvError(f"{type(env).__name__} sets no {name}: set it in the class, such as {name} = {example}")
    space: Any = env.context_space  # type: ignore[attr-defined]  # just looked up
    if not isinstance(space, ContextSpace):
        raise EnvError(
            f"{type(env).__name__}.context_space: expected a ContextSpace; found {space!r}. Its coordinates need names and a "
            f"default: context_space = {_EXAMPLES['context_space']}"
        )
