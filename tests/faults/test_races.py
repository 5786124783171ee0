"""Two, three and eight processes that attach, collect and load one id at the same time: never a lost or broken dataset."""

import contextlib
import shutil

import pytest

import offctx
from offctx.errors import OffctxError
from tests.faults.datasets import ID, attach, check_whole, collect, contents
from tests.faults.processes import run, together
from tests.faults.scale import rounds


def _or_refused(function):
    """The function, where an error of ours is as good as success."""

    def call():
        with contextlib.suppress(OffctxError):
            function()

    return call


@pytest.mark.parametrize(("processes", "reduced", "full"), [(2, 3, 250), (3, 2, 150), (8, 1, 100)])
def test_attaching(processes, reduced, full, datasets_path, tmp_path):
    collect(gradients=False)
    shutil.rmtree(datasets_path / ".offctx-cache")
    shutil.copytree(datasets_path, tmp_path / "bare")
    assert run(attach) == 0
    expected = contents(datasets_path)
    for _ in rounds(reduced, full):
        shutil.rmtree(datasets_path)
        shutil.copytree(tmp_path / "bare", datasets_path)
        loading = [lambda: offctx.load_dataset(ID)] * (processes // 2)
        ends = together(*[_or_refused(attach)] * processes, *loading)
        assert set(ends) == {0}
        check_whole(datasets_path, expected)


@pytest.mark.parametrize(("processes", "reduced", "full"), [(2, 2, 250), (3, 1, 150), (8, 1, 100)])
def test_replacing_while_others_load(processes, reduced, full, datasets_path):
    expected = collect().metadata.sha256
    for _ in rounds(reduced, full):
        attaching = [lambda: attach(overwrite=True)] * max(processes // 2, 1)
        ends = together(*attaching, *[lambda: offctx.load_dataset(ID)] * (processes - len(attaching)))
        assert set(ends) == {0}
        check_whole(datasets_path, contents(datasets_path))
        assert offctx.load_dataset(ID).metadata.sha256 == expected


@pytest.mark.parametrize(("processes", "reduced", "full"), [(2, 3, 250), (3, 2, 150), (8, 1, 100)])
def test_collecting(processes, reduced, full, datasets_path):
    assert run(collect) == 0
    expected = contents(datasets_path)
    for _ in rounds(reduced, full):
        shutil.rmtree(datasets_path)
        datasets_path.mkdir()
        ends = together(*[_or_refused(collect)] * processes, *[_or_refused(lambda: offctx.load_dataset(ID))] * (processes // 2))
        assert set(ends) == {0}
        check_whole(datasets_path, expected)
