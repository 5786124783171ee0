"""Reports are saved whole, and loaded again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from offctx.errors import EvaluationError
from offctx.evaluation.compare import compare
from offctx.evaluation.report import Comparison, ZeroShotReport
from offctx.evaluation.statistics import Interval

TEST = np.array([[4.0, 1.0], [15.0, 1.0]])
MakeReport = Callable[..., ZeroShotReport]


def same(first: ZeroShotReport, second: ZeroShotReport) -> bool:
    return first.to_dict() == second.to_dict()


def test_round_trip_by_json_and_by_folder(tmp_path: Path, make: MakeReport) -> None:
    found = make(returns={"train": np.full((3, 6), 1 / 3), "test": np.full((2, 6), -1e-17)})
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert same(ZeroShotReport.from_dict(json.loads(text)), found)
    folder = found.save(tmp_path / "deep" / "report")
    assert folder == tmp_path / "deep" / "report"
    assert same(ZeroShotReport.load(folder / "report.json"), found)
    empty = make(train_contexts=np.empty((0, 2)))
    assert ZeroShotReport.from_dict(empty.to_dict()).train_contexts.shape == (0, 2)


def test_one_episode_reports_no_spread(tmp_path: Path, make: MakeReport) -> None:
    found = make(episodes=1)
    row = found.table("test")[0]
    assert row["std"] is None and row["low"] is None and row["high"] is None
    found.save(tmp_path / "r")
    assert "no interval" in (tmp_path / "r" / "report.md").read_text()
    assert same(ZeroShotReport.load(tmp_path / "r"), found)


def test_bad_files_are_refused(tmp_path: Path, make: MakeReport, three: Callable[[], Comparison]) -> None:
    file = tmp_path / "report.json"
    for text, words in (
        ("{", "none that reads"),
        ('{"schema": "other/1"}', "found 'other/1'"),
        ("[]", "found None"),
        ('{"schema": "offctx.report.run/1"}', "fault: KeyError"),
    ):
        file.write_text(text)
        with pytest.raises(EvaluationError, match=words):
            ZeroShotReport.load(file)
    three().save(tmp_path / "c")
    with pytest.raises(EvaluationError, match=r"'hidden': 1, 'CSE': 1, 'expert': 1"):
        ZeroShotReport.load(tmp_path / "c")
    (tmp_path / "file").write_text("")
    with pytest.raises(EvaluationError, match="found a file"):
        make().save(tmp_path / "file")


def test_saved_files_hold_the_numbers(tmp_path: Path, make: MakeReport, three: Callable[[], Comparison]) -> None:
    comparison = three()
    folder = comparison.save(tmp_path / "report")
    names = {path.name for path in folder.iterdir()}
    assert names == {"report.json", "report.md", "report.html", "return-train.png", "return-test.png"}
    assert [path.name for path in tmp_path.iterdir()] == ["report"]  # nothing is left aside
    data = json.loads((folder / "report.json").read_text())
    assert data == json.loads(json.dumps(comparison.to_dict()))
    assert data["schema"] == "offctx.report/1"
    assert data["splits"]["test"]["contexts"] == TEST.tolist()
    held = data["methods"]["CSE"]["runs"][0]["splits"]["test"]["returns"]
    assert np.array_equal(held, make(-60, 1).returns["test"])
    page, text = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    for number in (str(comparison.aer("CSE", "test")), str(comparison.gap_closed("CSE", "test"))):
        assert number in page and number in text and number in str(comparison)
    mean, low, high = (part[1] for part in comparison.context_intervals("CSE", "test"))
    assert str(Interval(mean, low, high)) in page and str(Interval(mean, low, high)) in text
    assert "return-test.png" in text


def test_saving_again_gives_the_same_bytes(tmp_path: Path, three: Callable[[], Comparison]) -> None:
    first, second = three().save(tmp_path / "a"), three().save(tmp_path / "b")
    three().save(tmp_path / "a")  # over itself
    for path in second.iterdir():
        assert path.read_bytes() == (first / path.name).read_bytes()


def test_a_report_of_other_methods_is_not_replaced_unless_asked(
    tmp_path: Path, make: MakeReport, three: Callable[[], Comparison]
) -> None:
    folder = three().save(tmp_path / "r")
    before = (folder / "report.json").read_bytes()
    for saved, overwrite in ((make(), None), (three(), False)):
        with pytest.raises(EvaluationError, match=r"holds a report of CSE, .*overwrite=True replaces it; another folder"):
            saved.save(folder, overwrite=overwrite)
    assert (folder / "report.json").read_bytes() == before
    make().save(folder, overwrite=True)
    make(5).save(folder)  # of the same policy in the same environment: a script that runs again
    (folder / "report.json").write_text("[]")
    with pytest.raises(EvaluationError, match="holds something else than a report"):
        make().save(folder)


def test_a_crash_while_writing_leaves_the_old_report_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: MakeReport, three: Callable[[], Comparison]
) -> None:
    folder = three().save(tmp_path / "r")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(self: Path, data: bytes) -> int:
        if self.name == "report.html":
            raise OSError("disk full")
        return original(self, data)

    original = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="disk full"):
        compare({"a": make(5)}, replicates=50).save(folder, overwrite=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["r"]
