"""Ids: what is no id, and what no dataset has."""

import pytest

import offctx
from offctx.errors import DatasetError


def test_no_such_dataset(datasets_path):
    with pytest.raises(DatasetError, match=r"no dataset 'test/nothing-v0'.*minari list local"):
        offctx.load_dataset("test/nothing-v0")


@pytest.mark.parametrize("dataset_id", ["", "x", "../x-v0", "/etc/x-v0", "a b-v0", "test/x-v", None, 3])
def test_a_malformed_id(dataset_id, datasets_path):
    with pytest.raises(DatasetError, match="malformed dataset id"):
        offctx.load_dataset(dataset_id)
