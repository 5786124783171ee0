"""The report, the comparison, what they write, and the pictures."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import pickle
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from offctx.errors import EvaluationError
from offctx.evaluation.pages.files import page_files
from offctx.evaluation.pages.notes import intervals_note
from offctx.evaluation.pages.pictures import picture_names
from offctx.evaluation.report import Comparison, ZeroShotReport, compare
from offctx.evaluation.statistics import Interval, bootstrap_interval

PNG = b"\x89PNG\r\n\x1a\n"
TRAIN = np.array([[9.0, 1.0], [10.0, 1.0], [11.0, 1.0]])
TEST = np.array([[4.0, 1.0], [15.0, 1.0]])


def make(level: float = 0.0, seed: int = 0, episodes: int = 6, **changes: Any) -> ZeroShotReport:
    """Returns near `level` on train and 10 below on test; the second test context is the worst."""
    rng = np.random.default_rng(seed)
    returns = {
        "train": level + rng.normal(size=(3, episodes)),
        "test": level - np.array([[8.0], [12.0]]) + rng.normal(size=(2, episodes)),
    }
    given: dict[str, Any] = {
        "policy": "CQL",
        "env_id": "offctx/PendulumGoal-v0",
        "context_names": ("g", "m"),
        "context_units": ("m/s^2", "kg"),
        "train_contexts": TRAIN[1:2],
        "contexts": {"train": TRAIN, "test": TEST},
        "returns": returns,
        "lengths": {split: np.full(values.shape, 200) for split, values in returns.items()},
        "seed": 7,
        "context": "append",
    }
    return ZeroShotReport(**(given | changes))


def same(first: ZeroShotReport, second: ZeroShotReport) -> bool:
    return first.to_dict() == second.to_dict()


def three() -> Comparison:
    methods = {"hidden": make(-100), "CSE": make(-60, 1), "expert": make(-20, 2)}
    return compare(methods, baseline="hidden", reference="expert", replicates=200, title="Gravity")


def written(comparison: Comparison) -> dict[str, str]:
    """The text files."""
    return {name: data.decode() for name, data in page_files(comparison).items() if not name.endswith(".png")}


# --- one policy


def test_numbers_of_one_policy_by_hand() -> None:
    returns = {"train": [[1.0, 3.0], [5.0, 7.0], [0.0, 2.0]], "test": [[-1.0, -3.0], [0.0, 2.0]]}
    found = make(returns=returns, lengths={"train": np.full((3, 2), 9), "test": np.full((2, 2), 9)})
    assert found.splits == ("train", "test")
    assert found.aer("train") == 3.0
    assert found.aer("test") == -0.5
    assert found.gap("test") == 3.5
    assert found.iqm("train").estimate == (1 + 2 + 3 + 5) / 4  # six entries, one cut from each end
    worst, value = found.worst_context("test")
    assert (worst.tolist(), value) == ([4.0, 1.0], -2.0)


def test_gap_is_none_without_a_train_split() -> None:
    found = make()
    alone = make(
        contexts={"test": TEST},
        returns={"test": found.returns["test"]},
        lengths={"test": found.lengths["test"]},
    )
    assert alone.gap("test") is None
    assert compare({"a": alone}, replicates=50).summary()[0]["gap"] is None


def test_iqm_interval_is_the_seeded_stratified_bootstrap() -> None:
    found = make()
    assert found.iqm("test") == found.iqm("test")
    assert found.iqm("test") != dataclasses.replace(found, seed=8).iqm("test")
    other = bootstrap_interval(found.returns["test"][None], "iqm", rng=np.random.default_rng(0), replicates=4000)
    width = other.high - other.low
    assert found.iqm("test").low == pytest.approx(other.low, abs=0.15 * width)
    assert found.iqm("test", confidence=0.5).high < found.iqm("test").high


def test_table_has_one_row_per_context() -> None:
    found = make()
    rows = found.table("test")
    assert [(row["g"], row["m"], row["episodes"]) for row in rows] == [(4.0, 1.0, 6), (15.0, 1.0, 6)]
    assert rows[1]["mean"] == pytest.approx(found.returns["test"][1].mean())
    assert rows[1]["std"] == pytest.approx(found.returns["test"][1].std(ddof=1))
    for row in rows:
        low, mean, high = row["low"], row["mean"], row["high"]
        assert low is not None and mean is not None and high is not None
        assert low < mean < high


def test_table_keeps_a_coordinate_named_as_a_statistic() -> None:
    row = make(context_names=("g", "std")).table("train")[0]
    assert row["context.std"] == 1.0
    assert row["std"] != 1.0


def test_one_episode_reports_no_spread(tmp_path: Path) -> None:
    found = make(episodes=1)
    row = found.table("test")[0]
    assert row["std"] is None and row["low"] is None and row["high"] is None
    found.save(tmp_path / "r")
    assert "no interval" in (tmp_path / "r" / "report.md").read_text()
    assert same(ZeroShotReport.load(tmp_path / "r"), found)


def test_report_is_read_only_also_after_pickling() -> None:
    source = np.zeros((3, 6))
    found = make(returns={"train": source, "test": np.zeros((2, 6))})
    source[:] = 99.0
    assert found.aer("train") == 0.0
    for held in (found, pickle.loads(pickle.dumps(found))):
        assert same(held, found)
        with pytest.raises(ValueError, match="read-only"):
            held.returns["train"][0, 0] = 1.0
        with pytest.raises(TypeError):
            held.contexts["train"] = TRAIN  # type: ignore[index]
        with pytest.raises(AttributeError):
            held.seed = 1  # type: ignore[misc]
    assert not found.train_contexts.flags.writeable


def test_round_trip_by_json_and_by_folder(tmp_path: Path) -> None:
    found = make(returns={"train": np.full((3, 6), 1 / 3), "test": np.full((2, 6), -1e-17)})
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert same(ZeroShotReport.from_dict(json.loads(text)), found)
    folder = found.save(tmp_path / "deep" / "report")
    assert folder == tmp_path / "deep" / "report"
    assert same(ZeroShotReport.load(folder / "report.json"), found)
    empty = make(train_contexts=np.empty((0, 2)))
    assert ZeroShotReport.from_dict(empty.to_dict()).train_contexts.shape == (0, 2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"context_names": ("g",)}, "one unit for each"),
        ({"context_names": ("g", "g")}, "distinct"),
        ({"context": "shown"}, "'append' or 'hidden', found 'shown'"),
        ({"seed": -1}, "at least 0, found -1"),
        ({"seed": 1.5}, "at least 0, found 1.5"),
        ({"returns": {"train": np.zeros((3, 6))}}, "same splits"),
        (
            {"returns": {"train": np.zeros((4, 6)), "test": np.zeros((2, 6))}},
            r"\(3, episodes\).*found \(4, 6\)",
        ),
        ({"returns": {"train": np.full((3, 6), math.nan), "test": np.zeros((2, 6))}}, "18 of 18 entries"),
        ({"lengths": {"train": np.ones((3, 6)), "test": np.ones((2, 5))}}, r"\(2, 6\).*found .*\(2, 5\)"),
        ({"lengths": {"train": np.ones((3, 6)), "test": np.full((2, 6), 0.5)}}, "whole steps"),
        ({"train_contexts": np.zeros((1, 3))}, r"train_contexts of shape \(K, 2\), found \(1, 3\)"),
        ({"contexts": {"train": TRAIN * math.inf, "test": TEST}}, "finite contexts"),
    ],
)
def test_bad_fields_are_refused(changes: dict[str, Any], words: str) -> None:
    good = make()
    with pytest.raises(EvaluationError, match=words):
        dataclasses.replace(good, **changes)


def test_unknown_split_names_the_known() -> None:
    found = make()
    for call in (found.aer, found.iqm, found.gap, found.table, found.worst_context):
        with pytest.raises(EvaluationError, match=r"unknown split 'out'; known: \['train', 'test'\]"):
            call("out")


def test_bad_files_are_refused(tmp_path: Path) -> None:
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


# --- several methods


def test_summary_rows_agree_with_the_reports() -> None:
    comparison = three()
    rows = comparison.summary()
    assert [(row["split"], row["method"]) for row in rows] == [
        (split, method) for split in ("train", "test") for method in ("hidden", "CSE", "expert")
    ]
    row = rows[4]
    cse = make(-60, 1)
    assert row["aer"]["estimate"] == pytest.approx(cse.aer("test"))
    assert row["aer"] == comparison.aer("CSE", "test").to_dict()
    assert row["iqm"]["estimate"] == pytest.approx(cse.iqm("test").estimate)
    assert row["worst_context"] == {"g": 15.0, "m": 1.0}
    assert row["worst_return"] == pytest.approx(cse.worst_context("test")[1])
    assert row["gap"] == pytest.approx(cse.gap("test"))
    assert (row["runs"], row["contexts"], row["episodes"]) == (1, 2, 6)
    expected = (cse.aer("test") - make(-100).aer("test")) / (make(-20, 2).aer("test") - make(-100).aer("test"))
    assert row["gap_closed"]["share"]["estimate"] == pytest.approx(expected)
    assert rows[3]["gap_closed"] is None and rows[5]["gap_closed"] is None
    rows[0]["aer"]["estimate"] = 0.0
    assert comparison.summary()[0]["aer"]["estimate"] != 0.0


def test_numbers_do_not_depend_on_the_order_of_asking() -> None:
    first, second = three(), three()
    second.iqm("expert", "test")
    second.gap_closed("CSE", "train")
    assert first.aer("CSE", "test") == second.aer("CSE", "test")
    assert json.dumps(first.to_dict()) == json.dumps(second.to_dict())
    assert pickle.loads(pickle.dumps(first)).to_dict() == first.to_dict()
    assert compare({"CSE": make(-60, 1)}, seed=7).iqm("CSE", "test") == make(-60, 1).iqm("test")


def test_several_runs_are_pooled_as_runs() -> None:
    runs = [make(level, index) for index, level in enumerate((-60, -50, -40, -30, -20))]
    comparison = compare({"CSE": runs, "one": make(-60)}, replicates=200)
    assert comparison.returns("CSE", "test").shape == (5, 2, 6)
    interval = comparison.aer("CSE", "test")
    assert interval.estimate == pytest.approx(np.mean([run.aer("test") for run in runs]))
    assert interval.high - interval.low > 15  # the runs differ by 40, the episodes by about 1
    note = intervals_note(comparison)
    assert "CSE: 5 training runs" in note and "One training run each (one)" in note
    assert "too narrow" not in note
    assert "fewer than 5 runs are too narrow" in intervals_note(compare({"CSE": runs[:2]}))


def test_one_run_says_that_seeds_are_not_covered(tmp_path: Path) -> None:
    three().save(tmp_path)
    for name in ("report.md", "report.html"):
        assert "evaluation episodes only, not training seeds" in (tmp_path / name).read_text()


def test_undefined_gap_says_why() -> None:
    same_level = {"hidden": make(0, 3), "CSE": make(5, 1), "expert": make(0, 4)}
    comparison = compare(same_level, baseline="hidden", reference="expert", replicates=200)
    closed = comparison.summary()[1]["gap_closed"]
    assert closed["share"] is None and "reference - baseline = " in closed["reason"]
    assert "undefined: reference - baseline" in str(comparison)
    assert "undefined: reference - baseline" in written(comparison)["report.md"]


def test_incomparable_reports_are_refused() -> None:
    good = make()
    moved = {"train": TRAIN, "test": TEST + 0.5}
    renamed = {"train": good.returns["train"], "in": good.returns["test"]}
    for other, words in (
        (make(env_id="Other-v0"), "'b'.*'a'.*env_id is 'offctx/PendulumGoal-v0' there, 'Other-v0' here"),
        (make(episodes=5), r"split 'train' are \(3, 6\) there, \(3, 5\) here"),
        (make(contexts=moved), "contexts of split 'test' differ"),
        (make(context_units=("m/s^2", "g")), "context_units is"),
        (
            make(
                contexts={"train": TRAIN, "in": TEST},
                returns=renamed,
                lengths={split: np.ones(values.shape) for split, values in renamed.items()},
            ),
            r"splits are \['train', 'test'\] there, \['train', 'in'\] here",
        ),
    ):
        with pytest.raises(EvaluationError, match=words):
            compare({"a": good, "b": other})
        with pytest.raises(EvaluationError, match=r"\(run 1\)"):
            compare({"a": [good, other]})


def test_bad_comparisons_are_refused() -> None:
    methods = {"a": make(), "b": make()}
    with pytest.raises(EvaluationError, match="at least one method"):
        compare({})
    with pytest.raises(EvaluationError, match="'a': 0"):
        compare({"a": []})
    with pytest.raises(EvaluationError, match=r"unknown method 'c'; known: \['a', 'b'\]"):
        compare(methods, baseline="a", reference="c")
    with pytest.raises(EvaluationError, match="two methods or neither"):
        compare(methods, baseline="a")
    with pytest.raises(EvaluationError, match="two methods or neither"):
        compare(methods, baseline="a", reference="a")
    with pytest.raises(EvaluationError, match="unknown method 'c'"):
        compare(methods).aer("c", "test")
    with pytest.raises(EvaluationError, match="with a baseline and a reference"):
        compare(methods).gap_closed("a", "test")


# --- what is written


def test_saved_files_hold_the_numbers(tmp_path: Path) -> None:
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


def test_pictures_are_png_and_embedded(tmp_path: Path) -> None:
    folder = three().save(tmp_path)
    page = (folder / "report.html").read_text()
    embedded = [base64.b64decode(data) for data in re.findall(r"data:image/png;base64,([^\"]+)", page)]
    saved = [(folder / f"return-{split}.png").read_bytes() for split in ("train", "test")]
    assert embedded == saved
    assert all(data.startswith(PNG) for data in saved)
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)


def test_saving_again_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = three().save(tmp_path / "a"), three().save(tmp_path / "b")
    three().save(tmp_path / "a")  # over itself
    for path in second.iterdir():
        assert path.read_bytes() == (first / path.name).read_bytes()


def test_a_crash_while_writing_leaves_the_old_report_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = three().save(tmp_path / "r")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(self: Path, data: bytes) -> int:
        if self.name == "report.html":
            raise OSError("disk full")
        return original(self, data)

    original = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="disk full"):
        compare({"a": make(5)}, replicates=50).save(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_labels_are_escaped() -> None:
    label = "<script>x</script>|a_b & {c} $d$"
    found = make(
        env_id=label,
        context_names=("<i>g</i>", "m"),
        context_units=("<b>", '"'),
        contexts={"train": TRAIN, label: TEST},
        returns={"train": np.zeros((3, 6)), label: np.zeros((2, 6))},
        lengths={"train": np.ones((3, 6)), label: np.ones((2, 6))},
    )
    comparison = compare({label: found, "other": found}, replicates=50)
    page = _Tags()
    page.feed(written(comparison)["report.html"])
    assert not page.tags & {"script", "i", "b"}
    assert page.text.count(label) >= 5
    text = written(comparison)["report.md"]
    assert "<script" not in text and "<i>" not in text
    tables = [re.findall(r"(?<!\\)\|", line) for line in text.splitlines() if line.startswith("|")]
    assert {len(bars) for bars in tables} == {5, 9}  # contexts: 2 + 2 columns; aggregates: 8


def test_file_names_are_safe_and_distinct() -> None:
    names = picture_names(["a/b", "a b", "A B", "..", "../../x", "ü", "train"])
    assert len({name.lower() for name in names.values()}) == len(names)
    assert all(re.fullmatch(r"return-[\w-]+\.png", name, re.ASCII) for name in names.values())
    assert names["train"] == "return-train.png"


def test_text_table_is_aligned() -> None:
    lines = str(three()).splitlines()
    header = next(line for line in lines if line.startswith("split"))
    body = lines[lines.index(header) + 2 : lines.index(header) + 8]
    at = header.index("AER")
    assert all(line[at - 1] == " " and line[at] == "-" for line in body)
    assert "CQL" in str(make()) and "offctx/PendulumGoal-v0" in str(make())


def test_importing_needs_no_matplotlib() -> None:
    code = "import sys, offctx.evaluation; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
