"""The numbers of several methods side by side."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable

import numpy as np
import pytest

from offctx.errors import EvaluationError
from offctx.evaluation.compare import compare
from offctx.evaluation.pages.files import page_files
from offctx.evaluation.pages.notes import intervals_note
from offctx.evaluation.report import Comparison, ZeroShotReport
from offctx.evaluation.statistics import difference

TRAIN = np.array([[9.0, 1.0], [10.0, 1.0], [11.0, 1.0]])
TEST = np.array([[4.0, 1.0], [15.0, 1.0]])
MakeReport = Callable[..., ZeroShotReport]


def written(comparison: Comparison) -> dict[str, str]:
    """The text files."""
    return {name: data.decode() for name, data in page_files(comparison).items() if not name.endswith(".png")}


def test_summary_rows_agree_with_the_reports(make: MakeReport, three: Callable[[], Comparison]) -> None:
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


def test_numbers_do_not_depend_on_the_order_of_asking(make: MakeReport, three: Callable[[], Comparison]) -> None:
    first, second = three(), three()
    second.iqm("expert", "test")
    second.gap_closed("CSE", "train")
    assert first.aer("CSE", "test") == second.aer("CSE", "test")
    assert json.dumps(first.to_dict()) == json.dumps(second.to_dict())
    assert pickle.loads(pickle.dumps(first)).to_dict() == first.to_dict()
    assert compare({"CSE": make(-60, 1)}, seed=7).iqm("CSE", "test") == make(-60, 1).iqm("test")


def test_several_runs_are_pooled_as_runs(make: MakeReport) -> None:
    runs = [make(level, index) for index, level in enumerate((-60, -50, -40, -30, -20))]
    comparison = compare({"CSE": runs, "one": make(-60)}, replicates=200)
    assert comparison.returns("CSE", "test").shape == (5, 2, 6)
    interval = comparison.aer("CSE", "test")
    assert interval.estimate == pytest.approx(np.mean([run.aer("test") for run in runs]))
    assert interval.high - interval.low > 15  # the runs differ by 40, the episodes by about 1
    note = intervals_note(comparison)
    assert "CSE: 5 training runs" in note and "One training run each (one)" in note
    assert "Fewer than" not in note
    assert "Fewer than 5 seeds give no interval" in intervals_note(compare({"CSE": runs[:2]}))


def test_differences_are_paired_by_the_positions_of_runs(make: MakeReport) -> None:
    levels = np.array([-60.0, -50, -40, -30, -20])
    methods = {
        "CSE": [make(level + 5, seed) for seed, level in enumerate(levels)],
        "baseline": [make(level, seed + 9) for seed, level in enumerate(levels)],
        "zero": make(-80),
    }
    comparison = compare(methods)
    gain = comparison.difference("CSE", "baseline", "test")
    seeds = comparison.seed_means("CSE", "test") - comparison.seed_means("baseline", "test")
    assert gain == difference(comparison.returns("CSE", "test"), comparison.returns("baseline", "test"))
    assert gain.values == pytest.approx(seeds) and seeds.shape == (5,) and gain.over == "seeds and episodes"
    assert 0 < gain.low < 5 < gain.high < 10  # though the seeds themselves lie 40 apart
    assert comparison.aer("CSE", "test").values == pytest.approx(comparison.seed_means("CSE", "test"))
    above_zero = comparison.difference("CSE", "zero", "test")
    assert above_zero.over == "seeds and episodes" and above_zero.high - above_zero.low > 20
    assert comparison.seed_means("zero", "test").shape == (1,)
    with pytest.raises(EvaluationError, match="unknown method 'c'"):
        comparison.difference("CSE", "c", "test")


def test_two_seeds_have_values_and_no_intervals_anywhere(make: MakeReport) -> None:
    methods = {name: [make(level, seed) for seed in (0, 1)] for name, level in (("a", 0), ("b", 5), ("c", 9))}
    comparison = compare(methods, baseline="a", reference="c")
    row = comparison.summary()[1]
    for statistic in ("aer", "iqm"):
        assert row[statistic]["low"] is None and row[statistic]["over"] is None and len(row[statistic]["values"]) == 2
    assert row["gap_closed"]["share"] is None and len(row["gap_closed"]["seed_shares"]) == 2
    assert "found 2" in row["gap_closed"]["reason"]
    assert np.isnan(comparison.context_intervals("a", "test")[1]).all()
    assert "(seeds: " in str(comparison)
    json.dumps(comparison.to_dict(), allow_nan=False)


def test_undefined_gap_says_why(make: MakeReport) -> None:
    same_level = {"hidden": make(0, 3), "CSE": make(5, 1), "expert": make(0, 4)}
    comparison = compare(same_level, baseline="hidden", reference="expert", replicates=200)
    closed = comparison.summary()[1]["gap_closed"]
    assert closed["share"] is None and "reference - start = " in closed["reason"]
    for text in (str(comparison), written(comparison)["report.md"]):
        assert f"expert - hidden in test = {comparison.difference('expert', 'hidden', 'test')}" in text
        assert "Undefined shares" in text


def test_incomparable_reports_are_refused(make: MakeReport) -> None:
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


def test_bad_comparisons_are_refused(make: MakeReport) -> None:
    methods = {"a": make(), "b": make()}
    with pytest.raises(EvaluationError, match="at least one method"):
        compare({})
    with pytest.raises(EvaluationError, match="'a': 0"):
        compare({"a": []})
    with pytest.raises(EvaluationError, match=r"unknown method 'c'; known: \['a', 'b'\]"):
        compare(methods, baseline="a", reference="c")
    with pytest.raises(EvaluationError, match="a baseline beside the reference 'a', found none"):
        compare(methods, reference="a")
    with pytest.raises(EvaluationError, match="as two methods"):
        compare(methods, baseline="a", reference="a")
    with pytest.raises(EvaluationError, match="unknown method 'c'"):
        compare(methods).aer("c", "test")
    with pytest.raises(EvaluationError, match="with a baseline and a reference"):
        compare(methods).gap_closed("a", "test")


def test_a_baseline_alone_is_what_verdicts_judge_against(make: MakeReport) -> None:
    alone = compare({"a": make(), "b": make()}, baseline="a")
    assert {(verdict.method, verdict.null) for verdict in alone.verdicts} == {("b", "a")}
    assert all(row.gap_closed is None for row in alone.rows)
    assert "gap closed" not in str(alone).lower(), "there is no reference at which a gap would be closed"
