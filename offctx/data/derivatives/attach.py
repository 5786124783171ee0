"""Context derivatives attached to a dataset that has none.

Dimensions: N transitions, E episodes, p context.
"""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from offctx.checks import whole_number
from offctx.contexts.space import Contexts
from offctx.data.dataset import ContextualDataset
from offctx.data.derivatives.compute import compute_derivatives, describe_derivatives
from offctx.data.derivatives.differentiator import Differentiator, by_workers
from offctx.data.derivatives.inputs import SimulationInputs
from offctx.data.derivatives.recorded import resolve_contexts, resolve_recorded_env, simulation_inputs
from offctx.data.derivatives.replay import check_replay
from offctx.data.derivatives.saved_batches import SavedBatches, fingerprint
from offctx.data.derivatives.sources import find_state_source
from offctx.data.episodes import Episodes, check_episodes
from offctx.data.layout import CONTEXT, DERROR, DNEXT, DREWARD
from offctx.data.load import to_contextual_dataset
from offctx.data.metadata import LAYOUT_VERSION, METADATA_KEY, Behaviour, Metadata, installed_packages
from offctx.data.storage.changes import changing
from offctx.data.storage.copy import copy_with_infos
from offctx.data.storage.ids import dataset_folder, unused_dataset_folder, work_folder
from offctx.data.storage.leftovers import about_work, discard
from offctx.data.storage.publish import publish_dataset, replace_dataset
from offctx.data.storage.read import read_dataset, read_dataset_folder
from offctx.data.storage.stored import StoredDataset
from offctx.envs.base import Array
from offctx.envs.resolve import EnvLike, ResolvedEnv
from offctx.errors import DatasetError
from offctx.workers.engine import Backend, Workers

_BATCH_SIZE = 4096  # transitions; each batch is saved, and an interruption loses at most one


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
    n_jobs: int = 1,
    backend: Backend = "loky",
) -> ContextualDataset:
    """Adds context derivatives to an existing dataset: one of offctx, or any Minari dataset in HDF5.

    Everything else in the dataset stays as it is. After an error or an interruption the dataset is as it was.

    The simulator's states come from infos/state, else from infos/qpos and infos/qvel, else from the observations where
    these determine the state. Before the long computation, a sample of the transitions is simulated again and compared with
    the recorded next observations and rewards. Batches of derivatives are saved in a hidden folder beside the datasets: after
    an interruption the same call continues with the next batch.

    Args:
        dataset_id: Minari id, below MINARI_DATASETS_PATH.
        env: the environment that was recorded: a Gymnasium id, a factory or an environment. Not needed where the dataset
            names an environment of offctx.
        new_id: id of a new dataset to write; None changes the dataset in place.
        contexts: (p,) or (E, p), for a dataset that carries none; the environment's default where not given.
        batch_size: transitions differentiated at once, which an interruption may lose.
        progress: show progress bars.
        resume: continue where an interrupted call stopped; False begins anew.
        overwrite: replace derivatives that the dataset has.
        check: simulate the sample, and refuse a dataset that the environment does not reproduce.
        n_jobs: batches that are differentiated at a time, each by a process with one thread; -1 for all cores. The environment
            must then be picklable.
        backend: "loky" for processes on this machine; "ray" for a Ray cluster (`pip install offctx[ray]`).

    Returns:
        The dataset, as `load_dataset` returns it.

    Raises:
        DatasetError: missing, damaged, not in HDF5, has derivatives already, or of another environment or context.
        ContextError: the contexts given do not fit the environment.
        EnvError: the simulator's state is neither recorded nor determined by the observations.
        DerivativeError: the environment has no derivatives, or one is not finite.

    Example::

        dataset = offctx.attach_derivatives(
            "mujoco/halfcheetah/expert-v0",
            offctx.envs.MujocoPhysics("HalfCheetah-v5", ["gravity", "mass"]),
            new_id="offctx/HalfCheetahPhysics/expert-v0",
        )
    """
    workers = Workers.check(n_jobs, backend, DatasetError)
    size = whole_number(_BATCH_SIZE if batch_size is None else batch_size, "batch_size", 1, DatasetError)
    if new_id is not None:
        unused_dataset_folder(new_id)
    with changing(dataset_id, "attaching derivatives to", wait=True):
        stored = read_dataset(dataset_id, formats=("hdf5",))
        if (DNEXT in stored.episodes.infos or DREWARD in stored.episodes.infos) and not overwrite:
            raise DatasetError(f"{dataset_id} has derivatives already: overwrite=True replaces them")
        resolved = resolve_recorded_env(stored, env)
        episode_contexts = resolve_contexts(stored, contexts, resolved.env.context_space)
        source = find_state_source(stored, resolved.env)
        inputs = simulation_inputs(stored, source, episode_contexts, resolved)
        if check:
            check_replay(stored, inputs, source, resolved)
        work = work_folder(dataset_id)
        if not resume:
            discard(work)
        folder = work / fingerprint(stored, inputs, source, resolved.env)
        saved = SavedBatches(folder, inputs, resolved.env, about_work(dataset_folder(dataset_id), new_id))
        with nullcontext() if new_id is None else changing(new_id, "writing"):
            differentiator = by_workers(env, resolved, workers)
            attached = _compute_and_write(
                stored, new_id, resolved, inputs, episode_contexts, saved, differentiator, size, progress
            )
        discard(work)
    return to_contextual_dataset(attached)


