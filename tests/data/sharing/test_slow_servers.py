"""Web servers whose answers never end. Each sends something before every timeout of a single read."""

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import offctx
from offctx.data.sharing.remotes.http import HttpRemote
from offctx.data.sharing.remotes.remote import RemoteError
from offctx.data.validation import validate_dataset

ID = "test/pendulum-v0"
TIMEOUT = 0.3

_OK, _MOVED = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 Found\r\nLocation: /x\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "a long header": (_OK + b"X-Slow: ", b"a"),
    "many headers": (_OK, b"X: 1\r\n"),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "trailers": (_OK + _CHUNKED + b"0\r\n", b"X: 1\r\n"),
    "the size of a chunk": (_OK + _CHUNKED, b"0"),
    "a body": (_OK + b"Content-Length: 100000\r\n\r\n", b"a"),
    "a short redirection": (_MOVED + b"Content-Length: 900\r\n\r\n", b"a"),
    "a redirection": (_MOVED + _CHUNKED, b"9000\r\n" + b"a" * 0x9000 + b"\r\n"),
}

Answer = Callable[[socket.socket], None]


@contextlib.contextmanager
def _server(answer: Answer, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Calls `answer` with each connection, in a thread of its own; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            with connection:
                answer(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _endless(kind: str) -> Answer:
    """The beginning of an answer, and then the same bytes again and again, until the client closes the connection."""
    begin, again = ENDLESS[kind]

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(begin)
        while True:
            connection.sendall(again)
            time.sleep(0.01)

    return answer


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_answer_without_end_ends_in_time_and_the_next_mirror_is_asked(kind: str, remote: Path, datasets_path: Path) -> None:
    with _server(_endless(kind)) as port:
        begin = time.monotonic()
        pulled = offctx.pull([f"http://127.0.0.1:{port}", remote], ID, timeout=TIMEOUT, retries=0, progress=False)
        assert time.monotonic() - begin < 10 * TIMEOUT
    assert pulled.remote == str(remote)
    validate_dataset(ID)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with a new key and its certificate for 127.0.0.1, which is signed by itself."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).add_extension(address, critical=False)
    day = datetime.timedelta(days=1)
    signed = builder.not_valid_before(now - day).not_valid_after(now + day).sign(key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path = tmp_path / "certificate.pem"
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + signed.public_bytes(pem))
    return path


def test_the_same_over_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def good(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    with _server(good, context) as port:
        assert HttpRemote(f"https://127.0.0.1:{port}", timeout=30).read("x", 100) == b"hello"
    for kind in ("a long header", "trailers"):
        with _server(_endless(kind), context) as port:
            begin = time.monotonic()
            with pytest.raises(RemoteError, match=r"within 0.3 s"):
                HttpRemote(f"https://127.0.0.1:{port}", timeout=TIMEOUT).read("x", 100)
            assert time.monotonic() - begin < 10 * TIMEOUT


def test_a_tls_handshake_without_end_ends_in_time() -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"\x16\x03\x03\x40\x00")
        while True:
            connection.sendall(b"\x02")
            time.sleep(0.01)

    with _server(drip) as port:
        begin = time.monotonic()
        with pytest.raises(RemoteError):
            HttpRemote(f"https://127.0.0.1:{port}", timeout=TIMEOUT).read("x", 100)
        assert time.monotonic() - begin < 10 * TIMEOUT


def test_redirections_keep_their_connection() -> None:
    """A hub redirects each request. A new connection for each would make a pull slow."""
    connections = []

    def answer(connection: socket.socket) -> None:
        connections.append(connection)
        while request := connection.recv(65536):
            moved = b"302 Found\r\nLocation: /new\r\nContent-Length: 2\r\n\r\n.." if b"/old" in request else None
            connection.sendall(b"HTTP/1.1 " + (moved or b"200 OK\r\nContent-Length: 5\r\n\r\nhello"))

    with _server(answer) as port:
        remote = HttpRemote(f"http://127.0.0.1:{port}", timeout=30)
        assert remote.read("old", 100) == remote.read("old", 100) == b"hello"
    assert len(connections) == 1


def test_redirections_in_a_circle_are_an_error() -> None:
    def answer(connection: socket.socket) -> None:
        while connection.recv(65536):
            connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n")

    with _server(answer) as port, pytest.raises(RemoteError, match="redirects"):
        HttpRemote(f"http://127.0.0.1:{port}", timeout=30).read("x", 100)
