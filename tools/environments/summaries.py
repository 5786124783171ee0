"""The table of `offctx.envs.summaries`: what is known of each registered environment without making it."""

import json

from offctx.envs.registry import ENVIRONMENTS
from offctx.envs.summaries import EnvSummary


def summaries() -> str:
    """Returns the table as JSON, one line an environment. All environments are made."""
    entries = {row.id: EnvSummary.of_made(row.id).to_dict() for row in ENVIRONMENTS}
    lines = [f"{json.dumps(env_id)}: {json.dumps(entry, allow_nan=False)}" for env_id, entry in entries.items()]
    return "{\n" + ",\n".join(lines) + "\n}"
