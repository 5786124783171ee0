"""Pull and push, killed by SIGKILL at every moment: nothing half-written, and the next call goes on where this one was."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import offctx
from offctx.data.sharing.folders import dataset_hash
from offctx.data.sharing.manifest import Manifest, parse_manifest
from offctx.data.sharing.remotes.parts import PARTS
from offctx.data.storage.block_hashes import hash_blocks

ID = "test/pendulum-v0"
_CHANGES = ("open", "os.", "shutil.", "tempfile.")


def _killed_at(work: Callable[[], object], moment: int) -> bool:
    """Runs work in a child that is killed before its file-system call of this number; whether it came so far."""
    child = os.fork()
    if child == 0:
        calls = [0]

        def count(event: str, _: object) -> None:
            if event.startswith(_CHANGES):
                calls[0] += 1
                if calls[0] == moment:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(count)
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the work failed before it was killed"
    return os.WIFSIGNALED(status)


def _manifest(remote: Path) -> Manifest:
    return parse_manifest((remote / ID / "manifest.json").read_bytes(), "it")


def _blocks_here(datasets_path: Path, manifest: Manifest) -> int:
    """Blocks of an unfinished pull that are right."""
    here = 0
    for file in manifest.files:
        for path in (datasets_path / ".offctx-pulls").rglob(Path(file.path).name):
            if path.stat().st_size == file.size:
                here += sum(one == other for one, other in zip(hash_blocks(path, file.size), file.blocks, strict=True))
    return here


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_a_killed_pull_goes_on(remote: Path, datasets_path: Path, step: int) -> None:
    manifest = _manifest(remote)
    total = sum(len(file.blocks) for file in manifest.files)
    killed = 0
    for moment in range(1, 10_000, step):
        again = _killed_at(lambda: offctx.pull(remote, ID, progress=False), moment)
        if (datasets_path / ID).exists():
            assert dataset_hash(ID) == manifest.sha256
        elif again:
            here = _blocks_here(datasets_path, manifest)
            assert offctx.pull(remote, ID, progress=False).blocks == total - here
        assert dataset_hash(ID) == manifest.sha256
        offctx.pull(remote, ID, progress=False)  # cleans up after one that was killed when it had published
        assert sorted(path.name for path in datasets_path.iterdir()) == ["test"]
        shutil.rmtree(datasets_path / "test")
        killed += again
        if not again:
            break
    assert killed > 8


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_a_killed_push_leaves_the_version_before(library, datasets_path: Path, tmp_path: Path, tree, step: int) -> None:
    shutil.copytree(library.root / ID, datasets_path / ID)
    offctx.push(ID, tmp_path / "first", cards=False, progress=False)
    metadata = datasets_path / ID / "data" / "metadata.json"
    metadata.write_text(metadata.read_text() + " ")
    shutil.copytree(tmp_path / "first", tmp_path / "both")
    offctx.push(ID, tmp_path / "both", cards=False, progress=False)
    old, new = (_manifest(tmp_path / name) for name in ("first", "both"))
    killed = 0
    for moment in range(1, 10_000, step):
        shutil.copytree(tmp_path / "first", tmp_path / "remote")
        again = _killed_at(lambda: offctx.push(ID, tmp_path / "remote", cards=False, progress=False), moment)
        seen = _manifest(tmp_path / "remote")
        assert seen in (old, new)
        for file in seen.files:
            assert hash_blocks(tmp_path / "remote" / ID / file.stored_as(), file.size) == file.blocks
        offctx.push(ID, tmp_path / "remote", cards=False, progress=False)
        assert tree(tmp_path / "remote") == tree(tmp_path / "both")  # unfinished files are gone, too
        shutil.rmtree(tmp_path / "remote")
        killed += again
        if not again:
            break
    assert killed > 5 and PARTS not in os.listdir(tmp_path / "both")
