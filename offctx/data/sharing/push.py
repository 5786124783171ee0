"""Pushing a dataset to a remote. What travels is the Minari folder, with a manifest after all that it names, and cards."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from offctx.data.metadata import parse_metadata
from offctx.data.sharing.beside import cards_beside, hashes_of, outdated_cards
from offctx.data.sharing.context_parts import context_parts, parts_of_summary
from offctx.data.sharing.folders import check_unchanged, dataset_stamps, hash_files, read_raw_metadata
from offctx.data.sharing.manifest import MAIN_PATH, Manifest, SharedFile, make_manifest
from offctx.data.sharing.mirrors import LATEST, Address, version_path
from offctx.data.sharing.names import FOLDER
from offctx.data.sharing.remotes.choose import open_remote
from offctx.data.sharing.remotes.folder import FolderRemote
from offctx.data.sharing.remotes.remote import Upload
from offctx.data.sharing.source import Source
from offctx.data.storage.full_disk import nothing_left_if_full
from offctx.data.storage.ids import dataset_folder, datasets_root
from offctx.data.storage.summary import Summary, read_summary


@dataclass(frozen=True)
class Pushed:
    """What a push did.

    Attributes:
        dataset_id: of the dataset.
        sha256: its content hash.
        remote: where it is now.
        files: how many files it has.
        size: their bytes.
        sent: bytes that were sent; the remote had the others.
    """

    dataset_id: str
    sha256: str
    remote: str
    files: int
    size: int
    sent: int


def push(
    dataset_id: str,
    remote: Address,
    *,
    cards: bool = True,
    force: bool = False,
    timeout: float = 30.0,
    storage_options: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Pushed:
    """Pushes a dataset to a remote. Readers see the version before, or all of the new one.

    Files that the remote has are not sent again, so an interrupted push goes on where it was. What is sent is what was hashed:
    where another process changes the dataset meanwhile, nothing of the change is stored.

    Args:
        dataset_id: of a dataset below MINARI_DATASETS_PATH.
        remote: a folder, or an address: s3://bucket/folder, gs://bucket/folder, hf://datasets/organisation/name, or another
            that fsspec knows.
        cards: put README.md, croissant.json and a picture beside the manifest, made from the metadata. For them a dataset
            that has no summary, such as one that was pulled, is loaded, and so verified. False deletes those of the push
            before, unless somebody has changed them.
        force: send files also where the remote has them.
        timeout: seconds to wait for an answer.
        storage_options: for fsspec, such as keys.
        progress: show progress bars.

    Returns:
        What was done, with the content hash.

    Raises:
        DatasetError: there is no such dataset, it is damaged, it is changed meanwhile, the remote refuses, or it is below
            MINARI_DATASETS_PATH.

    Example::

        offctx.push("offctx/PendulumGoal/random-v0", "s3://bucket/datasets")
    """
    folder = dataset_folder(dataset_id)
    stamps = dataset_stamps(folder, dataset_id)
    target = open_remote(remote, timeout=timeout, storage_options=storage_options)
    raw = read_raw_metadata(folder, dataset_id)
    sizes = {path: stamp[0] for path, stamp in stamps.items()}
    with contextlib.ExitStack() as stack:
        copies: dict[str, Path] = {}
        if isinstance(target, FolderRemote):
            target.check_outside(datasets_root())
            copies = stack.enter_context(target.copies(dataset_id, sizes, all_files=force))
        with tqdm(total=sum(sizes.values()), desc="hashing", unit="B", unit_scale=True, disable=not progress) as bar:
            files = hash_files(folder, stamps, dataset_id, bar.update, copies)
        stack.enter_context(nothing_left_if_full(dataset_id))
        summary = read_summary(folder / FOLDER, {Path(file.path).name: file.sha256 for file in files})
        card_files = cards_beside(dataset_id, folder, files, raw, summary, target.name) if cards else {}
        manifest = _manifest(folder, files, raw, dataset_id, summary, card_files)
        sources = {
            f"{dataset_id}/{file.stored_as()}": Source(folder / file.path, file, copies.get(file.path)) for file in files
        }
        manifests = _manifests(manifest, card_files)
        total = manifest.size + sum(map(len, manifests.values()))
        with tqdm(total=total, desc="sending", unit="B", unit_scale=True, disable=not progress) as bar:
            check = partial(check_unchanged, folder, stamps, dataset_id)
            outdated = partial(outdated_cards, target, dataset_id, card_files)
            sent = target.store(Upload(sources, manifests, check, outdated, force, bar.update))
    return Pushed(dataset_id, manifest.sha256, target.name, len(manifest.files), manifest.size, sent)


def _manifests(manifest: Manifest, cards: Mapping[str, bytes]) -> dict[str, bytes]:
    """What replaces older files of a remote: manifest.json after all that it names, then the cards, which tell of it."""
    content = manifest.to_json()
    return {
        f"{manifest.dataset_id}/{version_path(manifest.sha256)}": content,
        f"{manifest.dataset_id}/{LATEST}": content,
        **{f"{manifest.dataset_id}/{name}": card for name, card in cards.items()},
    }


def _manifest(
    folder: Path,
    files: list[SharedFile],
    raw: dict[str, Any],
    dataset_id: str,
    summary: Summary | None,
    cards: Mapping[str, bytes],
) -> Manifest:
    metadata = parse_metadata(raw, dataset_id)
    if summary is None:
        contexts = context_parts(folder, raw, dataset_id)
    else:
        contexts = parts_of_summary(summary, next(file.size for file in files if file.path == MAIN_PATH))
    return make_manifest(
        dataset_id,
        files,
        layout_version=metadata.layout_version if metadata else None,
        made_by=f"offctx {version('offctx')}",
        contexts=contexts,
        cards=hashes_of(cards),
    )
