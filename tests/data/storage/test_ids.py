"""Ids: what is no id, and what no dataset has."""

import minari
import pytest

import offctx
from offctx.errors import DatasetError


def test_no_such_dataset(datasets_path):
    with pytest.raises(DatasetError, match=r"no dataset 'test/nothing-v0'.*`offctx list datasets`"):
        offctx.load_dataset("test/nothing-v0")


def test_a_relative_datasets_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", "data")
    written = offctx.collect("testing/Runner-v0", "test/runner-v0", episodes_per_context=2, seed=0, progress=False)
    assert (tmp_path / "data/test/runner-v0/data/main_data.hdf5").is_file()
    offctx.attach_derivatives("test/runner-v0", "testing/Runner-v0", overwrite=True, progress=False)
    assert len(offctx.load_dataset("test/runner-v0")) == len(written)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "data"))
    assert minari.load_dataset("test/runner-v0").total_steps == len(written)


@pytest.mark.parametrize(
    "dataset_id",
    [
        "",
        "x",
        "test//x-v0",
        "test/data/x-v0",
        "test/x-v\u0663",
        "ab" * 120 + "-v0",
        "../x-v0",
        "/etc/x-v0",
        "a b-v0",
        "test/x-v",
        None,
        3,
    ],
)
def test_a_malformed_id(dataset_id, datasets_path):
    with pytest.raises(DatasetError, match="malformed dataset id"):
        offctx.load_dataset(dataset_id)


def test_an_id_inside_the_folder_of_another_dataset_is_refused(datasets_path):
    offctx.collect("testing/Runner-v0", "test/x-v0", seed=0, progress=False)
    with pytest.raises(DatasetError, match="'test/x-v0/y-v0' is inside the folder of another dataset, test/x-v0"):
        offctx.collect("testing/Runner-v0", "test/x-v0/y-v0", seed=0, progress=False)
    assert list(minari.list_local_datasets()) == ["test/x-v0"]


def test_an_id_whose_folder_holds_other_datasets_is_refused(datasets_path):
    offctx.collect("testing/Runner-v0", "test/x-v0/y-v0", seed=0, progress=False)
    with pytest.raises(DatasetError, match="whose folder holds other datasets, such as 'test/x-v0/y-v0', is taken: choose"):
        offctx.collect("testing/Runner-v0", "test/x-v0", seed=0, progress=False)
    assert list(minari.list_local_datasets()) == ["test/x-v0/y-v0"]
