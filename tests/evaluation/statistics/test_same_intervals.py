"""The same episodes have the same interval, wherever they are shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from offctx.evaluation.compare import compare
from offctx.evaluation.report import Comparison, ZeroShotReport
from offctx.evaluation.statistics import Interval

NOMINAL = [10.0, 1.0]
SWEEP_G, SWEEP_M = np.array([[5.0, 1.0], NOMINAL, [15.0, 1.0]]), np.array([NOMINAL, [10.0, 2.0]])


def shared_context(seed: int) -> ZeroShotReport:
    """Three splits that share one context, with the same episodes there."""
    rng = np.random.default_rng(seed)
    contexts = {"sweep_g": SWEEP_G, "sweep_m": SWEEP_M, "train": np.array([NOMINAL])}
    nominal = rng.normal(-60, 20, size=8)
    returns = {split: rng.normal(-90, 20, size=(len(rows), 8)) for split, rows in contexts.items()}
    for split, rows in contexts.items():
        returns[split][(rows == NOMINAL).all(axis=1)] = nominal
    lengths = {split: np.ones(values.shape) for split, values in returns.items()}
    train = np.array([NOMINAL])
    return ZeroShotReport("CQL", "a/b-v0", ("g", "m"), ("", ""), train, contexts, returns, lengths, 0, "append")


def nominal_intervals(comparison: Comparison, method: str) -> set[tuple[float, ...]]:
    places = (("sweep_g", 1), ("sweep_m", 0), ("train", 0))
    return {tuple(float(bound[k]) for bound in comparison.context_intervals(method, split)) for split, k in places}


def test_one_context_of_several_splits_has_the_interval_of_the_summary() -> None:
    one, several = shared_context(0), [shared_context(seed) for seed in range(5)]
    comparison = compare({"one": one, "several": several})
    for method in ("one", "several"):
        summary = comparison.aer(method, "train")
        assert nominal_intervals(comparison, method) == {(summary.estimate, summary.low, summary.high)}
    row = one.table("sweep_g")[1]
    assert (row["low"], row["high"]) == (comparison.aer("one", "train").low, comparison.aer("one", "train").high)


def test_page_text_and_json_show_one_interval_of_the_same_episodes(tmp_path: Path) -> None:
    comparison = compare({"baseline": shared_context(1)})
    folder = comparison.save(tmp_path)
    summary = next(row for row in comparison.summary() if row["split"] == "train")["aer"]
    interval = str(Interval(**summary))
    estimate = interval.split(maxsplit=1)[0]
    for text in ((folder / "report.md").read_text(), (folder / "report.html").read_text()):
        assert set(re.findall(rf"{re.escape(estimate)} \[[^\]]*\]", text)) == {interval}
        assert text.count(interval) >= 4  # the summary and the table of each split
    data = json.loads((folder / "report.json").read_text())
    assert next(row for row in data["summary"] if row["split"] == "train")["aer"] == summary
    assert interval in str(comparison)
