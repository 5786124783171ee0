"""What a batch tells of the context: four levels, from all to nothing."""

from typing import Any, Literal

from offctx.envs.policies import ContextMode
from offctx.errors import PolicyError

ContextLevel = Literal["append", "hidden", "anonymous", "withheld"]
LEVELS: tuple[ContextLevel, ...] = ("append", "hidden", "anonymous", "withheld")


def check_level(context: Any) -> ContextLevel:
    """The level; PolicyError for anything else."""
    if not isinstance(context, str) or context not in LEVELS:
        raise PolicyError(f'context must be "append", "hidden", "anonymous" or "withheld"; found {context!r}')
    return context


def agent_mode(level: ContextLevel) -> ContextMode:
    """What the agent sees: the context appended to its observations, or hidden."""
    return "append" if level == "append" else "hidden"
