"""Manifests come from strangers: whatever is changed in one is an error of ours, or changes nothing."""

import contextlib
import hashlib
import json
import random
from pathlib import Path

import pytest

from offctx.data.sharing.folders import dataset_hash, hash_files
from offctx.data.sharing.manifest import Manifest, SharedFile, content_hash, make_manifest, parse_manifest
from offctx.data.sharing.names import check_names
from offctx.data.storage.block_hashes import LEAST_BLOCK, MOST_BLOCK, block_count, block_size_of, hash_blocks
from offctx.errors import DatasetError, OffctxError


@pytest.fixture
def content(remote: Path) -> bytes:
    return (remote / "test/pendulum-v0/manifest.json").read_bytes()


def test_the_content_hash_is_that_of_the_dataset(content: bytes, library_path: Path) -> None:
    assert parse_manifest(content, "it").sha256 == dataset_hash("test/pendulum-v0")


def test_the_hash_does_not_depend_on_the_time_or_the_place(content: bytes, library_path: Path) -> None:
    manifest = parse_manifest(content, "it")
    assert content_hash(list(reversed(manifest.files))) == manifest.sha256
    assert manifest.to_json() == content


@pytest.mark.parametrize("size", [0, 1, LEAST_BLOCK, LEAST_BLOCK + 1, 20 * 2**20 + 7])
def test_blocks_are_hashed_as_hashlib_does(tmp_path: Path, size: int) -> None:
    data = random.Random(size).randbytes(size)
    (tmp_path / "file").write_bytes(data)
    block = block_size_of(size)
    expected = [hashlib.sha256(data[begin : begin + block]).hexdigest() for begin in range(0, size, block)]
    assert hash_blocks(tmp_path / "file", size) == expected and len(expected) == block_count(size)


def test_blocks_grow_with_the_file() -> None:
    assert block_size_of(10**6) == LEAST_BLOCK and block_size_of(10**9) == 2**19 and block_size_of(10**13) == MOST_BLOCK


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd", "data/../../x", "../x", "data", "data/", "data//x", "data/.x", "other/x", "data/x\\y", "C:/x",
        "data/a:b",
        "data/con", "data/NUL.txt", "data/x\n", "data/x\0", "data/ü", "data/x.",
        "data/" + "a" * 300, "/".join(["data"] * 9), "",
    ],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(path: str) -> None:
    with pytest.raises(DatasetError, match="plain relative path"):
        check_names([path], "the manifest")


@pytest.mark.parametrize("paths", [["data/x", "data/X"], ["data/x", "data/x/y"], ["data/x/y", "data/x"]])
def test_names_that_collide_are_refused(paths: list[str]) -> None:
    with pytest.raises(DatasetError, match="twice"):
        check_names(paths, "the manifest")


def _forged(content: bytes, **changes: object) -> bytes:
    """A manifest with other values and the right checksum, as an attacker would make it."""
    body = json.loads(content) | changes
    del body["checksum"]
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    return json.dumps(body | {"checksum": hashlib.sha256(canonical).hexdigest()}).encode()


def test_forged_manifests_are_refused(content: bytes) -> None:
    files = json.loads(content)["files"]
    main = files[0]
    forged = {
        "plain relative": {"files": [main | {"path": "data/../../x"}, *files[1:]]},
        "blocks of": {"files": [main | {"size": 2**49}, *files[1:]]},
        "does not fit the hashes": {"files": [main | {"blocks": main["blocks"][::-1]}, *files[1:]]},
        "content hash": {"sha256": "0" * 64},
        "no data/metadata.json": {"files": [main]},
        "less than or equal": {"files": [main | {"size": 2**60}, *files[1:]]},
        "update offctx": {"manifest_version": 2},
        "lies outside": {"contexts": [{"values": [1.0], "episodes": [[0, 1]], "places": [0], "bytes": [[0, 2**40]]}]},
        "ends before": {"contexts": [{"values": [1.0], "episodes": [[3, 1]], "places": [0], "bytes": [[0, 10]]}]},
        "places": {"contexts": [{"values": [1.0], "episodes": [[0, 2**50]], "places": [0], "bytes": [[0, 10]]}]},
        "Extra inputs": {"run": "rm -rf /"},
    }
    for message, changes in forged.items():
        with pytest.raises(DatasetError, match=message):
            parse_manifest(_forged(content, **changes), "the manifest")
    assert isinstance(parse_manifest(_forged(content), "the manifest"), Manifest)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"[" * 100_000, b'{"manifest_version": NaN}', b"\xff\xfe"])
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(DatasetError, match="the manifest"):
        parse_manifest(content, "the manifest")


def test_no_mutation_of_a_manifest_goes_unseen(content: bytes) -> None:
    original, rng = parse_manifest(content, "it"), random.Random(0)
    for _ in range(300):
        mutated = bytearray(content)
        for _ in range(rng.choice([1, 1, 3])):
            place = rng.randrange(len(mutated))
            if rng.random() < 0.5:
                mutated[place] ^= 1 << rng.randrange(8)
            else:
                del mutated[place : place + rng.randrange(1, 100)]
        with contextlib.suppress(OffctxError):
            assert parse_manifest(bytes(mutated), "it") == original


def test_a_manifest_of_other_files_does_not_change_with_their_order(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "metadata.json").write_text("{}")
    (tmp_path / "data" / "x.arrow").write_bytes(b"123")
    stamps = {"data/x.arrow": (3, 0, 0), "data/metadata.json": (2, 0, 0)}
    with pytest.raises(DatasetError, match="changed while it was read"):
        hash_files(tmp_path, stamps, "test/x-v0")
    files = [
        SharedFile(path=path, size=0, block_size=LEAST_BLOCK, sha256=hashlib.sha256(b"").hexdigest(), blocks=[])
        for path in ("data/x", "data/metadata.json")
    ]
    one, other = (
        make_manifest("test/x-v0", some, layout_version=None, made_by="a test", contexts=None) for some in (files, files[::-1])
    )
    assert one == other
