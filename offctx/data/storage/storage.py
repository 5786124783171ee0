"""Datasets on disk: written aside and renamed, read in one pass, kept flat for the next time.

Nothing here unpickles, and no environment that a file names is ever made: spaces come from the metadata as data.
"""

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from h5py import h5a, h5d, h5f, h5g, h5s
from minari import __version__ as minari_version
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_dataset import parse_dataset_id
from minari.dataset.minari_storage import METADATA_FILE_NAME, MinariStorage
from minari.namespace import create_namespace, list_local_namespaces
from minari.serialization import deserialize_space
from minari.storage import get_dataset_path
from tqdm.auto import tqdm

from offctx.contexts.space import ContextSpace
from offctx.data.layout import INFOS, Episodes, check_episodes, check_spaces
from offctx.data.metadata import METADATA_KEY, Metadata, parse_metadata
from offctx.envs.base import Array
from offctx.errors import DatasetError
from offctx.files import staging_folder, sync_to_disk

_FORMATS = ("hdf5", "arrow")
_MAIN_FILE = "main_data.hdf5"
_STEP_ARRAYS = ("actions", "rewards", "terminations", "truncations")
_CACHE_FOLDER = ".offctx-cache"  # hidden: Minari lists no folder that begins with a dot
_STAGING_PREFIX = ".offctx-staging-"
_WORK_FOLDER = ".offctx-derivatives"  # what attach_derivatives keeps until it is done
_REPLACED_FOLDER = ".offctx-replaced"  # the old dataset for the moment in which a new one takes its place
_CACHE_FORMAT = 1


class Stored:
    """A dataset as read: its raw Minari metadata, the offctx part of it (or None), spaces and episodes."""

    def __init__(self, dataset_id: str, raw: dict[str, Any], episodes: Callable[["Stored"], Episodes]) -> None:
        self.dataset_id = dataset_id
        self.raw = raw
        self.metadata = parse_metadata(raw, dataset_id)
        self.observation_space, self.action_space = (
            _space(raw, key, dataset_id) for key in ("observation_space", "action_space")
        )
        check_spaces(self.observation_space, self.action_space, dataset_id)
        self.episodes = episodes(self)


def dataset_folder(dataset_id: str) -> Path:
    """Where a dataset of that id lives, below MINARI_DATASETS_PATH. Raises DatasetError where the id is malformed."""
    try:
        parse_dataset_id(dataset_id)
    except (ValueError, TypeError) as error:
        raise DatasetError(
            f"malformed dataset id {dataset_id!r}: Minari expects <namespace>/<name>-v<number>, letters, digits, - and _, at "
            f"least two in the namespace, such as 'offctx/PendulumGoal/mixed-v0'"
        ) from error
    folder = Path(get_dataset_path(dataset_id))
    if not folder.exists():
        with contextlib.suppress(OSError):  # killed between the two renames of `replace_dataset`, or nothing to put back
            os.rename(_hidden(folder, _REPLACED_FOLDER), folder)
    return folder


def _hidden(folder: Path, kind: str) -> Path:
    """The place of a dataset's folder in one of the hidden folders."""
    return Path(get_dataset_path()) / kind / hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:32]


def work_folder(dataset_id: str) -> Path:
    """Where unfinished work on a dataset is kept, beside the datasets; it need not be there."""
    return _hidden(dataset_folder(dataset_id), _WORK_FOLDER)


def claim_id(dataset_id: str) -> Path:
    """`dataset_folder`, refused where something is there already."""
    folder = dataset_folder(dataset_id)
    if folder.exists():
        name, _, version = dataset_id.rpartition("-v")
        raise DatasetError(f"dataset id {dataset_id!r} is taken: choose another, such as '{name}-v{int(version) + 1}'")
    return folder


