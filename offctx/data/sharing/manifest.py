"""The manifest of a dataset: its files, the hashes of their blocks, one content hash over all, and where contexts lie.

Manifests come from strangers. `parse_manifest` checks everything that later code relies on.

Dimensions: K contexts, p context, B blocks of a file.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic

from offctx.data.sharing.names import check_names
from offctx.data.storage.block_hashes import block_count, block_size_of, hash_of_blocks
from offctx.errors import DatasetError
from offctx.words import first_fault

MANIFEST_VERSION = 1
LARGEST_MANIFEST = 64 * 1024 * 1024  # bytes
_MOST_FILES = 100_000
_MOST_BYTES = 1 << 50
METADATA_PATH = "data/metadata.json"
MAIN_PATH = "data/main_data.hdf5"

Sha256 = Annotated[str, pydantic.StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, pydantic.Field(ge=0, le=_MOST_BYTES)]
Finite = Annotated[float, pydantic.Field(allow_inf_nan=False)]


CardName = Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True)


class SharedFile(_Strict):
    """A file of a dataset.

    Attributes:
        path: relative to the dataset's folder, with "/".
        size: in bytes.
        block_size: in bytes; what `block_size_of` gives.
        sha256: `hash_of_blocks` of the blocks.
        blocks: SHA-256 of each block, in hex (B,).
    """

    path: str
    size: Count
    block_size: Count
    sha256: Sha256
    blocks: list[Sha256]

    def stored_as(self) -> str:
        """Where a remote has the file, relative to the dataset's folder there: a name that belongs to this content alone."""
        return f"files/{self.sha256}/{self.path.rpartition('/')[2]}"


class ContextPart(_Strict):
    """Where the episodes of one context are.

    Attributes:
        values: the context (p,).
        episodes: runs [first, end) of episode numbers.
        places: of these episodes' groups in `MAIN_PATH`: the first byte of each, in the order of their numbers. The index from
            names to places is spread over the file, and would have to be fetched.
        bytes: runs [begin, end) of bytes in `MAIN_PATH` that hold these episodes.
    """

    values: list[Finite]
    episodes: list[tuple[Count, Count]]
    places: list[Count]
    bytes: list[tuple[Count, Count]]


class Manifest(_Strict):
    """What a push puts beside the files of a dataset.

    Attributes:
        manifest_version: of this format.
        dataset_id: Minari id.
        layout_version: of offctx; None for plain Minari data.
        made_by: the offctx that pushed.
        sha256: the content hash: over path, size and hash of every file.
        files: sorted by path.
        contexts: (K,), in the order in which they first appear; None where the dataset has no contexts, or is not in HDF5.
        cards: from the names of the cards beside manifest.json to their SHA-256. They are written after it, so a card of
            another hash is of another version.
        checksum: SHA-256 over all of the manifest but itself.
    """

    manifest_version: Literal[1]
    dataset_id: str
    layout_version: Count | None
    made_by: str
    sha256: Sha256
    files: list[SharedFile]
    contexts: list[ContextPart] | None
    cards: dict[CardName, Sha256] = {}  # pydantic copies it
    checksum: Sha256

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def file(self, path: str) -> SharedFile | None:
        """The file of this path, or None."""
        return next((file for file in self.files if file.path == path), None)

    def to_json(self) -> bytes:
        """The bytes of manifest.json."""
        return _canonical(self.model_dump(mode="json"))


def make_manifest(
    dataset_id: str,
    files: list[SharedFile],
    *,
    layout_version: int | None,
    made_by: str,
    contexts: list[ContextPart] | None,
    cards: Mapping[str, str] | None = None,
) -> Manifest:
    """Makes a manifest; its arguments are the attributes of `Manifest`."""
    files = sorted(files, key=lambda file: file.path)
    body: dict[str, Any] = {
        "manifest_version": MANIFEST_VERSION,
        "dataset_id": dataset_id,
        "layout_version": layout_version,
        "made_by": made_by,
        "sha256": content_hash(files),
        "files": [file.model_dump(mode="json") for file in files],
        "contexts": None if contexts is None else [part.model_dump(mode="json") for part in contexts],
        "cards": dict(cards or {}),
    }
    return parse_manifest(_canonical(body | {"checksum": _checksum(body)}), f"the manifest of {dataset_id}")


def content_hash(files: list[SharedFile]) -> str:
    """Returns the content hash of a dataset: the same wherever and whenever its files are the same."""
    listed = sorted([file.path, file.size, file.sha256] for file in files)
    return hashlib.sha256(_canonical(listed)).hexdigest()


def parse_manifest(content: bytes, source: str) -> Manifest:
    """Parses manifest.json, and checks it against itself.

    Args:
        content: its bytes.
        source: for messages, such as its address.

    Returns:
        A manifest whose names are safe, whose sizes fit, and whose hashes agree.

    Raises:
        DatasetError: it is damaged, hostile, or of a later version.
    """
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{source} is not JSON: {error}") from error
    version = raw.get("manifest_version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > MANIFEST_VERSION:
        raise DatasetError(f"{source} has manifest version {version}; this offctx reads {MANIFEST_VERSION}: update offctx")
    try:
        manifest = Manifest.model_validate_json(content)
    except pydantic.ValidationError as error:
        raise DatasetError(f"{source} is not a manifest: {first_fault(error)}") from error
    except RecursionError as error:
        raise DatasetError(f"{source} is not a manifest: {error}") from error
    if _checksum({key: value for key, value in raw.items() if key != "checksum"}) != manifest.checksum:
        raise DatasetError(f"{source} does not fit its checksum: it was changed or damaged")
    _check_files(manifest, source)
    _check_contexts(manifest, source)
    return manifest


def _check_files(manifest: Manifest, source: str) -> None:
    if len(manifest.files) > _MOST_FILES or manifest.size > _MOST_BYTES:
        raise DatasetError(f"{source} names {len(manifest.files)} files of {manifest.size} bytes, which is too much")
    check_names((file.path for file in manifest.files), source)
    if manifest.file(METADATA_PATH) is None:
        raise DatasetError(f"{source} names no {METADATA_PATH}, which every Minari dataset has")
    for file in manifest.files:
        if file.block_size != block_size_of(file.size) or len(file.blocks) != block_count(file.size):
            raise DatasetError(
                f"{source}: {file.path} of {file.size} bytes has {len(file.blocks)} blocks of {file.block_size} bytes"
            )
        if hash_of_blocks(file.blocks) != file.sha256:
            raise DatasetError(f"{source}: the hash of {file.path} does not fit the hashes of its blocks")
    if content_hash(manifest.files) != manifest.sha256:
        raise DatasetError(f"{source}: the content hash does not fit the files")


def _check_contexts(manifest: Manifest, source: str) -> None:
    main = manifest.file(MAIN_PATH)
    for part in manifest.contexts or []:
        if main is None or any(not begin < end <= main.size for begin, end in part.bytes):
            raise DatasetError(f"{source}: a context lies outside {MAIN_PATH}")
        if any(not first < end for first, end in part.episodes):
            raise DatasetError(f"{source}: a context has a run of episodes that ends before it begins")
        if len(part.places) != sum(end - first for first, end in part.episodes):
            raise DatasetError(f"{source}: a context has {len(part.places)} places of episodes, and another number of episodes")


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(body)).hexdigest()


def _canonical(data: Any) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode("ascii")
