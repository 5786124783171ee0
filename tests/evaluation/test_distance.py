"""Return against distance from the data: the report, its files, its picture, and the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import offctx
from offctx.analysis.sensitivity import Sensitivity
from offctx.errors import EvaluationError
from offctx.evaluation.compare import compare
from offctx.evaluation.pages import pictures
from offctx.evaluation.report import Comparison, ZeroShotReport

PNG = b"\x89PNG\r\n\x1a\n"
CONTEXTS = {"train": np.array([[0.0, 0.0]]), "test": np.array([[3.0, 0.0], [0.0, 0.0], [0.0, -1.0], [1.0, 1.0]])}


def sensitivity(names: tuple[str, str] = ("g", "m"), discrete: tuple[str, ...] = ()) -> Sensitivity:
    """Data at (0, 0): a move by (dg, dm) moves next observations by dg and rewards by 2 dm."""
    return Sensitivity(
        dataset_id="test/data-v0",
        context_space=offctx.ContextSpace(names, -5, 5, [0, 0], ["m/s^2", ""], discrete=discrete),
        base_contexts=np.zeros((1, 2)),
        transitions=np.array([10]),
        left_out=0,
        scale=np.array([5.0, 5.0]),
        observation_units=np.ones(3),
        reward_unit=1.0,
        next_observation_metrics=np.diag([1.0, 0.0])[None],
        reward_metrics=np.diag([0.0, 0.0 if "m" in discrete else 4.0])[None],
    )


def report(policy: str, slope: float = -10.0, seed: int = 0) -> ZeroShotReport:
    """Returns that fall by `slope` a unit of distance, and a little noise."""
    rng = np.random.default_rng(seed)
    returns = {
        split: slope * np.hypot(rows[:, :1], 2 * rows[:, 1:]) + 0.1 * rng.normal(size=(len(rows), 6))
        for split, rows in CONTEXTS.items()
    }
    return ZeroShotReport(
        policy=policy,
        env_id="test/Env-v0",
        context_names=("g", "m"),
        context_units=("m/s^2", ""),
        train_contexts=CONTEXTS["train"],
        contexts=CONTEXTS,
        returns=returns,
        lengths={split: np.full(values.shape, 9) for split, values in returns.items()},
        seed=3,
        context="append",
    )


def both(found: Sensitivity | None) -> Comparison:
    return compare({"baseline": report("baseline"), "CSE": report("CSE", -2, 1)}, replicates=100, sensitivity=found)


def test_distances_are_those_of_the_data() -> None:
    found = both(sensitivity()).distances
    assert list(found) == ["train", "test"]
    assert found["train"].tolist() == [0.0]
    assert found["test"] == pytest.approx([3, 0, 2, np.sqrt(5)])
    assert both(None).distances == {}


def test_the_picture_has_each_policy_at_each_distance_once() -> None:
    comparison = both(sensitivity())
    drawn: dict[str, Any] = {}

    def look(distances: np.ndarray, per_context: Any, **words: Any) -> Any:
        drawn.update(distances=distances, per_context=per_context, **words)
        return figure(distances, per_context, **words)

    figure = pictures.plot_distance
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "plot_distance", look)
        drawing = pictures.distance_picture(comparison)
    assert drawing is not None and drawing.png.startswith(PNG)
    # The base context is in both splits: it is drawn once.
    assert sorted(drawn["distances"]) == pytest.approx([0, 2, np.sqrt(5), 3])
    order = np.argsort(drawn["distances"])
    for method, slope in (("baseline", -10), ("CSE", -2)):
        estimate, low, high = drawn["per_context"][method]
        np.testing.assert_allclose(estimate[order], slope * drawn["distances"][order], atol=0.3)
        assert ((low <= estimate) & (estimate <= high)).all() and (low < high).all()


def test_the_report_is_written_with_picture_distances_and_ranking(tmp_path: Path) -> None:
    both(sensitivity()).save(tmp_path / "with")
    assert (tmp_path / "with" / "distance.png").read_bytes().startswith(PNG)
    data = json.loads((tmp_path / "with" / "report.json").read_text())
    assert data["sensitivity"]["dataset_id"] == "test/data-v0"
    assert data["sensitivity"]["distances"]["test"] == pytest.approx([3, 0, 2, np.sqrt(5)])
    assert [row["name"] for row in data["sensitivity"]["ranking"]] == ["m", "g"]
    markdown, page = ((tmp_path / "with" / name).read_text() for name in ("report.md", "report.html"))
    assert "## Return against distance" in markdown and "(distance.png)" in markdown
    assert "| g [m/s^2] | m | distance | baseline | CSE |" in markdown
    assert "| 1 | 1 | 2.24 |" in markdown
    assert "test/data-v0" in markdown and "| m | 5 | 0 | 10 | 10 |" in markdown
    assert "<h2>Return against distance</h2>" in page and page.count('src="data:image/svg+xml;base64,') == 3


def test_without_a_sensitivity_nothing_is_added(tmp_path: Path) -> None:
    both(None).save(tmp_path)
    assert not (tmp_path / "distance.png").exists()
    assert json.loads((tmp_path / "report.json").read_text())["sensitivity"] is None
    assert "distance" not in (tmp_path / "report.md").read_text()


def test_a_single_report_saves_it_too(tmp_path: Path) -> None:
    report("CSE").save(tmp_path, sensitivity=sensitivity())
    assert (tmp_path / "distance.png").read_bytes().startswith(PNG)
    assert ZeroShotReport.load(tmp_path).to_dict() == report("CSE").to_dict()


def test_contexts_that_differ_in_a_discrete_coordinate_are_left_out_and_said(tmp_path: Path) -> None:
    comparison = both(sensitivity(discrete=("m",)))
    comparison.save(tmp_path)
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["sensitivity"]["distances"]["test"] == [3.0, 0.0, None, None]
    markdown = (tmp_path / "report.md").read_text()
    assert "differ from the data's in a discrete coordinate" in markdown
    assert "| m | discrete: no derivative |" in markdown


def test_the_picture_is_left_out_where_no_distance_is_finite(tmp_path: Path) -> None:
    found = sensitivity(discrete=("m",))
    elsewhere = Sensitivity(**{**vars(found), "base_contexts": np.array([[0.0, 3.0]])})
    comparison = both(elsewhere)
    assert pictures.distance_picture(comparison) is None
    comparison.save(tmp_path)
    assert not (tmp_path / "distance.png").exists()
    assert "distance.png" not in (tmp_path / "report.md").read_text()


def test_the_sensitivity_of_other_data_is_refused() -> None:
    with pytest.raises(EvaluationError, match=r"expected the sensitivity of data with context \('g', 'm'\)"):
        both(sensitivity(("m", "g")))


def test_the_command_line_takes_a_dataset(
    library_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from offctx import cli

    out = tmp_path / "report"
    words = [
        "random",
        "--env",
        "offctx/PendulumGoal-v0",
        "--sweep",
        "g=1,2,3",
        "--episodes",
        "2",
        "--dataset",
        "test/pendulum-v0",
    ]
    monkeypatch.setattr(sys, "argv", ["offctx", "evaluate", *words, "--out", str(out), "--json", "-q"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    data = json.loads(capsys.readouterr().out)
    dataset = offctx.load_dataset("test/pendulum-v0")
    expected = offctx.context_sensitivity(dataset).from_data(data["splits"]["sweep_g"]["contexts"])
    assert data["sensitivity"]["distances"]["sweep_g"] == pytest.approx(expected.tolist())
    assert sorted(data["train_contexts"]) == sorted(dataset.unique_contexts.tolist())
    assert (out / "distance.png").read_bytes().startswith(PNG)
