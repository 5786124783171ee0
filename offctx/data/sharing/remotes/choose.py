"""From an address to its remote."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from offctx.data.sharing.remotes.folder import FolderRemote
from offctx.data.sharing.remotes.remote import Remote, RemoteError

_EXPECTED = (
    "expected a folder, or an address such as https://..., s3://bucket/folder, gs://bucket/folder or hf://datasets/org/name"
)


def open_remote(
    address: str | os.PathLike[str], *, timeout: float = 30.0, storage_options: Mapping[str, Any] | None = None
) -> Remote:
    """Returns the remote at an address. Nothing is read or written yet.

    Args:
        address: a folder, or an address that begins with http://, https://, s3://, gs://, hf://datasets/, file:// or what
            else fsspec knows.
        timeout: seconds to wait for an answer, or for bytes.
        storage_options: for fsspec.

    Raises:
        RemoteError: the address is malformed, or needs a package that is not installed.
    """
    text = os.fspath(address)
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise RemoteError(f"{_EXPECTED}; found {address!r}")
    if "://" not in text:
        return FolderRemote(Path(text))
    protocol = text.partition("://")[0].lower()
    if protocol == "file":
        return FolderRemote(Path(unquote(urlsplit(text).path)))
    if protocol in ("http", "https"):
        from offctx.data.sharing.remotes.http import HttpRemote

        return HttpRemote(text, timeout=timeout)
    if protocol == "hf":
        from offctx.data.sharing.remotes.hub import HubRemote

        return HubRemote(text, timeout=timeout)
    from offctx.data.sharing.remotes.cloud import CloudRemote

    return CloudRemote(text, storage_options or {})
