"""Files on a web server, to be read. Parts of files are asked for by Range; a server that ignores it sends whole files."""

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import requests
import urllib3

from offctx.data.sharing.remotes.http_session import deadline, new_session
from offctx.data.sharing.remotes.remote import Interrupted, Missing, RemoteError, Upload

_LATER = {408, 425, 429, 500, 502, 503, 504}  # status codes of a server that may answer later
_PIECE = 1024 * 1024  # bytes read at once, at most
_LONGEST = 86_400.0  # seconds, which sockets can count
_SLOWEST = 1024  # bytes a second, over the time of `timeout`; below, a connection counts as dead


class HttpRemote:
    """A remote on a web server.

    Args:
        url: of the folder that was pushed to.
        timeout: seconds to wait for a connection; for an answer to its last header, through all redirections; and for bytes.
        headers: sent with every request, such as an authorization.
    """

    def __init__(self, url: str, *, timeout: float, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(url)
        if parts.query or parts.fragment or not parts.hostname:
            raise RemoteError(
                f"expected the address of a folder, such as https://example.org/datasets; found {without_password(url)!r}"
            )
        self.name = without_password(url).rstrip("/")
        self._base = url.rstrip("/")
        self._timeout = min(timeout, _LONGEST)
        self._headers = {"Accept-Encoding": "identity", **(headers or {})}
        self._local = threading.local()

    def read(self, path: str, limit: int) -> bytes:
        """As `Remote`."""
        with self._answer(path, {}) as (answer, address):
            content = bytearray()
            stream = _HttpStream(answer, 0, address, self._timeout)
            buffer = memoryview(bytearray(_PIECE))
            while count := stream.readinto(buffer):
                content += buffer[:count]
                if len(content) > limit:
                    raise RemoteError(f"{address} is larger than {limit} bytes")
            return bytes(content)

    @contextlib.contextmanager
    def stream(self, path: str, begin: int, end: int) -> Iterator["_HttpStream"]:
        """As `Remote`."""
        with self._answer(path, {"Range": f"bytes={begin}-{end - 1}"}) as (answer, address):
            yield _HttpStream(answer, begin, address, self._timeout)

    def dataset_ids(self) -> list[str] | None:
        """As `Remote`: web servers cannot be listed."""
        return None

    def store(self, upload: Upload) -> int:
        """Raises RemoteError: web servers are read only."""
        raise RemoteError(
            f"cannot push to {self.name}: web servers are read only. Push to the folder that the server serves, or to "
            f"s3://, gs:// or hf://datasets/"
        )

    @contextlib.contextmanager
    def _answer(self, path: str, headers: dict[str, str]) -> Iterator[tuple[requests.Response, str]]:
        """An answer whose body has not been read."""
        address = f"{self.name}/{path}"
        deadline.begin_request(self._timeout)
        try:
            answer = self._session().get(
                f"{self._base}/{quote(path)}", headers=self._headers | headers, stream=True, timeout=self._timeout
            )
        except requests.Timeout as error:
            raise Interrupted(f"{address}: no answer within {self._timeout:g} s") from error
        except requests.ConnectionError as error:
            raise Interrupted(f"{address}: no connection ({_reason(error)})") from error
        except (requests.RequestException, ValueError) as error:
            raise RemoteError(f"{address}: {error}") from error
        with answer:
            if answer.status_code in (404, 410):
                raise Missing(f"{address} is not there (HTTP {answer.status_code})")
            if answer.status_code not in (200, 206):
                kind = Interrupted if answer.status_code in _LATER else RemoteError
                raise kind(f"{address}: the server answers HTTP {answer.status_code} {answer.reason}")
            yield answer, address

    def _session(self) -> requests.Session:
        """One session a thread: they are not made for several."""
        if getattr(self._local, "owner", None) != os.getpid():
            self._local.session, self._local.owner = new_session(), os.getpid()
        session: requests.Session = self._local.session
        return session


class _HttpStream:
    def __init__(self, answer: requests.Response, begin: int, address: str, timeout: float) -> None:
        self.partial = answer.status_code == 206
        self.begin = begin if self.partial else 0
        if self.partial:
            _check_range(answer.headers, begin, address)
        self._raw, self._address, self._timeout = answer.raw, address, timeout
        self._since, self._count = time.monotonic(), 0

    def readinto(self, buffer: memoryview) -> int:
        deadline.begin_read(self._timeout)
        try:
            content = self._raw.read1(min(len(buffer), _PIECE), decode_content=False)
        except (TimeoutError, urllib3.exceptions.TimeoutError) as error:
            raise Interrupted(f"{self._address}: no byte of the file within {self._timeout:g} s") from error
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise Interrupted(f"{self._address}: the connection was cut ({error})") from error
        buffer[: len(content)] = content
        self._check_speed(len(content))
        return len(content)

    def _check_speed(self, count: int) -> None:
        """Raises RemoteError where bytes arrive, and hardly any: such a server would never be done."""
        self._count += count
        elapsed = time.monotonic() - self._since
        if elapsed >= self._timeout:
            if self._count < _SLOWEST * elapsed:
                raise RemoteError(f"{self._address} is too slow: {self._count} bytes in {elapsed:.0f} s")
            self._since, self._count = time.monotonic(), 0


def _check_range(headers: Mapping[str, str], begin: int, address: str) -> None:
    """Raises RemoteError where a part of a file is not from `begin` on, or has fewer bytes than the server says."""
    said, length = headers.get("Content-Range", ""), headers.get("Content-Length", "")
    match = re.match(rf"bytes {begin}-(\d{{1,18}})\b", said)
    if match is None:
        raise RemoteError(f"{address}: asked for bytes from {begin} on; found {said!r}")
    if re.fullmatch(r"[0-9]{1,18}", length) and int(length) < int(match[1]) + 1 - begin:
        raise RemoteError(f"{address}: the server sends other bytes than asked for: {length} of them, which it calls {said!r}")


def without_password(url: str) -> str:
    """Returns an address without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else url


def _reason(error: Any) -> str:
    """The innermost reason of a failed connection, short."""
    while getattr(error, "args", None) and isinstance(error.args[0], BaseException):
        error = error.args[0]
    return str(getattr(error, "reason", error))[:200]
