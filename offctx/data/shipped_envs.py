"""Which environments may be made because a dataset names them: those that ship with offctx, and no others.

To make an environment runs the code that its registration names. A dataset is data of somebody else, so its metadata may only
choose among environments that are registered under "offctx/".
"""

import json

import gymnasium

from offctx.data.metadata import Metadata
from offctx.data.storage.stored import StoredDataset


def shipped_env_id(metadata: Metadata | None) -> str | None:
    """Returns the id of the environment that the metadata name; None where it does not ship with offctx."""
    return None if metadata is None else if_shipped(metadata.env)


def recorded_env_id(stored: StoredDataset) -> str | None:
    """Returns the id of the environment that was recorded; None where it does not ship with offctx.

    The offctx metadata name it; in a dataset without them, Minari's own environment spec does.
    """
    if stored.metadata is not None:
        return shipped_env_id(stored.metadata)
    try:
        return if_shipped(str(json.loads(stored.raw["env_spec"])["id"]))
    except (KeyError, ValueError, TypeError):
        return None


def if_shipped(env_id: str) -> str | None:
    """Returns the id where it is one of an environment that ships with offctx, else None."""
    return env_id if env_id.startswith("offctx/") and env_id in gymnasium.registry else None
