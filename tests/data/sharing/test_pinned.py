"""A pinned dataset is loaded from the very files that the hash names, whatever other processes do meanwhile."""

import os
import shutil
from pathlib import Path

import pytest

import offctx
from offctx.data import load as module
from offctx.data.sharing.folders import dataset_hash
from offctx.errors import DatasetError
from tests.data.helpers import assert_equal

ID = "test/x-v0"


@pytest.fixture
def versions(datasets_path, tmp_path):
    """Folders of two versions of one dataset, their hashes, and what is loaded of them. None is under the id."""
    made = []
    for seed in (0, 1):
        dataset = offctx.collect("testing/Runner-v0", ID, episodes_per_context=3, seed=seed, progress=False)
        made.append((tmp_path / str(seed), dataset_hash(ID), dataset))
        os.rename(datasets_path / ID, tmp_path / str(seed))
    return made


def put(datasets_path, folder: Path):
    """What `pull` does: a new folder takes the place."""
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    if (datasets_path / ID).exists():
        os.rename(datasets_path / ID, folder.with_name("gone"))
        shutil.rmtree(folder.with_name("gone"))
    os.rename(copy, datasets_path / ID)


@pytest.mark.parametrize("options", [{}, {"episodes": [0, 2]}, {"cache": False}, {"lazy": True}], ids=str)
def test_the_pinned_version_put_there_after_the_reading_is_read(options, versions, datasets_path, monkeypatch):
    (pinned, sha256, dataset), (other, _, _) = versions
    put(datasets_path, other)
    check = module.check_pinned

    def replaced_then_checked(*arguments):
        if dataset_hash(ID) != sha256:
            put(datasets_path, pinned)
        return check(*arguments)

    monkeypatch.setattr(module, "check_pinned", replaced_then_checked)
    assert_equal(dataset.select(episodes=options.get("episodes")), offctx.load_dataset(ID, sha256=sha256, **options))


@pytest.mark.parametrize("kind", ["content hash", "checksum"])
def test_the_pinned_version_there_for_the_check_alone_does_not_pass(kind, versions, datasets_path, monkeypatch):
    (pinned, content_hash, dataset), (other, _, _) = versions
    sha256 = content_hash if kind == "content hash" else dataset.metadata.sha256
    put(datasets_path, other)
    folder, check = datasets_path / ID, module.check_pinned

    def checked_in_its_place(*arguments):
        away = folder.with_name("away")
        os.rename(folder, away)  # the very folder comes back
        os.rename(pinned, folder)
        try:
            return check(*arguments)
        finally:
            os.rename(folder, pinned)
            os.rename(away, folder)

    monkeypatch.setattr(module, "check_pinned", checked_in_its_place)
    with pytest.raises(DatasetError, match="replaced 20 times while it was read"):
        offctx.load_dataset(ID, sha256=sha256)


def test_files_that_change_in_their_place_do_not_pass(versions, datasets_path, monkeypatch):
    (pinned, sha256, _), (other, _, _) = versions
    put(datasets_path, other)
    check = module.check_pinned

    def overwritten_then_checked(*arguments):
        for file in (pinned / "data").iterdir():
            (datasets_path / ID / "data" / file.name).write_bytes(file.read_bytes())
        return check(*arguments)

    monkeypatch.setattr(module, "check_pinned", overwritten_then_checked)
    with pytest.raises(DatasetError, match="changed while it was read"):
        offctx.load_dataset(ID, sha256=sha256)
