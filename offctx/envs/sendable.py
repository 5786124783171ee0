"""An environment on its way to worker processes, which make it there."""

from dataclasses import dataclass
from typing import Any

import cloudpickle
import gymnasium

from offctx.checks import ErrorClass
from offctx.envs.resolve import EnvLike, ResolvedEnv, resolve
from offctx.workers.engine import pack


@dataclass(frozen=True)
class SendableEnv:
    """How a worker makes an environment.

    Attributes:
        source: Gymnasium's description, a factory, or the environment itself with its time limit.
    """

    source: Any

    @classmethod
    def of(cls, env: EnvLike, resolved: ResolvedEnv, error: ErrorClass) -> "SendableEnv":
        """From what the user gave.

        An environment that was given as an object goes as it is, with what the user has set in it; one that cannot be pickled
        is made again where Gymnasium makes the same.

        Raises:
            OffctxError: of the class `error`: it cannot be pickled.
        """
        if isinstance(env, str):
            return cls(resolved.spec or env)  # which workers need not have registered
        if not isinstance(env, gymnasium.Env):
            pack(env, f"the factory of {resolved.name}", error)
            return cls(env)
        if resolved.registered and not _pickles(resolved):
            return cls(resolved.spec)
        pack(resolved, f"the environment {resolved.name}", error)
        return cls(resolved)

    def make(self) -> ResolvedEnv:
        """The environment and its time limit."""
        if isinstance(self.source, ResolvedEnv):
            return self.source
        if isinstance(self.source, gymnasium.envs.registration.EnvSpec):
            return resolve(gymnasium.make(self.source))
        return resolve(self.source)


def _pickles(value: Any) -> bool:
    try:
        cloudpickle.dumps(value)
    except Exception:  # whatever the objects inside raise
        return False
    return True
