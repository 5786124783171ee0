"""Where a process may open no more files, there is an error of ours, and nothing is left."""

import errno
import os

import pytest

import offctx
from offctx.data.collection import write
from offctx.data.sharing.cards.files import hash_files
from offctx.data.storage.limits import size_of
from offctx.errors import DatasetError
from tests.data.storage.helpers import ID


@pytest.fixture
def no_scandir(monkeypatch):
    """Folders cannot be opened."""

    def refuse(*arguments):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "scandir", refuse)


@pytest.mark.parametrize("look", [size_of, hash_files])
def test_the_files_of_a_dataset_cannot_be_listed(look, tmp_path, no_scandir):
    with pytest.raises(DatasetError, match="Too many open files"):
        look(tmp_path)


def test_no_folder_can_be_made_to_write_in(datasets_path, monkeypatch, tree):
    def refuse():
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(write, "staging", refuse)
    with pytest.raises(DatasetError, match=r"x-v0 cannot be written: .*Too many open files"):
        offctx.collect("testing/Runner-v0", ID, seed=0, progress=False)
    assert tree(datasets_path) == {}
