"""HTTP whose answers come in time, or not at all.

A timeout of `requests` bounds the wait for each piece of an answer: a server that sends a byte now and then, or headers without
end, is never late. Here a request as a whole has a deadline. Each read from the connection waits until that at most.
"""

import io
import threading
import time
from http.client import HTTPResponse
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_MOST_REDIRECTS = 10
_SHORT = 16 * 1024  # bytes of a redirection that are read, so that its connection can be used again


class Deadline(threading.local):
    """The time by which what a thread reads from HTTP connections must have come; each thread has its own."""

    _answer = _request = 0.0

    def begin_request(self, timeout: float) -> None:
        """Gives a new request `timeout` seconds to be answered, and as many for the connections that it needs."""
        self._answer = time.monotonic() + timeout
        self._request = self._answer + timeout

    def begin_read(self, timeout: float) -> None:
        """Gives a read of an answer's body `timeout` seconds."""
        self._answer = time.monotonic() + timeout

    def allow(self, connecting: float) -> None:
        """Does not count the seconds that were spent on connecting, within the limit of the request."""
        self._answer = min(self._answer + connecting, self._request)

    def remaining(self) -> float:
        """Returns the seconds that are left. Raises TimeoutError where there are none."""
        seconds = self._answer - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the answer took too long")
        return seconds


deadline = Deadline()


def new_session() -> requests.Session:
    """Returns a session, for one thread, whose answers and their redirections keep to `deadline`."""
    session = requests.Session()
    session.max_redirects = _MOST_REDIRECTS
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


class _TimedReader(io.RawIOBase):
    """The bytes that a socket receives before the deadline."""

    def __init__(self, sock: Any) -> None:
        self._sock, self._raw = sock, sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(deadline.remaining())
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedFile:
    """What `HTTPResponse` takes for a socket: it opens a file of it, and nothing more."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock))


class _TimedResponse(HTTPResponse):
    """Status, headers, body and trailers are read before the deadline."""

    def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
        super().__init__(_TimedFile(sock), *args, **options)  # type: ignore[arg-type]


class _TimedConnection(HTTPConnection):
    response_class = _TimedResponse

    def connect(self) -> None:
        begin = time.monotonic()
        super().connect()  # with its own timeout, for each address of the server and for a TLS handshake
        deadline.allow(time.monotonic() - begin)


class _TimedTLSConnection(_TimedConnection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _TimedConnection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TimedTLSConnection


class _Adapter(HTTPAdapter):
    """Opens timed connections, and does not read long redirections."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        return manager

    def send(self, *args: Any, **options: Any) -> requests.Response:
        answer = super().send(*args, **options)
        length = answer.headers.get("Content-Length", "")
        if answer.is_redirect and not (length.isdecimal() and len(length) < 10 and int(length) <= _SHORT):
            answer.close()  # `requests` would read all of it
        return answer
