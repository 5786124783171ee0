"""A process that is killed while a dataset is replaced does not lose it."""

import os

import minari
import pytest

import offctx
from offctx.data.storage import ids
from offctx.errors import DatasetError
from tests.data.derivatives.helpers import ID, collect
from tests.data.helpers import assert_equal


def test_killed_between_the_two_renames_the_old_one_comes_back(datasets_path):
    expected = collect()
    folder = datasets_path / "test" / "x-v0"
    aside = ids.hidden_folder(folder, ids.REPLACED)
    aside.parent.mkdir(parents=True)
    os.rename(folder, aside)
    assert set(minari.list_local_datasets()) == set()
    assert_equal(offctx.load_dataset(ID), expected)
    with pytest.raises(DatasetError, match="is taken"):
        collect()
