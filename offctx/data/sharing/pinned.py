"""Whether a dataset on this disk is the one that a hash names."""

from offctx.data.sharing.folders import dataset_hash
from offctx.data.storage.stored import StoredHeader
from offctx.errors import DatasetError


def check_pinned(stored: StoredHeader, sha256: str) -> None:
    """Checks a dataset that has been read.

    Args:
        stored: the dataset, whose own checksum has been verified.
        sha256: its content hash, as `push` and lock files have it; or a checksum in its metadata (`sha256`, of the data, or
            `metadata_sha256`).

    Raises:
        DatasetError: neither is the hash.
    """
    own = None if stored.metadata is None else stored.metadata.sha256
    if stored.metadata is not None and sha256 in (own, stored.metadata.metadata_sha256):
        return
    content_hash = dataset_hash(stored.dataset_id)
    if sha256 != content_hash:
        also = f", and checksum {own[:12]}..." if own else ""
        raise DatasetError(
            f"{stored.dataset_id} is not the dataset that is asked for: expected {str(sha256)[:12]}...; found content hash "
            f"{content_hash[:12]}...{also}"
        )
