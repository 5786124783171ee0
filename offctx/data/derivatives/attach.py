"""Context derivatives of a dataset's transitions: computed while collecting, or attached to a dataset that has none.

Dimensions: N transitions, R = N + E rows, E episodes, n transitions of one batch, s state, o observation, p context.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from offctx.checks import whole_number
from offctx.contexts.space import Contexts
from offctx.data.dataset import ContextualDataset
from offctx.data.layout import CONTEXT, DERROR, DNEXT, DREWARD, NOISE, STATE, Episodes, check_episodes
from offctx.data.load import carried_contexts, from_stored, given_contexts, own_env_id
from offctx.data.metadata import LAYOUT_VERSION, METADATA_KEY, Behaviour, Derivatives, Metadata, installed_packages, to_json
from offctx.data.storage.storage import (
    Stored,
    claim_id,
    copy_with_infos,
    publish_dataset,
    read_built,
    read_dataset,
    read_infos,
    replace_dataset,
    work_folder,
)
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.differentiable import DifferentiableEnv
from offctx.envs.resolve import EnvLike, ResolvedEnv, resolve
from offctx.errors import DatasetError, DerivativeError, EnvError
from offctx.files import replaced_on_success

_ROWS = 16384  # transitions per progress step where no batch size is asked for
_ATTACHED_ROWS = 4096  # fewer, as each batch is kept against interruption
_REPLAYED = 1024  # transitions that are simulated again before the long work
_QUANTILE = 0.99  # of the errors that are not flagged, for the metadata
_QPOS, _QVEL = "qpos", "qvel"
States = Callable[[Array], Array]  # from rows (n,) of R to simulator states (n, s)


@dataclass(frozen=True)
class Transitions:
    """What is differentiated.

    Attributes:
        rows: of each transition among R (N,); its derivatives stand in the next row.
        states: simulator states (n, s) of rows (n,).
        actions: (N, a), or integers (N,).
        contexts: (N, p).
        noise: (N, z), or None.
        size: R.
        dtype: of what is stored, that of the observations.
    """

    rows: Array
    states: States
    actions: Array
    contexts: Contexts
    noise: Array | None
    size: int
    dtype: Any

    @classmethod
    def of(cls, episodes: Episodes, states: States, contexts: Contexts) -> "Transitions":
        """Those of episodes, in contexts (N, p)."""
        first, infos = episodes.first_rows, episodes.infos
        noise = infos[NOISE][first + 1] if NOISE in infos else None
        observations = episodes.observations
        return cls(first, states, episodes.actions, contexts, noise, len(observations), observations.dtype)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, part: Any) -> tuple[Array, Array, Contexts, Array | None]:
        """What `simulate` and `derivatives` take."""
        noise = None if self.noise is None else self.noise[part]
        return self.states(self.rows[part]), self.actions[part], self.contexts[part], noise


def derivative_infos(
    env: ContextualEnv,
    transitions: Transitions,
    batch_size: int | None = None,
    *,
    progress: bool,
    kept: "Kept | None" = None,
) -> dict[str, Array]:
    """The context derivatives of every transition, and their errors where there are some, as infos.

    Args:
        env: the family.
        transitions: N of them.
        batch_size: transitions differentiated at once.
        progress: show a progress bar.
        kept: where batches are kept as they come, and found again.

    Returns:
        arrays with R rows: row t + 1 belongs to transition t, row 0 of an episode is zero.
    """
    (o,), p, n = env.observation_space.shape or (), env.context_space.size, len(transitions)
    infos = {
        DNEXT: np.zeros((transitions.size, o, p), dtype=transitions.dtype),
        DREWARD: np.zeros((transitions.size, p), dtype=transitions.dtype),
    }
    begin = 0
    with tqdm(total=n, desc="derivatives", unit="transition", disable=not progress) as bar:
        while begin < n:
            found = kept.load(begin) if kept else None
            if found is None:
                part = slice(begin, begin + (batch_size or _ROWS))
                found = _packed(env.derivatives_with_error(*transitions.batch(part)), transitions.dtype)
                if kept:
                    kept.save(begin, found)
            at = transitions.rows[begin : begin + len(found)] + 1
            infos[DNEXT][at] = found[:, : o * p].reshape(-1, o, p)
            infos[DREWARD][at] = found[:, o * p : (o + 1) * p]
            if found.shape[1] > (o + 1) * p:
                infos.setdefault(DERROR, np.zeros(transitions.size, dtype=transitions.dtype))[at] = found[:, -1]
            begin += len(found)
            bar.update(len(found))
        if DERROR in infos:
            bar.set_postfix_str(_summary(_judge(env, infos[DERROR][transitions.rows + 1])))
    return infos


def _packed(values: tuple[Array, Array, Array | None], dtype: Any) -> Array:
    """Derivatives of observation and reward and, where there is one, the error, side by side (n, ...)."""
    dnext, dreward, error = values
    columns = [dnext.reshape(len(dnext), -1), dreward, *([] if error is None else [error[:, None]])]
    return np.concatenate(columns, axis=1).astype(dtype)


def describe(env: ContextualEnv, episodes: Episodes) -> Derivatives:
    """What the metadata say of the derivatives among the infos."""
    errors = episodes.infos[DERROR][episodes.first_rows + 1] if DERROR in episodes.infos else None
    return _judge(env, errors)


def _judge(env: ContextualEnv, errors: Array | None) -> Derivatives:
    steps = None if env.derivative_steps is None else np.asarray(env.derivative_steps, dtype=np.float64).tolist()
    if errors is None:
        return Derivatives(source=env.derivative_source, steps=steps)
    tolerance = env.derivative_tolerance
    flagged = np.zeros(len(errors), dtype=bool) if tolerance is None else errors > tolerance
    good = errors[~flagged]
    return Derivatives(
        source=env.derivative_source,
        error=float(np.quantile(good, _QUANTILE)) if len(good) else None,
        steps=steps,
        tolerance=tolerance,
        flagged=None if tolerance is None else int(flagged.sum()),
    )


def _summary(found: Derivatives) -> str:
    error = "none" if found.error is None else f"{found.error:.1e}"
    return f"flagged {found.flagged}, error of the others {error} ({_QUANTILE:.0%} quantile)"


def attach_derivatives(
    dataset_id: str,
    env: EnvLike | None = None,
    *,
    new_id: str | None = None,
    contexts: ArrayLike | None = None,
    batch_size: int | None = None,
    progress: bool = True,
    resume: bool = True,
    overwrite: bool = False,
    check: bool = True,
) -> ContextualDataset:
    """Add context derivatives to a dataset that exists: one of ours, or anyone's Minari dataset in HDF5.

    All else in it stays as it is. Whatever goes wrong, the dataset is either what it was or has its derivatives.

    The simulator's state comes from infos/state, else from infos/qpos and infos/qvel, else from the observations where
    these determine it. Before the long work a sample of the transitions is simulated again and compared with the recorded
    next observations and rewards. Batches are kept in a hidden folder beside the datasets as they come: after an
    interruption the same call goes on where it was.

    Args:
        dataset_id: Minari id below MINARI_DATASETS_PATH.
        env: the environment that was recorded: a Gymnasium id, a factory or an environment, such as
            ``MujocoPhysics("HalfCheetah-v5", ["gravity", "mass"])``. Not needed where the dataset names one of offctx.
        new_id: write a new dataset of this id; in place where not given.
        contexts: (p,) or (E, p), for a dataset that carries none; the environment's default where not given.
        batch_size: transitions differentiated at once, and lost by an interruption.
        progress: show progress bars.
        resume: go on where an earlier call was interrupted; False begins anew.
        overwrite: replace derivatives that are there.
        check: refuse a dataset that the environment does not reproduce.

    Returns:
        The dataset, as `load_dataset` would.

    Raises:
        DatasetError: missing, damaged, not in HDF5, has derivatives already, or of another environment or context.
        ContextError: the contexts given do not fit the environment.
        EnvError: the simulator's state is neither recorded nor determined by the observations.
        DerivativeError: the environment has no derivatives, or one is not finite.
    """
    rows = whole_number(_ATTACHED_ROWS if batch_size is None else batch_size, "batch_size", 1, DatasetError)
    if new_id is not None:
        claim_id(new_id)
    stored = read_dataset(dataset_id, formats=("hdf5",))
    _refuse(stored, overwrite)
    task = _task(stored, env)
    per_episode = _contexts(stored, contexts, task)
    source = _state_source(stored, task.env)
    transitions = _transitions(stored, source, per_episode, task)
    if check:
        _check_replay(stored, transitions, source, task)
    work = work_folder(dataset_id)
    if not resume:
        _remove(work)
    kept = Kept(work / _fingerprint(stored, transitions, source, task.env), transitions, task.env)
    aside, built = kept.folder / "dataset", None
    try:
        infos = derivative_infos(task.env, transitions, rows, progress=progress, kept=kept)
        if CONTEXT not in stored.episodes.infos:
            infos[CONTEXT] = np.repeat(per_episode, stored.episodes.lengths + 1, axis=0)
        built = _build(stored, new_id or dataset_id, infos, task, aside, progress)
        if new_id is None:
            replace_dataset(dataset_id, aside)
        else:
            publish_dataset(new_id, aside)
    except KeyboardInterrupt:
        if built is not None and not aside.exists():
            raise  # it is under its id already
        raise KeyboardInterrupt(
            f"{dataset_id} is as it was; the derivatives of {kept.done} of its {len(transitions)} transitions are kept, and "
            f"the same call goes on from there"
        ) from None
    finally:
        _remove(aside)
    _remove(work)
    return from_stored(built)


def _refuse(stored: Stored, overwrite: bool) -> None:
    if (DNEXT in stored.episodes.infos or DREWARD in stored.episodes.infos) and not overwrite:
        raise DatasetError(f"{stored.dataset_id} has derivatives already: overwrite=True replaces them")


def _task(stored: Stored, env: EnvLike | None) -> ResolvedEnv:
    """The family whose member was recorded; one without a time limit has that of the longest episode."""
    name = stored.dataset_id
    wanted = own_env_id(stored) if env is None else env
    if wanted is None:
        raise DatasetError(
            f"{name} does not name an environment of offctx that made it: pass env, a Gymnasium id or an environment such as "
            f'offctx.envs.MujocoPhysics("HalfCheetah-v5", ["gravity", "mass"])'
        )
    made = wanted if isinstance(wanted, str | gymnasium.Env) or not callable(wanted) else wanted()
    if isinstance(made, ContextualEnv) and made.spec is None:
        task = ResolvedEnv(made, int(stored.episodes.lengths.max()), type(made).__name__, None)
    else:
        task = resolve(made)
    family = task.env
    if not family.has_derivatives:
        raise DerivativeError(f"{task.name} has no context derivatives")
    if stored.metadata and tuple(stored.metadata.space().names) != tuple(family.context_space.names):
        raise DatasetError(
            f"the contexts of {name} are {list(stored.metadata.space().names)}; those of {task.name} are "
            f"{list(family.context_space.names)}: another environment, or other parameters of it"
        )
    for kind in ("observation_space", "action_space"):
        found, expected = getattr(stored, kind), getattr(family, kind)
        if (
            type(found) is not type(expected)
            or found.shape != expected.shape
            or getattr(found, "n", 0) != getattr(expected, "n", 0)
        ):
            raise DatasetError(f"{kind} of {name} is {found}; that of {task.name} is {expected}: another environment")
    return task


def _contexts(stored: Stored, given: ArrayLike | None, task: ResolvedEnv) -> Contexts:
    """The context of each episode (E, p)."""
    space = task.env.context_space
    carried = carried_contexts(stored, space)
    if given is None:
        return given_contexts(stored, space.default[None]) if carried is None else carried
    rows = given_contexts(stored, space.check_many(given))
    if carried is not None and not np.array_equal(rows, carried):
        raise DatasetError(f"{stored.dataset_id} carries contexts, and they are not the ones given: leave contexts out")
    return rows


@dataclass(frozen=True)
class _Source:
    """Where simulator states come from: `name` says it, `states` gives them, `exact` where they were recorded whole."""

    name: str
    states: States
    exact: bool
    digest: str = ""


def _state_source(stored: Stored, env: ContextualEnv) -> _Source:
    """The best source of simulator states that the dataset has.

    Raises:
        EnvError: it has none; the message says what is missing.
    """
    name, episodes = stored.dataset_id, stored.episodes
    if STATE in episodes.infos:
        states = episodes.infos[STATE]
        expected = env.start(np.random.default_rng(0), env.context_space.default).shape
        if states.shape[1:] != expected or states.dtype.kind not in "fiu":
            raise DatasetError(
                f"{name}: infos/state has rows of shape {states.shape[1:]} ({states.dtype}); the states of "
                f"{type(env).__name__} have {expected}"
            )
        return _Source("infos/state", states.__getitem__, exact=True)
    from_physics = getattr(env, "states_from_physics", None)
    if from_physics is not None:
        found = read_infos(stored, (_QPOS, _QVEL))
        if len(found) == 2:
            qpos, qvel = (found[key].astype(np.float64) for key in (_QPOS, _QVEL))
            if not (np.isfinite(qpos).all() and np.isfinite(qvel).all()):
                raise DatasetError(f"{name}: infos/qpos or infos/qvel holds a number that is not finite")
            digest = hashlib.sha256(qpos.tobytes() + qvel.tobytes()).hexdigest()
            return _Source("infos/qpos and infos/qvel", lambda rows: from_physics(qpos[rows], qvel[rows]), False, digest)
    try:
        env.states_from_observations(episodes.observations)  # all of them: some may be beyond what determines a state
    except EnvError as error:
        kinds = "infos/state" if from_physics is None else "infos/state, nor both infos/qpos and infos/qvel"
        raise EnvError(f"{name} has no {kinds}, and {error}") from error
    return _Source("observations", lambda rows: env.states_from_observations(episodes.observations[rows]), False)


def _transitions(stored: Stored, source: _Source, per_episode: Contexts, task: ResolvedEnv) -> Transitions:
    episodes = stored.episodes
    transitions = Transitions.of(episodes, source.states, np.repeat(per_episode, episodes.lengths, axis=0))
    if task.env.noise_size:
        found = None if transitions.noise is None else transitions.noise.shape[1:]
        if found != (task.env.noise_size,):
            raise DatasetError(
                f"{stored.dataset_id}: {task.name} is stochastic, so infos/noise with rows of shape ({task.env.noise_size},) "
                f"is needed; found {'none' if found is None else f'rows of shape {found}'}"
            )
    else:
        transitions = replace(transitions, noise=None)
    discrete = isinstance(task.env.action_space, spaces.Discrete)
    actions = transitions.actions.reshape(len(transitions)).astype(np.int64) if discrete else np.array(transitions.actions)
    return replace(transitions, actions=actions)


def _sample(transitions: Transitions, most: int) -> Array:
    """Up to `most` transitions, evenly over the dataset."""
    return np.unique(np.linspace(0, len(transitions) - 1, most).astype(np.int64))


def _check_replay(stored: Stored, transitions: Transitions, source: _Source, task: ResolvedEnv) -> None:
    """Simulate a sample again: what does not come out is of another environment or context.

    Exactly known states must give every transition back, up to rounding. Where MuJoCo's are made of positions and
    velocities, its solver's last solution is missing, and so are the places that some rewards take as they were a substep
    ago (Ant's): there nine in ten, to fewer digits, are enough.
    """
    exact = source.exact or isinstance(task.env, DifferentiableEnv)
    seen_to, earned_to, enough = (1e-5, 1e-5, 1.0) if exact else (1e-3, 5e-2, 0.9)
    sample = _sample(transitions, _REPLAYED)
    following, rewards, _ = task.env.simulate(*transitions.batch(sample))
    recorded = stored.episodes.observations[transitions.rows[sample] + 1]
    seen = _apart(task.env.observations(following), recorded).max(axis=1)
    earned = _apart(rewards, stored.episodes.rewards[sample])
    agree = float(((seen <= seen_to) & (earned <= earned_to)).mean())
    if not agree >= enough:
        raise DatasetError(
            f"{stored.dataset_id} is not what {task.name} does in these contexts: of {len(sample)} transitions simulated again "
            f"from {source.name}, {agree:.0%} give the recorded next observation to {seen_to:g} and reward to {earned_to:g} "
            f"(relative; the medians are off by {np.median(seen):.2g} and {np.median(earned):.2g}, the worst by "
            f"{np.max(seen):.2g} and {np.max(earned):.2g}). Pass the environment and the contexts that were recorded, or "
            f"check=False to go on all the same"
        )


def _apart(simulated: Array, recorded: Array) -> Array:
    expected = recorded.astype(np.float64)
    return np.asarray(np.abs(simulated - expected) / np.maximum(1, np.abs(expected)))


def _build(stored: Stored, dataset_id: str, infos: dict[str, Array], task: ResolvedEnv, folder: Path, progress: bool) -> Stored:
    """The whole new dataset in a folder of its own, read back and compared with what it should be."""
    others = {key: rows for key, rows in stored.episodes.infos.items() if key not in (DNEXT, DREWARD, DERROR)}
    episodes = replace(stored.episodes, infos={**others, **infos})
    check_episodes(episodes, stored.dataset_id)
    metadata = _metadata(stored, episodes, task)
    changes = {"dataset_id": dataset_id, METADATA_KEY: metadata.model_dump(mode="json")}
    stale = [DERROR] if DERROR not in infos else []
    _remove(folder)  # what a killed process left
    copy_with_infos(stored, folder, infos, changes, without=stale, progress=progress)
    return read_built(folder, dataset_id)


def _metadata(stored: Stored, episodes: Episodes, task: ResolvedEnv) -> Metadata:
    """What the dataset said of itself, with derivatives; what can be known of one that said nothing."""
    derivatives, sha256 = describe(task.env, episodes), episodes.checksum()
    attached = {"derivatives": {"attached": True, "env": task.name, "packages": installed_packages()}}
    if stored.metadata is not None:
        recipe = {**stored.metadata.recipe, **attached}
        return stored.metadata.model_copy(update={"derivatives": derivatives, "sha256": sha256, "recipe": recipe})
    return Metadata(
        layout_version=LAYOUT_VERSION,
        env=task.name,
        horizon=task.horizon,
        context_space=task.env.context_space.to_dict(),
        behaviour=Behaviour(policies=[str(stored.raw.get("algorithm_name") or "unknown")], weights=[1.0], context="hidden"),
        derivatives=derivatives,
        recipe=attached,
        packages=installed_packages(),
        sha256=sha256,
    )


class Kept:
    """Batches of derivatives in a folder, each named by its first transition and there only when it is complete.

    Attributes:
        folder: where they are.
        done: how many transitions the batches found or saved so far cover.
    """

    def __init__(self, folder: Path, transitions: Transitions, env: ContextualEnv) -> None:
        (o,), p = env.observation_space.shape or (), env.context_space.size
        self.folder, self.done = folder, 0
        self._n, self._dtype = len(transitions), transitions.dtype
        self._widths = ((o + 1) * p, (o + 1) * p + 1)

    def load(self, begin: int) -> Array | None:
        """The batch that begins with a transition, or None."""
        try:
            found = np.load(self._path(begin), allow_pickle=False)
        except (OSError, EOFError, ValueError):
            return None
        fits = found.ndim == 2 and found.dtype == self._dtype and found.shape[1] in self._widths
        if not fits or not 0 < len(found) <= self._n - begin or not np.isfinite(found).all():
            return None
        self.done = begin + len(found)
        return np.asarray(found)

    def save(self, begin: int, rows: Array) -> None:
        """Keep a batch."""
        path = self._path(begin)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replaced_on_success(path) as temporary, temporary.open("wb") as file:
                np.save(file, rows, allow_pickle=False)
            self.done = begin + len(rows)
        except OSError as error:
            raise DatasetError(f"cannot write below {path.parent.parent}: {error}") from error

    def _path(self, begin: int) -> Path:
        return self.folder / f"{begin}.npy"


def _fingerprint(stored: Stored, transitions: Transitions, source: _Source, env: ContextualEnv) -> str:
    """What the derivatives depend on: the data, and the environment by what it says and does."""
    said = {
        "data": stored.episodes.checksum(),
        "states": [source.name, source.digest],
        "env": type(env).__qualname__,
        "context_space": env.context_space.to_dict(),
        "source": env.derivative_source,
        "steps": None if env.derivative_steps is None else np.asarray(env.derivative_steps).tolist(),
    }
    digest = hashlib.sha256(to_json(said).encode())
    digest.update(np.ascontiguousarray(transitions.contexts).tobytes())
    trial = env.derivatives_with_error(*transitions.batch(_sample(transitions, 4)))
    digest.update(_packed(trial, np.float64).tobytes())
    return digest.hexdigest()[:32]


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()  # where nothing else is in it
