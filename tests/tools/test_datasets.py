"""Tools collect datasets in folders of their own, and leave the user's setting as it was."""

import os
from pathlib import Path

import pytest

from tools.datasets import datasets_in, temporary_datasets


@pytest.mark.parametrize("before", [None, "somewhere"])
def test_the_folder_of_datasets_is_set_and_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    if before is None:
        monkeypatch.delenv("MINARI_DATASETS_PATH", raising=False)
    else:
        monkeypatch.setenv("MINARI_DATASETS_PATH", before)
    with pytest.raises(ValueError, match="inside"), datasets_in(tmp_path):
        assert os.environ["MINARI_DATASETS_PATH"] == str(tmp_path)
        raise ValueError("inside")
    assert os.environ.get("MINARI_DATASETS_PATH") == before
    with temporary_datasets() as folder:
        assert os.environ["MINARI_DATASETS_PATH"] == str(folder) and list(folder.iterdir()) == []
    assert os.environ.get("MINARI_DATASETS_PATH") == before and not folder.exists()
