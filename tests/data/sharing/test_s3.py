"""Pushing to and pulling from a local S3-compatible server, through fsspec and s3fs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import offctx
from offctx.data.validation import validate_dataset
from offctx.errors import DatasetError
from tests.data.helpers import assert_equal

ID = "test/pendulum-v0"

boto3 = pytest.importorskip("boto3")
pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    moto = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture
def options(endpoint: str, request: pytest.FixtureRequest) -> dict[str, object]:
    """Storage options of a fresh bucket, whose name is in `bucket`."""
    keys = {"key": "user", "secret": "password"}
    client = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id="user", aws_secret_access_key="password", region_name="us-east-1"
    )
    for bucket in client.list_buckets()["Buckets"]:
        for item in client.list_objects_v2(Bucket=bucket["Name"]).get("Contents", []):
            client.delete_object(Bucket=bucket["Name"], Key=item["Key"])
        client.delete_bucket(Bucket=bucket["Name"])
    client.create_bucket(Bucket="bucket")
    return {**keys, "endpoint_url": endpoint, "client_kwargs": {"region_name": "us-east-1"}}


def test_a_dataset_travels_through_s3(options, library_path: Path, pendulum, tmp_path: Path, monkeypatch) -> None:
    where = {"storage_options": options, "progress": False}
    pushed = offctx.push(ID, "s3://bucket/datasets", **where)
    assert pushed.sent == pushed.size and offctx.push(ID, "s3://bucket/datasets", **where).sent == 0
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    pulled = offctx.pull("s3://bucket/datasets", **where)  # the only dataset there
    assert pulled.sha256 == pushed.sha256 and pulled.received == pushed.size
    assert_equal(offctx.load_dataset(ID, sha256=pushed.sha256), pendulum)
    offctx.pull("s3://bucket/datasets", ID, contexts=[2], new_id="test/part-v0", **where)
    assert len(validate_dataset("test/part-v0")) == len(pendulum) // 4


def test_what_is_missing_or_damaged_is_an_error_of_ours(options, library_path: Path, tmp_path: Path, monkeypatch) -> None:
    import s3fs

    where = {"storage_options": options, "progress": False}
    offctx.push(ID, "s3://bucket/datasets", cards=False, **where)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    with pytest.raises(DatasetError, match="no dataset 'test/absent-v0' at s3://bucket/datasets"):
        offctx.pull("s3://bucket/datasets", "test/absent-v0", **where)
    with pytest.raises(DatasetError, match=r"no dataset|cannot list"):
        offctx.pull("s3://nobucket/datasets", **where)
    files = s3fs.S3FileSystem(**options, skip_instance_cache=True)
    (path,) = [path for path in files.find("bucket/datasets") if path.endswith("main_data.hdf5")]
    content = bytearray(files.cat_file(path))
    content[-1] ^= 1
    files.pipe_file(path, bytes(content))
    with pytest.raises(DatasetError, match="differs from the manifest"):
        offctx.pull("s3://bucket/datasets", ID, **where)
    files.rm(path)
    with pytest.raises(DatasetError, match="it is not there"):
        offctx.pull("s3://bucket/datasets", ID, **where)
    assert not (tmp_path / ID).exists()


def test_other_places_of_fsspec_work_too(library_path: Path, pendulum, tmp_path: Path, monkeypatch) -> None:
    import fsspec

    pushed = offctx.push(ID, "memory://shelf/datasets", cards=False, progress=False)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    try:
        assert offctx.pull("memory://shelf/datasets", progress=False).sha256 == pushed.sha256
    finally:
        fsspec.filesystem("memory").rm("/shelf", recursive=True)
    assert_equal(offctx.load_dataset(ID), pendulum)
