"""Context derivatives attached to a dataset that has none.

The dataset is mapped from its flat copy and the derivatives go into files, so that the memory which this takes does not grow
with the dataset.

Dimensions: N transitions, E episodes, p context.
"""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from offctx.checks import whole_number
from offctx.data.arrange import arranged, space_of
from offctx.data.dataset import ContextualDataset
from offctx.data.derivatives.compute import compute_derivatives, describe_errors
from offctx.data.derivatives.differentiator import Differentiator, by_workers
from offctx.data.derivatives.inputs import SimulationInputs
from offctx.data.derivatives.recorded import resolve_contexts, resolve_recorded_env, simulation_inputs
from offctx.data.derivatives.replay import check_replay
from offctx.data.derivatives.saved_batches import SavedBatches, fingerprint
from offctx.data.derivatives.sources import find_state_source
from offctx.data.layout import CONTEXT, DERROR, DNEXT, DREWARD
from offctx.data.metadata import LAYOUT_VERSION, METADATA_KEY, Behaviour, Metadata, installed_packages
from offctx.data.storage.changes import changing
from offctx.data.storage.copy import check_copy, copy_with_infos
from offctx.data.storage.full_disk import nothing_left_if_full
from offctx.data.storage.ids import dataset_folder, work_folder
from offctx.data.storage.leftovers import about_work, discard
from offctx.data.storage.place import check_place, unused_dataset_folder
from offctx.data.storage.publish import publish_dataset, replace_dataset
from offctx.data.storage.read_part import map_transitions
from offctx.data.storage.scratch import in_memory, on_disk
from offctx.data.storage.stored import StoredTransitions
from offctx.data.transitions import Transitions
from offctx.data.unread import READ_AT_ONCE, UnreadDataset
from offctx.envs.base import Array
from offctx.envs.resolve import EnvLike, ResolvedEnv
from offctx.errors import DatasetError
from offctx.workers.engine import Backend, Workers

_BATCH_SIZE = 4096  # transitions; each batch is saved, and an interruption loses at most those that workers are at


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

    Everything else in the dataset stays as it is. After an error or an interruption the dataset is as it was. The memory that
    this takes does not grow with the dataset: its arrays are mapped from the flat copy, which is made where it is not there,
    and the derivatives wait in files. Of a dataset of more than 262,144 transitions, the arrays are read when they are first
    used.

    The simulator's states come from infos/state, else from infos/qpos and infos/qvel, else from the observations where
    these determine the state. Before the long computation, a sample of the transitions is simulated again and compared with
    the recorded next observations and rewards. Batches of derivatives are saved in a hidden folder beside the datasets: after
    an interruption the same call continues with the next batch. Where the disk is full, they are deleted, and so is a flat copy
    that this call has made.

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
        n_jobs: batches that are differentiated at a time, each by a process of its own; -1 for all cores. The environment
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
    if new_id is None:
        check_place(dataset_id)
    else:
        unused_dataset_folder(new_id)
    work = work_folder(dataset_id)
    with changing(dataset_id, "attaching derivatives to", wait=True), nothing_left_if_full(dataset_id, work):
        stored = map_transitions(dataset_id)
        if not overwrite and any(stored.transitions.info(name) is not None for name in (DNEXT, DREWARD)):
            raise DatasetError(f"{dataset_id} has derivatives already: overwrite=True replaces them")
        resolved = resolve_recorded_env(stored, env)
        episode_contexts = resolve_contexts(stored, contexts, resolved.env.context_space)
        source = find_state_source(stored, resolved.env)
        inputs = simulation_inputs(stored, source, episode_contexts, resolved)
        if check:
            check_replay(stored, inputs, source, resolved)
        if not resume:
            discard(work)
        folder = work / fingerprint(stored, inputs, source, resolved.env)
        saved = SavedBatches(folder, inputs, about_work(dataset_folder(dataset_id), new_id))
        with nullcontext() if new_id is None else changing(new_id, "writing"):
            differentiator = by_workers(env, resolved, workers)
            attached = _compute_and_write(stored, new_id, resolved, inputs, saved, differentiator, size, progress)
        discard(work)
    if len(inputs) > READ_AT_ONCE:
        assert attached.metadata is not None
        return UnreadDataset(attached.dataset_id, attached.metadata)
    return arranged(attached, space_of(attached, None, attached.total))


def _compute_and_write(
    stored: StoredTransitions,
    new_id: str | None,
    resolved: ResolvedEnv,
    inputs: SimulationInputs,
    saved: SavedBatches,
    differentiator: Differentiator,
    size: int,
    progress: bool,
) -> StoredTransitions:
    """Computes the derivatives and puts the new dataset under its id, or under `new_id`. The locks of both are held."""
    dataset_id, complete, attached = stored.dataset_id, saved.files.folder / "dataset", None
    try:
        if new_id is not None:
            unused_dataset_folder(new_id)  # another process may have written it meanwhile
        allocate = on_disk if stored.mapped else in_memory
        infos = compute_derivatives(
            resolved.env, inputs, size, progress=progress, saved=saved, differentiator=differentiator, allocate=allocate
        )
        attached = _build(stored, new_id or dataset_id, infos, inputs, resolved, complete, progress)
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
    stored: StoredTransitions,
    dataset_id: str,
    infos: dict[str, Array],
    inputs: SimulationInputs,
    resolved: ResolvedEnv,
    folder: Path,
    progress: bool,
) -> StoredTransitions:
    """Builds the whole new dataset in a folder of its own, and reads it back."""
    errors, names = infos.get(DERROR), list(infos)
    transitions = _with_derivatives(stored.transitions, infos)
    if transitions.info(CONTEXT) is None:
        names.append(CONTEXT)
        transitions.by_step[f"infos/{CONTEXT}"] = inputs.contexts
        transitions.by_episode[f"rest/{CONTEXT}"] = inputs.contexts[transitions.ends - 1]
    metadata = _metadata(stored, transitions, errors, resolved)
    changes = {"dataset_id": dataset_id, METADATA_KEY: metadata.model_dump(mode="json")}
    discard(folder)  # left by a process that was killed
    outdated = [DERROR] if errors is None else []
    copy_with_infos(stored, folder, transitions, names, changes, without=outdated, progress=progress)
    header = check_copy(folder, dataset_id, transitions)
    if len(inputs) <= READ_AT_ONCE:
        transitions = transitions.in_memory()
    return StoredTransitions(**vars(header), transitions=transitions, numbers=None, total=len(transitions.lengths))


def _with_derivatives(transitions: Transitions, infos: dict[str, Array]) -> Transitions:
    """The transitions with derivatives (N, ...) in place of those that they have."""
    outdated = {f"{kind}/{name}" for kind in ("infos", "rest") for name in (DNEXT, DREWARD, DERROR)}
    zeros = {name: np.zeros((len(transitions.lengths), *array.shape[1:]), array.dtype) for name, array in infos.items()}
    return Transitions(
        {name: array for name, array in transitions.by_step.items() if name not in outdated}
        | {f"infos/{name}": array for name, array in infos.items()},
        {name: array for name, array in transitions.by_episode.items() if name not in outdated}
        | {f"rest/{name}": rows for name, rows in zeros.items()},
    )


def _metadata(stored: StoredTransitions, transitions: Transitions, errors: Array | None, resolved: ResolvedEnv) -> Metadata:
    """The dataset's metadata with the derivatives; for a dataset without offctx metadata, what the environment tells."""
    derivatives = describe_errors(resolved.env, errors)
    layout: dict[str, Any] = {"layout_version": LAYOUT_VERSION, "sha256": transitions.checksum()}
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
