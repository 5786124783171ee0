"""The endpoints of the Hugging Face hub that its client calls to push and to read a dataset repository, served from memory."""

import base64
import contextlib
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

Answer = tuple[int, Any, dict[str, str]]


class Hub:
    """One repository `team/data`: its commits, each from paths to contents; and large files by their SHA-256."""

    def __init__(self) -> None:
        self.commits: list[tuple[str, dict[str, bytes]]] = []
        self.large: dict[str, bytes] = {}
        self.url = ""
        self.token: str | None = None  # where set, every request needs it

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[-1][1] if self.commits else {}

    def add(self, files: dict[str, bytes]) -> str:
        name = hashlib.sha1(json.dumps([len(self.commits), sorted(files)]).encode()).hexdigest()
        self.commits.append((name, files))
        return name

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        if revision == "main":
            return self.commits[-1] if self.commits else None
        return next((commit for commit in self.commits if commit[0] == revision), None)


def _info(hub: Hub, match: re.Match[str], body: bytes, asked: str) -> Answer:
    commit = hub.at(match[1] or "main")
    if commit is None:
        return 404, {"error": "no repository"}, {"X-Error-Code": "RepoNotFound"}
    rows = [{"rfilename": name} for name in commit[1]]
    return 200, {"id": "team/data", "sha": commit[0], "private": False, "siblings": rows, "tags": []}, {}


def _tree(hub: Hub, match: re.Match[str], body: bytes, asked: str) -> Answer:
    _, files = hub.at(match[1]) or ("", {})
    return 200, [_entry(hub, name, content) for name, content in files.items()], {}


def _entry(hub: Hub, name: str, content: bytes) -> dict[str, Any]:
    oid, sha256 = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(), hashlib.sha256(content).hexdigest()
    large = {"lfs": {"oid": sha256, "size": len(content), "pointerSize": 134}} if sha256 in hub.large else {}
    return {"type": "file", "path": name, "size": len(content), "oid": oid, **large}


def _resolve(hub: Hub, match: re.Match[str], body: bytes, asked: str) -> Answer:
    _, files = hub.at(match[1]) or ("", {})
    content = files.get(match[2])
    if content is None:
        return 404, {"error": "no entry"}, {"X-Error-Code": "EntryNotFound"}
    if part := re.fullmatch(r"bytes=(\d+)-(\d+)", asked):
        begin, end = int(part[1]), min(int(part[2]) + 1, len(content))
        return 206, content[begin:end], {"Content-Range": f"bytes {begin}-{end - 1}/{len(content)}"}
    return 200, content, {}


def _create(hub: Hub, match: re.Match[str], body: bytes, asked: str) -> Answer:
    address = {"url": f"{hub.url}/datasets/team/data", "id": "1"}
    if hub.commits:
        return 409, {"error": "it is there", **address}, {}
    hub.add({})
    return 200, address, {}


def _preupload(hub: Hub, match: re.Match[str], body: bytes, asked: str) -> Answer:
    paths = [file["path"] for file in json.loads(body)["files"]]
    modes = ["lfs" if path.endswith(".hdf5") else "regular" for path in paths]
    rows = [{"path": path, "uploadMode": mode, "shouldIgnore": False} for path, mode in zip(paths, modes, strict=True)]
    return 200, {"files": rows}, {}


def _batch(hub: Hub, match: re.Match[str], body: bytes, asked: str) -> Answer:
    rows = []
    for item in json.loads(body)["objects"]:
        upload = {"actions": {"upload": {"href": f"{hub.url}/upload/{item['oid']}", "header": {}}}}
        rows.append({**item, "authenticated": True, **({} if item["oid"] in hub.large else upload)})
    return 200, {"transfer": "basic", "objects": rows}, {"Content-Type": "application/vnd.git-lfs+json"}


def _upload(hub: Hub, match: re.Match[str], body: bytes, asked: str) -> Answer:
    hub.large[match[1]] = body
    return 200, {}, {}


def _commit(hub: Hub, match: re.Match[str], body: bytes, asked: str) -> Answer:
    files = dict(hub.files)
    for line in body.splitlines():
        row = json.loads(line)
        if row["key"] == "file":
            files[row["value"]["path"]] = base64.b64decode(row["value"]["content"])
        elif row["key"] == "lfsFile":
            files[row["value"]["path"]] = hub.large[row["value"]["oid"]]
    name = hub.add(files)
    return 200, {"success": True, "commitOid": name, "commitUrl": f"{hub.url}/datasets/team/data/commit/{name}"}, {}


def _yaml(hub: Hub, match: re.Match[str], body: bytes, asked: str) -> Answer:
    return 200, {"errors": [], "warnings": []}, {}


_ROUTES: list[tuple[str, str, Callable[[Hub, re.Match[str], bytes, str], Answer]]] = [
    ("GET", r"/api/datasets/team/data(?:/revision/([^/]+))?", _info),
    ("GET", r"/api/datasets/team/data/tree/([^/]+)(?:/.*)?", _tree),
    ("GET", r"/datasets/team/data/resolve/([^/]+)/(.*)", _resolve),
    ("POST", r"/api/repos/create", _create),
    ("POST", r"/api/datasets/team/data/preupload/[^/]+", _preupload),
    ("POST", r"/datasets/team/data\.git/info/lfs/objects/batch", _batch),
    ("PUT", r"/upload/([0-9a-f]+)", _upload),
    ("POST", r"/api/datasets/team/data/commit/[^/]+", _commit),
    ("POST", r"/api/validate-yaml", _yaml),
]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def _route(self) -> Answer:
        body, path = self._body(), self.path.partition("?")[0]
        if self.hub.token is not None and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return 401, {"error": "Invalid credentials"}, {}
        for method, pattern, answer in _ROUTES:
            if method == self.command and (match := re.fullmatch(pattern, path)):
                return answer(self.hub, match, body, self.headers.get("Range") or "")
        return 404, {"error": f"the test's hub does not know {self.command} {path}"}, {}

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def do_GET(self) -> None:
        status, content, headers = self._route()
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_GET  # noqa: N815  # names that http.server asks for


@contextlib.contextmanager
def hub_server() -> Iterator[Hub]:
    hub = Hub()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
