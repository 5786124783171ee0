"""Whether a dataset on this disk is the one that a hash names."""

from offctx.data.sharing.folders import Stamps, hash_files
from offctx.data.sharing.manifest import content_hash
from offctx.data.storage.ids import dataset_folder
from offctx.data.storage.read import read_dataset
from offctx.data.storage.stored import StoredTransitions
from offctx.errors import DatasetError


def check_pinned(stored: StoredTransitions, sha256: str, stamps: Stamps) -> None:
    """Checks a dataset that has been read, or a part of one.

    Args:
        stored: the dataset; where it is a part, what was read has been compared with CRC-32 alone, which finds damage but no
            forgery, so all of the dataset is read here.
        sha256: its content hash, as `push` and lock files have it; or a checksum in its metadata (`sha256`, of the data, or
            `metadata_sha256`).
        stamps: of its files, as they were before they were read: what is hashed here is what was read.

    Raises:
        DatasetError: neither is the hash, the data do not fit their checksum, or the files changed since the stamps.
    """
    own = None if stored.metadata is None else stored.metadata.sha256
    if stored.metadata is not None and sha256 in (own, stored.metadata.metadata_sha256):
        if stored.numbers is not None:
            read_dataset(stored.dataset_id, cache=False)
        return
    found = content_hash(hash_files(dataset_folder(stored.dataset_id), stamps, stored.dataset_id))
    if sha256 != found:
        also = f", and checksum {own[:12]}..." if own else ""
        raise DatasetError(
            f"{stored.dataset_id} is not the dataset that is asked for: expected {str(sha256)[:12]}...; found content hash "
            f"{found[:12]}...{also}"
        )