def write_dataset(
    dataset_id: str,
    episodes: Episodes,
    metadata: Metadata,
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    *,
    spec: EnvSpec | None = None,
    description: str | None = None,
    progress: bool = False,
) -> None:
    """Write a Minari dataset that appears under its id only when it is complete."""
    claim_id(dataset_id)
    with _no_interrupt_lost() as interrupted, staging_folder(Path(get_dataset_path()), _STAGING_PREFIX) as aside:
        data = aside / "dataset" / "data"
        data.mkdir(parents=True)
        storage = MinariStorage.new(data, observation_space, action_space, spec)
        storage.update_metadata(
            {
                "dataset_id": dataset_id,
                "minari_version": minari_version,
                "algorithm_name": ", ".join(metadata.behaviour.policies),
                "requirements": [f"offctx=={metadata.packages['offctx']}"],
                METADATA_KEY: metadata.model_dump(mode="json"),
                **({"description": description} if description else {}),
            }
        )
        bar = tqdm(_buffers(episodes, metadata.space()), "writing", len(episodes.lengths), disable=not progress, unit="episode")
        storage.update_episodes(itertools.takewhile(lambda _: not interrupted, bar))
        if interrupted:
            raise KeyboardInterrupt
        publish_dataset(dataset_id, aside / "dataset")


def publish_dataset(dataset_id: str, built: Path) -> None:
    """Let a complete dataset folder appear under an id that is free."""
    folder = dataset_folder(dataset_id)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(built, folder)
    except OSError as error:
        raise DatasetError(f"dataset id {dataset_id!r} was taken meanwhile: {error}") from error
    namespace = parse_dataset_id(dataset_id)[0]
    if namespace is not None and namespace not in list_local_namespaces():
        create_namespace(namespace)


def replace_dataset(dataset_id: str, built: Path) -> None:
    """Let a complete dataset folder take the place of the one under the id, by two renames.

    The old one is deleted after that. Killed between the two, it comes back when the id is next looked up.
    """
    folder = dataset_folder(dataset_id)
    old = _hidden(folder, _REPLACED_FOLDER)
    done = old.with_suffix(".done")  # by this name it never comes back
    try:
        old.parent.mkdir(exist_ok=True)
        for left in (old, done):  # by a process that was killed before it could remove them
            _remove(left)
        os.rename(folder, old)
        os.rename(built, folder)
    except OSError as error:
        raise DatasetError(f"{dataset_id} cannot be replaced, and is as it was: {error}") from error
    finally:
        dataset_folder(dataset_id)  # puts the old one back where the new one did not come
    with contextlib.suppress(OSError):
        os.rename(old, done)
        _remove(done)
        old.parent.rmdir()  # unless others are at work there


