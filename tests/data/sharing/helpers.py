"""A web server with ranges and faults, and datasets to share."""

import contextlib
import http.server
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class WebFolder:
    """A folder served over HTTP. `fault` decides what a request for (path, first byte) suffers.

    Faults are "404", "503", "cut" (half of the bytes), "wrong" (one bit flipped), "shifted" (without the first byte), "stall"
    (half of the bytes, then nothing), "drip" (a byte now and then), or None.
    """

    folder: Path
    ranges: bool = True
    fault: Callable[[str, int], str | None] = lambda path, begin: None
    url: str = ""
    sent: int = 0
    requests: list[tuple[str, int, int]] = field(default_factory=list)
    closing: bool = False

    @property
    def sent_of_files(self) -> int:
        """Bytes of data files that were asked for."""
        return sum(end - begin for path, begin, end in self.requests if "/files/" in path)


@contextlib.contextmanager
def web_folder(folder: Path, **options: Any) -> Iterator[WebFolder]:
    web = WebFolder(folder, **options)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            file = web.folder / self.path.lstrip("/")
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
            begin = int(asked[1]) if asked and web.ranges else 0
            fault = web.fault(self.path, begin)
            if fault in ("404", "503") or not file.is_file():
                self.send_response(503 if fault == "503" else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            whole = file.read_bytes()
            content = bytearray(whole[begin : int(asked[2]) + 1] if asked and web.ranges else whole)
            if fault == "wrong":
                content[len(content) // 2] ^= 1
            said = len(content)
            if fault == "shifted":
                del content[0]
            self.send_response(206 if asked and web.ranges else 200)
            self.send_header("Content-Length", str(len(content)))
            if asked and web.ranges:
                self.send_header("Content-Range", f"bytes {begin}-{begin + said - 1}/{len(whole)}")
            self.end_headers()
            part = content[: len(content) // 2] if fault in ("cut", "stall", "drip") else content
            web.requests.append((self.path, begin, begin + len(part)))
            with contextlib.suppress(OSError):
                self.wfile.write(part)
                self.wfile.flush()
                web.sent += len(part)
                while fault in ("stall", "drip") and not web.closing:
                    time.sleep(0.05)
                    if fault == "drip":
                        self.wfile.write(b"\0")
            if fault:
                self.close_connection = True

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    web.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield web
    finally:
        web.closing = True
        server.shutdown()
        server.server_close()
        thread.join()
