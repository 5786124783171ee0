"""What an environment is, for calls that go on after an interruption: they do so only in the same environment."""

from typing import Any

from offctx.envs.base import ContextualEnv
from offctx.envs.resolve import ResolvedEnv
from offctx.workers.identity import Unidentified, identity, settings_identity

_NO_SETTINGS = ("_np_random", "_np_random_seed", "spec")  # of Gymnasium: set anew by reset, or by the name


def environment_key(resolved: ResolvedEnv) -> list[Any]:
    """The name, code, spaces, arguments and attributes of an environment, as far as they have content to compare.

    A simulator has none; the first steps of a call, which its name holds too, tell simulators apart.
    """
    env, arguments = resolved.env, {} if resolved.spec is None else resolved.spec.kwargs
    try:
        registered = identity({name: value for name, value in arguments.items() if name != "render_mode"})
    except Unidentified:
        registered = ""
    spaces = [repr(env.observation_space), repr(env.action_space), env.context_space.to_dict()]
    return [resolved.name, type(env).__qualname__, resolved.horizon, environment_settings(env), registered, *spaces]


def environment_settings(env: ContextualEnv) -> str:
    """A hash of the code and of the attributes of an environment, as far as they have content to compare."""
    return settings_identity(env, without=_NO_SETTINGS)
