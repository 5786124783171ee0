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

import numpy as np

import offctx
from offctx.data.storage.ids import dataset_folder
from offctx.envs.resolve import resolve
from tools.benchmark.bench import ENV, HORIZON, Bench, Size
from tools.benchmark.race import Measurement, Race
from tools.benchmark.timing import alternate, timed

EPISODES = Size(full=34_000, quick=100)  # of 200 steps; 29.4 kB each
_PIECE = 1 << 20


def push(bench: Bench) -> Measurement:
    """Pushing to an empty folder."""
    with _large_dataset(bench) as (dataset_id, work):

        def ours() -> float:
            shutil.rmtree(work / "remote", ignore_errors=True)
            return timed(lambda: offctx.push(dataset_id, work / "remote", progress=False))

        times = alternate(ours, _copy_and_hash(dataset_id, work), bench.repeats)
    return Measurement(_what(bench, "offctx.push(id, folder), with cards, into an empty folder"), *times)


def pull(bench: Bench) -> Measurement:
    """Pulling over HTTP from a server in another process."""
    with _large_dataset(bench) as (dataset_id, work):
        offctx.push(dataset_id, work / "remote", progress=False)
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
    return (
        f"{ours}, against copying all files with shutil.copyfile and hashing the originals with SHA-256; "
        f"{bench.size(EPISODES):,} episodes of {HORIZON} steps of {ENV} in 20 contexts, with derivatives, which were collected "
        f"just before"
    )


@contextlib.contextmanager
def _large_dataset(bench: Bench) -> Iterator[tuple[str, Path]]:
    """A dataset of many episodes, on the disk of all datasets; and a folder to work in."""
    root = Path(os.environ["MINARI_DATASETS_PATH"])
    episodes = bench.size(EPISODES)
    name = f"benchmark/shared{episodes}-v0"
    contexts = resolve(ENV).env.context_space.sample(np.random.default_rng(0), 20)
    offctx.collect(ENV, name, contexts=contexts, episodes_per_context=episodes // 20, seed=0, progress=False)
    with tempfile.TemporaryDirectory(dir=root.parent) as work:
        try:
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
