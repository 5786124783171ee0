"""Returns grouped by what the context changes: the groups, the numbers, and where there is nothing to group."""

import json
from typing import Any

import numpy as np
import pytest

import offctx
from offctx.errors import EvaluationError
from offctx.evaluation.by_kind import kind_rows
from offctx.evaluation.report import Comparison, ZeroShotReport

KINDS = (("dynamics",), ("reward",), ())
SWEEPS = {
    "train": [[1.0, 0.0, 0.0]],
    "g": [[1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [3.0, 0.0, 0.0]],
    "others": [[1.0, 5.0, 0.0], [2.0, 5.0, 0.0], [1.0, 0.0, 7.0]],
}


def report(name: str = "agent", offset: float = 0.0, **changes: Any) -> ZeroShotReport:
    contexts = {split: np.array(rows) for split, rows in changes.pop("contexts", SWEEPS).items()}
    returns = {split: offset + rows.sum(axis=1)[:, None] + np.array([[-1.0, 1.0]]) for split, rows in contexts.items()}
    arguments: dict[str, Any] = {
        "policy": name, "env_id": "testing/Env-v0", "context_names": ("g", "goal", "wind"), "context_units": ("", "", ""),
        "train_contexts": contexts["train"], "contexts": contexts, "returns": returns,
        "lengths": {split: np.ones(rows.shape) for split, rows in returns.items()}, "seed": 0, "context": "append",
        "context_kinds": KINDS,
    }  # fmt: skip
    return ZeroShotReport(**{**arguments, **changes})


def test_contexts_are_grouped_by_the_kinds_of_the_coordinates_that_are_not_as_in_training() -> None:
    rows = kind_rows(Comparison({"a": (report(),), "b": (report("b", 10.0),)}))
    found = [(row.changes, row.method, row.contexts, row.aer.estimate, row.gap) for row in rows]
    assert found == [
        ((), "a", 1, 1, None),
        ((), "b", 1, 11, None),
        (("dynamics",), "a", 2, 2.5, -1.5),  # g = 2 and 3, each once
        (("dynamics",), "b", 2, 12.5, -1.5),
        (("not declared",), "a", 1, 8, -7),
        (("not declared",), "b", 1, 18, -7),
        (("reward",), "a", 1, 6, -5),
        (("reward",), "b", 1, 16, -5),
        (("dynamics", "reward"), "a", 1, 7, -6),
        (("dynamics", "reward"), "b", 1, 17, -6),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"context_kinds": ()},
        {"contexts": {"train": [[1.0, 0, 0], [2, 0, 0]], "test": [[2.0, 0, 0]]}},
        {"returns": {"train": np.zeros((1, 3)), "g": np.zeros((3, 2)), "others": np.zeros((3, 2))}, "lengths": None},
    ],
    ids=["no kinds", "one group", "other numbers of episodes"],
)
def test_there_is_no_table_where_it_would_tell_nothing(changes: dict[str, Any]) -> None:
    if "lengths" in changes:
        changes["lengths"] = {split: np.ones(rows.shape) for split, rows in changes["returns"].items()}
    alone = Comparison({"a": (report(**changes),)})
    assert kind_rows(alone) == [] and "by_kind" not in alone.to_dict()


def test_kinds_are_written_and_read(tmp_path: Any) -> None:
    report().save(tmp_path)
    assert ZeroShotReport.load(tmp_path).context_kinds == KINDS
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["context_kinds"] == [["dynamics"], ["reward"], []] and len(data["by_kind"]) == 5
    text = (tmp_path / "report.md").read_text()
    assert "## By what the context changes" in text and "| dynamics, reward | agent | 1 |" in text
    assert "<h2>By what the context changes</h2>" in (tmp_path / "report.html").read_text()


def test_a_report_without_kinds_is_read_and_compared_with_one_that_has_them(tmp_path: Any) -> None:
    old = report("old", context_kinds=())
    data = old.to_dict()
    assert "context_kinds" not in data
    again = ZeroShotReport.from_dict(data)
    assert again.context_kinds == ((), (), ())
    assert len(kind_rows(Comparison({"new": (report(),), "old": (again,)}))) == 10


@pytest.mark.parametrize("kinds", [["dynamics"], [["physics"], [], []], 3])
def test_wrong_kinds_are_refused(kinds: Any) -> None:
    with pytest.raises(EvaluationError, match="expected context_kinds as a list of kinds for each"):
        report(context_kinds=kinds)


def test_evaluate_takes_the_kinds_of_the_environment() -> None:
    env = offctx.ObservationContexts("offctx/CartGoal-v0", noise=(0, 0.5))
    found = offctx.evaluate("random", env, {"train": env.context_space.default[None]}, episodes=1, seed=0, progress=False)
    assert found.context_kinds == (*[("dynamics",)] * 4, ("reward",), ("observation",))
