"""Registered environments in short, by a table: to make an environment imports torch or mujoco, which takes seconds.

`python tools/environments.py --summaries > offctx/envs/summaries.json` writes the table; a test compares it with the registry.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gymnasium.spaces import Discrete

from offctx.contexts.space import ContextSpace
from offctx.envs.resolve import resolve

_TABLE = Path(__file__).with_name("summaries.json")


@dataclass(frozen=True)
class EnvSummary:
    """An environment in short.

    Attributes:
        space: of its contexts; in the table it has no splits.
        actions: "continuous" or "discrete".
        horizon: steps after which an episode is truncated.
    """

    space: ContextSpace
    actions: str
    horizon: int

    @classmethod
    def of(cls, env_id: str) -> "EnvSummary":
        """Returns the summary of an environment, by the table where it is there; else the environment is made.

        Args:
            env_id: of Gymnasium.

        Raises:
            EnvError: the environment is not in the table, and cannot be made.
        """
        entry = _table().get(env_id)
        if entry is None:
            return cls.of_made(env_id)
        return cls(ContextSpace.from_dict(entry["context_space"]), entry["actions"], entry["horizon"])

    @classmethod
    def of_made(cls, env_id: str) -> "EnvSummary":
        """Returns the summary of an environment, which is made. Raises EnvError where it cannot be made."""
        resolved = resolve(env_id)
        actions = "discrete" if isinstance(resolved.env.action_space, Discrete) else "continuous"
        return cls(resolved.env.context_space, actions, resolved.horizon)

    def to_dict(self) -> dict[str, Any]:
        """Returns the entry of the table, plain JSON data. Splits are left out: computed ones differ in last bits elsewhere."""
        space = self.space.to_dict() | {"splits": {}}
        return {"actions": self.actions, "horizon": self.horizon, "context_space": space}


@functools.cache
def _table() -> dict[str, Any]:
    """The entries, by Gymnasium ids."""
    return dict(json.loads(_TABLE.read_text(encoding="utf-8")))