def _remove(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def copy_with_infos(
    stored: Stored,
    target: Path,
    infos: dict[str, Array],
    changes: dict[str, Any],
    *,
    without: Sequence[str] = (),
    progress: bool = False,
) -> None:
    """Copy a dataset's folder and add infos (R, ...) to its episodes, in place of those of the same name.

    All else stays as it is, whatever it is: the files are copied, not written again.

    Args:
        stored: the dataset, in HDF5.
        target: a folder that is not there yet.
        infos: by name, end to end.
        changes: of the metadata.
        without: infos that go.
        progress: show a progress bar.

    Raises:
        DatasetError: it cannot be written.
    """
    name, data = stored.dataset_id, target / "data"
    starts = np.concatenate([[0], stored.episodes.row_ends])
    try:
        shutil.copytree(dataset_folder(name), target, copy_function=shutil.copyfile)  # whatever their modes were
        with _no_interrupt_lost() as interrupted, h5py.File(data / _MAIN_FILE, "r+") as file:
            for e in tqdm(range(len(stored.episodes.lengths)), "writing", disable=not progress, unit="episode"):
                group = file[f"episode_{e}"].require_group("infos")
                for key in (*without, *infos):
                    if key in group:
                        del group[key]
                for key, array in infos.items():
                    rows = array[starts[e] : starts[e + 1]]
                    group.create_dataset(key, data=rows, chunks=True, maxshape=(None, *rows.shape[1:]))
                if interrupted:
                    raise KeyboardInterrupt
        size = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
        raw = stored.raw | {"dataset_size": round(size / 1e6, 1)} | changes
        (data / METADATA_FILE_NAME).write_text(json.dumps(raw))
        for file_name in (_MAIN_FILE, METADATA_FILE_NAME):
            sync_to_disk(data / file_name)
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise DatasetError(f"{name} cannot be copied to add infos, and is as it was: {error}") from error


@contextlib.contextmanager
def _no_interrupt_lost() -> Iterator[list[bool]]:
    """A list that holds something once an interrupt was lost.

    Python drops what is raised in a weakref callback, and h5py's callbacks run all the time while it writes.
    """
    lost: list[bool] = []
    hook = sys.unraisablehook

    def note(what: Any) -> None:
        if issubclass(what.exc_type, KeyboardInterrupt):
            lost.append(True)
        else:
            hook(what)

    sys.unraisablehook = note
    try:
        yield lost
    finally:
        sys.unraisablehook = hook


def _options(episodes: Episodes, e: int, space: ContextSpace) -> dict[str, Any] | None:
    """What `reset` needs to play episode e again."""
    if episodes.options_context is None:
        return None
    context = episodes.options_context[e]
    return {"context": context} | ({} if space.valid(context[None])[0] else {"extrapolate": True})


def _buffers(episodes: Episodes, space: ContextSpace) -> Iterator[EpisodeBuffer]:
    """Minari's form of each episode. Minari asks for lists where whole arrays serve, and are far quicker."""
    steps, rows = (np.concatenate([[0], ends]) for ends in (episodes.step_ends, episodes.row_ends))
    for e in range(len(episodes.lengths)):
        step, row = slice(steps[e], steps[e + 1]), slice(rows[e], rows[e + 1])
        arrays: dict[str, Any] = {name: getattr(episodes, name)[step] for name in _STEP_ARRAYS}
        yield EpisodeBuffer(
            id=e,
            seed=None if episodes.seeds is None else int(episodes.seeds[e]),
            options=_options(episodes, e, space),
            observations=episodes.observations[row],
            infos={name: array[row] for name, array in episodes.infos.items()},
            **arrays,
        )


def read_dataset(dataset_id: str, *, cache: bool = True, formats: Sequence[str] = _FORMATS) -> Stored:
    """Read a whole Minari dataset, by a flat copy kept beside the datasets where one is there and still fits.

    Args:
        dataset_id: Minari id.
        cache: read and keep a flat copy.
        formats: which of Minari's are good enough.

    Raises:
        DatasetError: not there, truncated, foreign to the layout, or its data are not those of its checksum.
    """
    data = dataset_folder(dataset_id) / "data"
    raw = _read_metadata(data, dataset_id)
    kind = raw.get("data_format")
    if kind in _FORMATS and kind not in formats:
        raise DatasetError(f"{dataset_id} is stored as {kind!r}; this needs a dataset in {' or '.join(formats)}: record it so")
    flat = _FlatCopy(data) if cache and raw.get("data_format") == "hdf5" else None
    kept = flat.load() if flat else None
    if kept is not None:
        return Stored(dataset_id, raw, lambda _: kept)
    stored = _read_whole(data, dataset_id, raw)
    if flat:
        flat.save(stored.episodes)
    return stored


def read_built(folder: Path, dataset_id: str) -> Stored:
    """Read a dataset's folder that is not under its id yet; raises as `read_dataset`."""
    return _read_whole(folder / "data", dataset_id, _read_metadata(folder / "data", dataset_id))


def _read_whole(data: Path, dataset_id: str, raw: dict[str, Any]) -> Stored:
    stored = Stored(dataset_id, raw, lambda found: _read_episodes(data, found))
    verify_counts(stored)
    verify_checksum(stored)
    verify_shapes(stored)
    check_episodes(stored.episodes, dataset_id)
    return stored


def read_infos(stored: Stored, names: Sequence[str]) -> dict[str, Array]:
    """Those of the infos `names` that every episode of an HDF5 dataset has, end to end (R, ...), whoever put them there."""
    data, counts = dataset_folder(stored.dataset_id) / "data", stored.episodes.lengths + 1
    with _groups(data, stored) as groups:
        return {name: _rows(groups, f"infos/{name}", counts, stored.dataset_id) for name in _infos_in_all(groups, names)}


def verify_counts(stored: Stored) -> None:
    """Refuse metadata that count other episodes or steps than there are."""
    found = {"total_episodes": len(stored.episodes.lengths), "total_steps": int(stored.episodes.lengths.sum())}
    for key, count in found.items():
        if stored.raw.get(key) != count:
            raise DatasetError(f"{stored.dataset_id}: metadata say {key} {stored.raw.get(key)}, the data hold {count}")


def verify_shapes(stored: Stored) -> None:
    """Refuse arrays whose rows are not elements of their spaces."""
    for name, space in (("observations", stored.observation_space), ("actions", stored.action_space)):
        found = getattr(stored.episodes, name).shape[1:]
        if found != space.shape and not (space.shape == () and found == (1,)):
            raise DatasetError(f"{stored.dataset_id}: {name} have rows of shape {found}; their space says {space.shape}")
        kinds = "f" if name == "observations" else ("iu" if isinstance(space, spaces.Discrete) else "fiu")
        if getattr(stored.episodes, name).dtype.kind not in kinds:
            raise DatasetError(
                f"{stored.dataset_id}: {name} are {getattr(stored.episodes, name).dtype}; their space is {space}"
            )


def verify_checksum(stored: Stored) -> None:
    """Refuse data whose SHA-256 is not the one in the metadata."""
    if stored.metadata is not None and stored.episodes.checksum() != stored.metadata.sha256:
        raise DatasetError(
            f"{stored.dataset_id}: the data do not fit their checksum {stored.metadata.sha256[:12]}...: they were "
            f"changed or damaged after they were written"
        )


def _read_metadata(data: Path, dataset_id: str) -> dict[str, Any]:
    if not data.is_dir():
        raise DatasetError(f"no dataset {dataset_id!r} in {get_dataset_path()}; `minari list local` shows what is there")
    try:
        raw = json.loads((data / METADATA_FILE_NAME).read_text())
    except (OSError, ValueError) as error:
        raise DatasetError(f"{dataset_id}: cannot read {METADATA_FILE_NAME}: {error}") from error
    if not isinstance(raw, dict):
        raise DatasetError(f"{dataset_id}: {METADATA_FILE_NAME} holds no table of metadata")
    return raw


def _space(raw: dict[str, Any], key: str, dataset_id: str) -> Any:
    try:
        return deserialize_space(raw[key])
    except (KeyError, ValueError, TypeError, NotImplementedError, AssertionError) as error:
        raise DatasetError(
            f"{dataset_id}: the metadata describe no {key} ({type(error).__name__}: {error}); offctx does not make the "
            f"environment that a dataset names to find out"
        ) from error


def _read_episodes(data: Path, stored: Stored) -> Episodes:
    kind = stored.raw.get("data_format")
    if kind not in _FORMATS:
        raise DatasetError(f"{stored.dataset_id}: unknown data_format {kind!r}; Minari's are {', '.join(_FORMATS)}")
    if kind != "hdf5":
        return _read_by_minari(data, stored)
    with _groups(data, stored) as groups:
        return _gather(groups, stored)


@contextlib.contextmanager
def _groups(data: Path, stored: Stored) -> Iterator[list[Any]]:
    """The HDF5 group of each episode; what goes wrong while they are read is the file's fault, and said so."""
    try:
        file = h5f.open(os.fsencode(data / _MAIN_FILE), h5f.ACC_RDONLY)
    except OSError as error:
        raise DatasetError(f"{stored.dataset_id}: cannot open {_MAIN_FILE}, which is truncated or foreign: {error}") from error
    try:
        yield [h5g.open(file, b"episode_%d" % e) for e in range(int(stored.raw["total_episodes"]))]
    except DatasetError:
        raise
    except (IndexError, KeyError, OSError, RuntimeError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise DatasetError(f"{stored.dataset_id}: {_MAIN_FILE} is damaged or foreign: {error}") from error


def _gather(groups: list[Any], stored: Stored) -> Episodes:
    """All episodes by HDF5's own calls: a dataset of many short episodes is mostly overhead otherwise."""
    if not groups:
        raise DatasetError(f"{stored.dataset_id} holds no episode")
    lengths = np.array([h5d.open(group, b"rewards").shape[0] for group in groups], dtype=np.int64)
    if (lengths == 0).any():
        raise DatasetError(f"{stored.dataset_id}: episode {np.flatnonzero(lengths == 0)[0]} has no step")

    def read(name: str, counts: Array) -> Array:
        return _rows(groups, name, counts, stored.dataset_id)

    return Episodes(
        lengths=lengths,
        observations=read("observations", lengths + 1),
        **{name: read(name, lengths) for name in _STEP_ARRAYS},
        infos={name: read(f"infos/{name}", lengths + 1) for name in _infos_in_all(groups, INFOS)},
        seeds=_attribute(groups, b"seed", np.uint64),
        options_context=_attribute(groups, b"options/context", np.float64),
    )


def _rows(groups: list[Any], name: str, counts: Array, dataset_id: str) -> Array:
    """One array of every episode, counts (E,) rows of each, end to end."""
    key = name.encode()
    first = h5d.open(groups[0], key)
    out = np.empty((counts.sum(), *first.shape[1:]), dtype=first.dtype)
    begin = 0
    for e, (group, count) in enumerate(zip(groups, counts.tolist(), strict=True)):
        dataset = h5d.open(group, key)
        if dataset.shape != (count, *out.shape[1:]):
            raise DatasetError(
                f"{dataset_id}: {name} of episode {e} has shape {dataset.shape}; expected {(count, *out.shape[1:])}"
            )
        dataset.read(h5s.ALL, h5s.ALL, out[begin : begin + count])
        begin += count
    return out


def _infos_in_all(groups: list[Any], names: Sequence[str]) -> list[str]:
    """Those of `names` that every episode has, as arrays."""
    if not all(b"infos" in group for group in groups):
        return []
    infos = [h5g.open(group, b"infos") for group in groups]
    found = [name for name in names if all(name.encode() in group for group in infos)]
    return [name for name in found if isinstance(h5py.h5o.open(infos[0], name.encode()), h5d.DatasetID)]


def _attribute(groups: list[Any], key: bytes, dtype: Any) -> Array | None:
    if not all(h5a.exists(group, key) for group in groups):
        return None
    values = []
    for group in groups:
        attribute = h5a.open(group, key)
        value = np.empty(attribute.shape, dtype=dtype)
        attribute.read(value)
        values.append(value)
    return np.stack(values) if all(value.shape == values[0].shape for value in values) else None


def _read_by_minari(data: Path, stored: Stored) -> Episodes:
    """Formats other than HDF5, by Minari's own reader; the spaces are in the metadata, so it makes no environment."""
    storage = MinariStorage.read(data)
    episodes = list(storage.get_episodes(range(storage.total_episodes)))
    infos = [episode.get("infos") or {} for episode in episodes]
    found = [name for name in INFOS if all(isinstance(info.get(name), np.ndarray) for info in infos)]
    return Episodes(
        lengths=np.array([len(episode["rewards"]) for episode in episodes], dtype=np.int64),
        observations=np.concatenate([episode["observations"] for episode in episodes]),
        **{name: np.concatenate([np.asarray(episode[name]) for episode in episodes]) for name in _STEP_ARRAYS},
        infos={name: np.concatenate([info[name] for info in infos]) for name in found},
    )


class _FlatCopy:
    """The arrays of a dataset as plain .npy files, valid as long as the dataset's files are the ones they came from."""

    def __init__(self, data: Path) -> None:
        root = Path(get_dataset_path())
        self._folder = root / _CACHE_FOLDER / hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:32]
        self._sources = [data / _MAIN_FILE, data / METADATA_FILE_NAME]
        with contextlib.suppress(OSError):
            self._before = self._stamp()  # before anything is read: a file replaced meanwhile must not look fresh

    def _stamp(self) -> list[Any]:
        return [_CACHE_FORMAT, *([s.st_size, s.st_mtime_ns, s.st_ino] for s in (p.stat() for p in self._sources))]

    def load(self) -> Episodes | None:
        try:
            stamp = json.loads((self._folder / "stamp.json").read_text())
            if stamp.pop("files") != self._stamp():
                return None
            arrays = {
                name: np.load(self._folder / f"{k}.npy", mmap_mode="r", allow_pickle=False)
                for k, name in enumerate(stamp["arrays"])
            }
            infos = {name.partition("/")[2]: arrays.pop(name) for name in list(arrays) if name.startswith("infos/")}
            return Episodes(infos=infos, **arrays)
        except (OSError, EOFError, ValueError, KeyError, AttributeError, TypeError):
            return None  # not there or half there: the dataset itself is read instead

    def save(self, episodes: Episodes) -> None:
        arrays = episodes.arrays()
        with contextlib.suppress(OSError):  # a read-only or full disk only costs the next load its speed
            self._folder.parent.mkdir(exist_ok=True)
            with staging_folder(self._folder.parent, _STAGING_PREFIX) as aside:
                flat = aside / "flat"
                flat.mkdir()
                for k, array in enumerate(arrays.values()):
                    np.save(flat / f"{k}.npy", array, allow_pickle=False)
                (flat / "stamp.json").write_text(json.dumps({"files": self._before, "arrays": list(arrays)}))
                shutil.rmtree(self._folder, ignore_errors=True)
                os.rename(flat, self._folder)
