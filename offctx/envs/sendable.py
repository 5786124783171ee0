"""An environment on its way to worker processes, which make it there; and work in it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cloudpickle
import gymnasium

from offctx.checks import ErrorClass
from offctx.envs.policies import Policy, policy_name
from offctx.envs.resolve import EnvLike, ResolvedEnv, resolve
from offctx.errors import EnvError, PolicyError
from offctx.workers.packing import pack


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


@dataclass(frozen=True)
class SendableWork:
    """Work on chunks that is sent to worker processes. A worker makes the environment once, for all chunks that it does.

    Attributes:
        env: how the environment is made.
        begin: from the environment to the function that does a chunk; what it needs besides is bound to it by `partial`.
    """

    env: SendableEnv
    begin: Callable[[ResolvedEnv], Callable[[Any], Any]]

    @classmethod
    def of(
        cls,
        env: EnvLike,
        resolved: ResolvedEnv,
        policies: Iterable[Policy | None],
        begin: Callable[[ResolvedEnv], Callable[[Any], Any]],
    ) -> "SendableWork":
        """From the environment as the user gave it, and the policies that `begin` is bound to.

        Raises:
            EnvError: the environment cannot be pickled.
            PolicyError: a policy cannot be pickled; the message names it.
        """
        for policy in policies:
            pack(policy, f"policy {policy_name(policy)!r}", PolicyError)
        return cls(SendableEnv.of(env, resolved, EnvError), begin)

    def __call__(self, chunk: Any) -> Any:
        return self._work(chunk)

    @cached_property
    def _work(self) -> Callable[[Any], Any]:
        return self.begin(self.env.make())


def _pickles(value: Any) -> bool:
    try:
        cloudpickle.dumps(value)
    except Exception:  # whatever the objects inside raise
        return False
    return True
