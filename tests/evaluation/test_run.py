"""The episodes of one policy: their numbers and the checks of their fields."""

from __future__ import annotations

import dataclasses
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from offctx.errors import EvaluationError
from offctx.evaluation.compare import compare
from offctx.evaluation.report import ZeroShotReport
from offctx.evaluation.statistics import bootstrap_interval

TRAIN = np.array([[9.0, 1.0], [10.0, 1.0], [11.0, 1.0]])
TEST = np.array([[4.0, 1.0], [15.0, 1.0]])
MakeReport = Callable[..., ZeroShotReport]


def same(first: ZeroShotReport, second: ZeroShotReport) -> bool:
    return first.to_dict() == second.to_dict()


def test_numbers_of_one_policy_by_hand(make: MakeReport) -> None:
    returns = {"train": [[1.0, 3.0], [5.0, 7.0], [0.0, 2.0]], "test": [[-1.0, -3.0], [0.0, 2.0]]}
    found = make(returns=returns, lengths={"train": np.full((3, 2), 9), "test": np.full((2, 2), 9)})
    assert found.splits == ("train", "test")
    assert found.aer("train") == 3.0
    assert found.aer("test") == -0.5
    assert found.gap("test") == 3.5
    assert found.iqm("train").estimate == (1 + 2 + 3 + 5) / 4  # six entries, one cut from each end
    worst, value = found.worst_context("test")
    assert (worst.tolist(), value) == ([4.0, 1.0], -2.0)


def test_gap_is_none_without_a_train_split(make: MakeReport) -> None:
    found = make()
    alone = make(
        contexts={"test": TEST},
        returns={"test": found.returns["test"]},
        lengths={"test": found.lengths["test"]},
    )
    assert alone.gap("test") is None
    assert compare({"a": alone}, replicates=50).summary()[0]["gap"] is None


def test_iqm_interval_is_over_episodes_and_seeded(make: MakeReport) -> None:
    found = make(episodes=12)  # of up to 7 episodes all resamples are listed
    assert found.iqm("test").over == "episodes"
    assert found.iqm("test") == found.iqm("test")
    assert found.iqm("test") != dataclasses.replace(found, seed=8).iqm("test")
    other = bootstrap_interval(found.returns["test"][None], "iqm", rng=np.random.default_rng(0), replicates=4000)
    width = other.high - other.low
    assert found.iqm("test").low == pytest.approx(other.low, abs=0.15 * width)
    assert found.iqm("test", confidence=0.5).high < found.iqm("test").high


def test_table_has_one_row_per_context(make: MakeReport) -> None:
    found = make()
    rows = found.table("test")
    assert [(row["g"], row["m"], row["episodes"]) for row in rows] == [(4.0, 1.0, 6), (15.0, 1.0, 6)]
    assert rows[1]["mean"] == pytest.approx(found.returns["test"][1].mean())
    assert rows[1]["std"] == pytest.approx(found.returns["test"][1].std(ddof=1))
    for row in rows:
        low, mean, high = row["low"], row["mean"], row["high"]
        assert low is not None and mean is not None and high is not None
        assert low < mean < high


def test_table_keeps_a_coordinate_named_as_a_statistic(make: MakeReport) -> None:
    row = make(context_names=("g", "std")).table("train")[0]
    assert row["context.std"] == 1.0
    assert row["std"] != 1.0


def test_report_is_read_only_also_after_pickling(make: MakeReport) -> None:
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
def test_bad_fields_are_refused(changes: dict[str, Any], words: str, make: MakeReport) -> None:
    good = make()
    with pytest.raises(EvaluationError, match=words):
        dataclasses.replace(good, **changes)


def test_unknown_split_names_the_known(make: MakeReport) -> None:
    found = make()
    for call in (found.aer, found.iqm, found.gap, found.table, found.worst_context):
        with pytest.raises(EvaluationError, match=r"unknown split 'out'; known: \['train', 'test'\]"):
            call("out")
