"""What every read dataset must satisfy: metadata, arrays and checksum agree."""

from typing import Any

from gymnasium import spaces

from offctx.data.checksums import metadata_checksum
from offctx.data.metadata import METADATA_KEY, Metadata
from offctx.data.storage.stored import StoredDataset, StoredHeader
from offctx.errors import DatasetError

_KINDS = {"terminations": "biu", "truncations": "biu", "actions": "fiu", "rewards": "fiu"}  # of observations: verify_shapes


def verify_types(stored: StoredDataset) -> None:
    """Raises DatasetError where an array holds something else than numbers of its kind, such as text or objects."""
    for name, array in stored.episodes.arrays().items():
        kinds = _KINDS.get(name, "fiu")
        if array.dtype.kind not in kinds or array.dtype.itemsize > 8:
            expected = "booleans" if "b" in kinds else "real numbers"
            raise DatasetError(f"{stored.dataset_id}: {name} are {array.dtype}; expected {expected} of at most 64 bits")


def verify_counts(stored: StoredDataset) -> None:
    """Raises DatasetError where the metadata count other episodes or steps than the data hold."""
    counts = {"total_episodes": len(stored.episodes.lengths), "total_steps": int(stored.episodes.lengths.sum())}
    for key, count in counts.items():
        if stored.raw.get(key) != count:
            raise DatasetError(f"{stored.dataset_id}: metadata say {key} {stored.raw.get(key)}, the data hold {count}")


def verify_data(stored: StoredDataset) -> None:
    """Raises DatasetError where the SHA-256 of the data is not the one in the metadata."""
    if stored.metadata is None:
        return
    if stored.episodes.checksum() != stored.metadata.sha256:
        raise DatasetError(changed_data(stored))


def changed_data(header: StoredHeader) -> str:
    """The message where data do not fit their checksum."""
    sha256 = header.metadata.sha256 if header.metadata else ""
    return (
        f"{header.dataset_id}: the data do not fit their checksum {sha256[:12]}...: they were changed or damaged after they "
        f"were written"
    )


def verify_metadata(raw: dict[str, Any], metadata: Metadata | None, dataset_id: str) -> None:
    """Raises DatasetError where metadata.json does not fit its checksum, which it has from layout version 2 on."""
    if metadata is None or (metadata.layout_version == 1 and metadata.metadata_sha256 is None):
        return
    if metadata_checksum(raw, METADATA_KEY) != metadata.metadata_sha256:
        raise DatasetError(
            f"{dataset_id}: metadata.json does not fit its checksum {str(metadata.metadata_sha256)[:12]}...: it was changed or "
            f"damaged after it was written"
        )


def verify_shapes(stored: StoredDataset) -> None:
    """Raises DatasetError where rows of observations or actions have another shape or kind of number than their space."""
    for name, space in (("observations", stored.observation_space), ("actions", stored.action_space)):
        array = getattr(stored.episodes, name)
        shape = array.shape[1:]
        if shape != space.shape and not (space.shape == () and shape == (1,)):
            raise DatasetError(f"{stored.dataset_id}: {name} have rows of shape {shape}; their space says {space.shape}")
        kinds = "f" if name == "observations" else ("iu" if isinstance(space, spaces.Discrete) else "fiu")
        if array.dtype.kind not in kinds:
            raise DatasetError(f"{stored.dataset_id}: {name} are {array.dtype}; their space is {space}")
