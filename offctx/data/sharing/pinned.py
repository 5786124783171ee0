"""Whether a dataset on this disk is the one that a hash names."""

from offctx.data.sharing.folders import dataset_hash
from offctx.data.storage.read import read_dataset
from offctx.data.storage.stored import StoredTransitions
from offctx.errors import DatasetError


def check_pinned(stored: StoredTransitions, sha256: str) -> None:
    """Checks a dataset that has been read, or a part of one.

    Args:
        stored: the dataset; where it is a part, what was read has been compared with CRC-32 alone, which finds damage but no
            forgery, so all of the dataset is read here.
        sha256: its content hash, as `push` and lock files have it; or a checksum in its metadata (`sha256`, of the data, or
            `metadata_sha256`).

    Raises:
        DatasetError: neither is the hash, or the data do not fit their checksum.
    """
    own = None if stored.metadata is None else stored.metadata.sha256
    if stored.metadata is not None and sha256 in (own, stored.metadata.metadata_sha256):
        if stored.numbers is not None:
            read_dataset(stored.dataset_id, cache=False)
        return
    content_hash = dataset_hash(stored.dataset_id)
    if sha256 != content_hash:
        also = f", and checksum {own[:12]}..." if own else ""
        raise DatasetError(
            f"{stored.dataset_id} is not the dataset that is asked for: expected {str(sha256)[:12]}...; found content hash "
            f"{content_hash[:12]}...{also}"
        )
