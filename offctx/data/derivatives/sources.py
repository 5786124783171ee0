"""Where the simulator's states of a dataset come from: recorded whole, as MuJoCo's physics, or from the observations.

Dimensions: R rows, n of them, s state.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from offctx.data.derivatives.inputs import States
from offctx.data.layout import STATE
from offctx.data.storage.read import read_infos
from offctx.data.storage.stored import StoredDataset
from offctx.envs.base import Array, ContextualEnv
from offctx.errors import DatasetError, EnvError

_QPOS, _QVEL = "qpos", "qvel"


@dataclass(frozen=True)
class StateSource:
    """Where the simulator's states come from.

    Attributes:
        name: for messages.
        states: from rows (n,) of R to simulator states (n, s).
        exact: whether the states were recorded whole.
        digest: of arrays that the dataset's checksum does not cover, else "".
    """

    name: str
    states: States
    exact: bool
    digest: str = ""


def find_state_source(stored: StoredDataset, env: ContextualEnv) -> StateSource:
    """Returns the best source of states: infos/state, else infos/qpos and infos/qvel, else the observations.

    Raises:
        DatasetError: the states have the wrong shape, or are not finite.
        EnvError: the dataset has no source; the message says what is missing.
    """
    if STATE in stored.episodes.infos:
        return _recorded_states(stored, env)
    states_from_physics = getattr(env, "states_from_physics", None)
    if states_from_physics is not None:
        source = _recorded_physics(stored, states_from_physics)
        if source is not None:
            return source
    observations = stored.episodes.observations
    try:
        env.states_from_observations(observations)  # all of them: only some may determine their state
    except EnvError as error:
        missing = "infos/state" if states_from_physics is None else "infos/state, nor both infos/qpos and infos/qvel"
        raise EnvError(f"{stored.dataset_id} has no {missing}, and {error}") from error
    return StateSource("observations", lambda rows: env.states_from_observations(observations[rows]), exact=False)


def _recorded_states(stored: StoredDataset, env: ContextualEnv) -> StateSource:
    states = stored.episodes.infos[STATE]
    expected = env.start(np.random.default_rng(0), env.context_space.default).shape
    if states.shape[1:] != expected or states.dtype.kind not in "fiu":
        raise DatasetError(
            f"{stored.dataset_id}: infos/state has rows of shape {states.shape[1:]} ({states.dtype}); the states of "
            f"{type(env).__name__} have {expected}"
        )
    return StateSource("infos/state", states.__getitem__, exact=True)


def _recorded_physics(stored: StoredDataset, states_from_physics: Callable[[Array, Array], Array]) -> StateSource | None:
    """Positions and velocities of MuJoCo, as Minari's own datasets record them; None where one of them is missing."""
    infos = read_infos(stored, (_QPOS, _QVEL))
    if len(infos) < 2:
        return None
    qpos, qvel = (infos[key].astype(np.float64) for key in (_QPOS, _QVEL))
    if not (np.isfinite(qpos).all() and np.isfinite(qvel).all()):
        raise DatasetError(f"{stored.dataset_id}: infos/qpos or infos/qvel holds a number that is not finite")
    digest = hashlib.sha256(qpos.tobytes() + qvel.tobytes()).hexdigest()
    return StateSource(
        "infos/qpos and infos/qvel", lambda rows: states_from_physics(qpos[rows], qvel[rows]), exact=False, digest=digest
    )
