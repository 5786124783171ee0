"""Where the simulator's states of a dataset come from: recorded whole, as MuJoCo's physics, or from the observations.

Dimensions: N transitions, n of them, R = N + E rows, s state.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from offctx.data.derivatives.inputs import States
from offctx.data.layout import STATE
from offctx.data.storage.read_episodes import read_infos
from offctx.data.storage.scratch import in_memory, on_disk
from offctx.data.storage.stored import StoredTransitions
from offctx.envs.base import Array, ContextualEnv
from offctx.errors import DatasetError, EnvError

_QPOS, _QVEL = "qpos", "qvel"


@dataclass(frozen=True)
class StateSource:
    """Where the simulator's states come from.

    Attributes:
        name: for messages.
        states: from transitions, as a slice or as numbers (n,), to simulator states (n, s).
        exact: whether the states were recorded whole.
        arrays: from which the states are made (N, ...).
        digest: of arrays that the dataset's checksum does not cover, else "".
    """

    name: str
    states: States
    exact: bool
    arrays: tuple[Array, ...]
    digest: str = ""


def find_state_source(stored: StoredTransitions, env: ContextualEnv) -> StateSource:
    """Returns the best source of states: infos/state, else infos/qpos and infos/qvel, else the observations.

    Raises:
        DatasetError: the states have the wrong shape, or are not finite.
        EnvError: the dataset has no source; the message says what is missing.
    """
    recorded = stored.transitions.info(STATE)
    if recorded is not None:
        return _recorded_states(stored, recorded, env)
    states_from_physics = getattr(env, "states_from_physics", None)
    if states_from_physics is not None:
        source = _recorded_physics(stored, states_from_physics)
        if source is not None:
            return source
    try:
        for block in stored.transitions.blocks():
            env.states_from_observations(block.array("observations"))  # all of them: only some may determine their state
    except EnvError as error:
        missing = "infos/state" if states_from_physics is None else "infos/state, nor both infos/qpos and infos/qvel"
        raise EnvError(f"{stored.dataset_id} has no {missing}, and {error}") from error
    rows = stored.transitions.by_step["observations"]
    return StateSource("observations", lambda index: env.states_from_observations(np.array(rows[index])), False, (rows,))


def _recorded_states(stored: StoredTransitions, states: Array, env: ContextualEnv) -> StateSource:
    expected = env.start(np.random.default_rng(0), env.context_space.default).shape
    if states.shape[1:] != expected or states.dtype.kind not in "fiu":
        raise DatasetError(
            f"{stored.dataset_id}: infos/state has rows of shape {states.shape[1:]} ({states.dtype}); the states of "
            f"{type(env).__name__} have {expected}"
        )
    return StateSource("infos/state", states.__getitem__, True, (states,))


def _recorded_physics(stored: StoredTransitions, states_from_physics: Callable[[Array, Array], Array]) -> StateSource | None:
    """Positions and velocities of MuJoCo, as Minari's own datasets record them; None where one of them is missing."""
    arrays: dict[str, Array] = {}
    allocate, digest, begin = on_disk if stored.mapped else in_memory, hashlib.sha256(), 0
    for lengths, infos in read_infos(stored, (_QPOS, _QVEL)):
        if len(infos) < 2:
            return None
        end, last_rows = begin + int(lengths.sum()), np.cumsum(lengths + 1) - 1
        for name, rows in infos.items():
            numbers = rows.astype(np.float64)
            if not np.isfinite(numbers).all():
                raise DatasetError(f"{stored.dataset_id}: infos/qpos or infos/qvel holds a number that is not finite")
            digest.update(numbers.tobytes())
            if name not in arrays:
                arrays[name] = allocate((int(stored.transitions.lengths.sum()), *numbers.shape[1:]), np.float64)
            arrays[name][begin:end] = np.delete(numbers, last_rows, axis=0)
        begin = end
    qpos, qvel = arrays[_QPOS], arrays[_QVEL]
    return StateSource(
        "infos/qpos and infos/qvel",
        lambda index: states_from_physics(np.array(qpos[index]), np.array(qvel[index])),
        exact=False,
        arrays=(qpos, qvel),
        digest=digest.hexdigest(),
    )
