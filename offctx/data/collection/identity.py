"""A name for what a collection is asked for: an interrupted one goes on only where the same is asked again."""

import hashlib
import secrets
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from offctx.data.collection.parts import Part
from offctx.data.collection.task import Task
from offctx.data.metadata import installed_packages, to_json
from offctx.envs.identity import environment_key
from offctx.workers.identity import Unidentified, identity_and_source

_EPISODES, _STEPS = 4, 8  # that are played for the name


class Key(NamedTuple):
    """The name of what is asked.

    Attributes:
        name: a valid file name.
        lasting: whether the same call has the same name in another process.
    """

    name: str
    lasting: bool


def task_key(task: Task) -> Key:
    """The name of a task: of its settings, contexts, policies, code and versions, and of what some of its first steps give.

    Where a policy holds something that cannot be compared, such as a compiled module, the name is new at every call.

    Raises:
        OffctxError: the policy or the environment fails in the first steps.
    """
    first = _first_steps(task)
    try:
        policies = [identity_and_source(policy) for policy in task.mixture.policies]
    except Unidentified:
        return Key(f"once-{secrets.token_hex(8)}", lasting=False)
    env = task.resolved.env
    described = {
        "env": environment_key(task.resolved),
        "derivatives": [task.gradients, env.derivative_source, np.asarray(env.derivative_steps).tolist()],
        "policies": [policies, task.mixture.probabilities.tolist(), task.context],
        "parts": [part.first for part in task.parts],
        "seed": task.seed,
        "packages": installed_packages(),
        "first steps": first,
    }
    digest = hashlib.sha256(to_json(described).encode())
    for part in task.parts:
        digest.update(np.ascontiguousarray(part.contexts).tobytes())
    return Key(digest.hexdigest()[:32], lasting=True)


def _first_steps(task: Task) -> str:
    """The checksum of a few steps of a few episodes, which tells environments and policies apart by what they do."""
    chosen = [part.number for part in task.parts[:: max(len(task.parts) // _EPISODES, 1)]][:_EPISODES]
    rows = [(task.parts[k].contexts[:1], task.parts[k].seeds[:1], task.parts[k].assignment[:1]) for k in chosen]
    contexts, seeds, assignment = (np.concatenate(column) for column in zip(*rows, strict=True))
    short = replace(task.resolved, horizon=min(_STEPS, task.resolved.horizon))
    return replace(task, resolved=short).do(Part(0, 0, contexts, seeds, assignment)).checksum()