def _compute_and_write(
    stored: StoredDataset,
    new_id: str | None,
    resolved: ResolvedEnv,
    inputs: SimulationInputs,
    episode_contexts: Contexts,
    saved: SavedBatches,
    differentiator: Differentiator,
    size: int,
    progress: bool,
) -> StoredDataset:
    """Computes the derivatives and puts the new dataset under its id, or under `new_id`. The locks of both are held."""
    dataset_id, complete, attached = stored.dataset_id, saved.folder / "dataset", None
    try:
        if new_id is not None:
            unused_dataset_folder(new_id)  # another process may have written it meanwhile
        infos = compute_derivatives(resolved.env, inputs, size, progress=progress, saved=saved, differentiator=differentiator)
        if CONTEXT not in stored.episodes.infos:
            infos[CONTEXT] = np.repeat(episode_contexts, stored.episodes.lengths + 1, axis=0)
        attached = _build(stored, new_id or dataset_id, infos, resolved, complete, progress)
        if new_id is None:
            replace_dataset(dataset_id, complete)
        else:
            publish_dataset(new_id, complete)
    except KeyboardInterrupt:
        if attached is not None and not complete.exists():
            raise  # the new dataset is under its id already
        raise KeyboardInterrupt(
            f"{dataset_id} is as it was; the derivatives of {saved.done} of its {len(inputs)} transitions are kept, and "
            f"the same call goes on from there"
        ) from None
    finally:
        discard(complete)
    return attached


def _build(
    stored: StoredDataset, dataset_id: str, infos: dict[str, Array], resolved: ResolvedEnv, folder: Path, progress: bool
) -> StoredDataset:
    """Builds the whole new dataset in a folder of its own, and reads it back, which verifies its checksum."""
    unchanged = {key: rows for key, rows in stored.episodes.infos.items() if key not in (DNEXT, DREWARD, DERROR)}
    episodes = replace(stored.episodes, infos={**unchanged, **infos})
    check_episodes(episodes, stored.dataset_id)
    metadata = _metadata(stored, episodes, resolved)
    changes = {"dataset_id": dataset_id, METADATA_KEY: metadata.model_dump(mode="json")}
    outdated = [DERROR] if DERROR not in infos else []
    discard(folder)  # left by a process that was killed
    copy_with_infos(stored, folder, infos, changes, without=outdated, progress=progress)
    return read_dataset_folder(folder, dataset_id)


def _metadata(stored: StoredDataset, episodes: Episodes, resolved: ResolvedEnv) -> Metadata:
    """The dataset's metadata with the derivatives; for a dataset without offctx metadata, what the environment tells."""
    derivatives = describe_derivatives(resolved.env, episodes)
    layout: dict[str, Any] = {"layout_version": LAYOUT_VERSION, "sha256": episodes.checksum()}
    recipe_entry = {"derivatives": {"attached": True, "env": resolved.name, "packages": installed_packages()}}
    if stored.metadata is not None:
        recipe = {**stored.metadata.recipe, **recipe_entry}
        return stored.metadata.model_copy(update={"derivatives": derivatives, "recipe": recipe, **layout})
    return Metadata(
        env=resolved.name,
        horizon=resolved.horizon,
        context_space=resolved.env.context_space.to_dict(),
        behaviour=Behaviour(policies=[str(stored.raw.get("algorithm_name") or "unknown")], weights=[1.0], context="hidden"),
        derivatives=derivatives,
        recipe=recipe_entry,
        packages=installed_packages(),
        **layout,
    )
