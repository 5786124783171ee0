"""A dataset pushed to a folder, and pulled over loopback HTTP, against copying and hashing its files once."""

import contextlib
import hashlib
import http.server
import multiprocessing
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import offctx
from offctx.data.storage.ids import dataset_folder
from tools.benchmark.bench import Bench, Size
from tools.benchmark.race import Measurement, Race
from tools.benchmark.timing import alternate, timed

FILLER = Size(full=1_000_000_000, quick=1_000_000)  # bytes of a file of noise beside the dataset's own
_PIECE = 1 << 20


def push(bench: Bench) -> Measurement:
    """Pushing to an empty folder."""
    with _large_dataset(bench) as (dataset_id, work):

        def ours() -> float:
            shutil.rmtree(work / "remote", ignore_errors=True)
            return timed(lambda: offctx.push(dataset_id, work / "remote", cards=False, progress=False))

        times = alternate(ours, _copy_and_hash(dataset_id, work), bench.repeats)
    return Measurement(_what(bench, "offctx.push(id, folder) without cards, into an empty folder"), *times)


def pull(bench: Bench) -> Measurement:
    """Pulling over HTTP from a server in another process."""
    with _large_dataset(bench) as (dataset_id, work):
        offctx.push(dataset_id, work / "remote", cards=False, progress=False)
        elsewhere = work / "elsewhere"

        def ours() -> float:
            shutil.rmtree(elsewhere, ignore_errors=True)
            elsewhere.mkdir()
            before = os.environ["MINARI_DATASETS_PATH"]
            os.environ["MINARI_DATASETS_PATH"] = str(elsewhere)
            try:
                return timed(lambda: offctx.pull(url, dataset_id, progress=False))
            finally:
                os.environ["MINARI_DATASETS_PATH"] = before

        with _served(work / "remote") as url:
            times = alternate(ours, _copy_and_hash(dataset_id, work), bench.repeats)
    return Measurement(_what(bench, "offctx.pull(url, id) over loopback from a server in another process"), *times)


def _what(bench: Bench, ours: str) -> str:
    size = bench.size(FILLER) / 1e9
    return (
        f"{ours}, against copying all files with shutil.copyfile and hashing the originals with SHA-256; {size:g} GB that the "
        f"system has read before"
    )


@contextlib.contextmanager
def _large_dataset(bench: Bench) -> Iterator[tuple[str, Path]]:
    """A dataset with a large file, on the disk of all datasets; and a folder to work in."""
    root = Path(os.environ["MINARI_DATASETS_PATH"])
    name = f"benchmark/shared{bench.size(FILLER)}-v0"
    offctx.collect("offctx/PendulumGoal-v0", name, episodes_per_context=2, seed=0, progress=False)
    with tempfile.TemporaryDirectory(dir=root.parent) as work:
        try:
            with (dataset_folder(name) / "data" / "noise.bin").open("wb") as file:
                for begin in range(0, bench.size(FILLER), _PIECE):
                    file.write(os.urandom(min(_PIECE, bench.size(FILLER) - begin)))
            yield name, Path(work)
        finally:
            shutil.rmtree(dataset_folder(name))


def _copy_and_hash(dataset_id: str, work: Path) -> Callable[[], float]:
    def run() -> None:
        for path in (dataset_folder(dataset_id) / "data").iterdir():
            shutil.copyfile(path, work / "copy")
            with path.open("rb") as file:
                hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)

    return lambda: timed(run)


def _digest(file: Any) -> str:
    digest = hashlib.sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


class _Ranges(http.server.BaseHTTPRequestHandler):
    """Sends files, or parts of them, without copying them through Python."""

    protocol_version = "HTTP/1.1"
    folder: Path

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = self.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        size = path.stat().st_size
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        begin, end = (int(part[1]), min(int(part[2]) + 1, size)) if part else (0, size)
        self.send_response(206 if part else 200)
        self.send_header("Content-Length", str(end - begin))
        if part:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{size}")
        self.end_headers()
        self.wfile.flush()
        with path.open("rb") as file:
            while begin < end:
                begin += os.sendfile(self.connection.fileno(), file.fileno(), begin, end - begin)


def _serve(folder: Path, port: Any) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Ranges,), {"folder": folder}))
    port.send(server.server_port)
    server.serve_forever()


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[str]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(folder, theirs), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


RACES = (
    Race("push-folder", push, target=150, percent=True),
    Race("pull-http", pull, target=150, percent=True),
)
