"""The experiment of context sample enhancement runs, resumes, and its tables say what was measured; what, no test asks."""

import importlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import offctx

ROOT = Path(__file__).parents[2]
MODULES = (
    "settings",
    "environments",
    "behaviours",
    "data",
    "learners",
    "radius",
    "results",
    "verdicts",
    "report",
    "experiment",
)


@pytest.fixture(scope="module")
def cse() -> Any:
    """The public names of the experiment's files; to import them runs nothing."""
    names: dict[str, Any] = {}
    for module in MODULES:
        names |= vars(importlib.import_module(f"tools.reproduce.cse.{module}"))
    return SimpleNamespace(**{name: value for name, value in names.items() if not name.startswith("_")})


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work folder with datasets of its own."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    return tmp_path


def small(cse: Any, **changes: Any) -> Any:
    """SimpleDirection with one algorithm and two seeds."""
    environment = cse.BY_NAME["SimpleDirection"].quick()
    return replace(environment, offline={"td3": environment.offline["td3"]}, online={}, **changes)


def pretend(cse: Any, experiment: Any, work: Path, returns: dict[str, tuple[float, ...]]) -> None:
    """Cells with the same return in every sweep's context and 0 at c0, given for each method seed by seed."""
    splits = experiment.splits()
    for method, by_seed in returns.items():
        for seed, value in enumerate(by_seed):
            learner = cse.Learner(experiment.name, "offline", "td3", method, seed)
            played = {k: np.full((len(rows), 2), 0.0 if k == cse.TRAIN else value) for k, rows in splits.items()}
            report = offctx.ZeroShotReport(
                policy=method, env_id=experiment.env, context_names=("c_x", "c_y"), context_units=("", ""),
                train_contexts=splits[cse.TRAIN], contexts=splits, returns=played,
                lengths={k: np.full(v.shape, 10) for k, v in played.items()}, seed=0, context="append",
            )  # fmt: skip
            settings = cse.learner_settings(experiment, learner)
            result = {"settings": settings, "commit": "abc", "seconds": 60.0, "report": report.to_dict()}
            path = cse.learner_cell(experiment, learner, work).path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(result))


def test_every_experiment_is_sound(cse: Any) -> None:
    for experiment in cse.ENVIRONMENTS:
        space, splits = experiment.space, experiment.splits()
        assert splits[cse.TRAIN].tolist() == [space.default.tolist()]
        for contexts in splits.values():
            space.check_many(contexts)
        offctx.CSE(experiment.cse_radius).check(space)
        space.local(10, experiment.ldr_radius, np.random.default_rng(0))
        assert len(experiment.offline) >= (2 if experiment.closed_form else 1)
        assert experiment.seeds >= (5 if experiment.closed_form else 3)
        cells = cse.environment_cells(experiment, Path("work"))
        assert len({str(cell) for cell in cells}) == len({cell.path for cell in cells}) == len(cells)
        for cell in cells:
            json.dumps(cell.settings, allow_nan=False)
    assert {e.name for e in cse.ENVIRONMENTS if e.online} == {"SimpleDirection", "PendulumGoal"}


def test_a_cell_is_run_once_and_again_when_its_settings_change(cse: Any, work: Path) -> None:
    experiment = small(cse, seeds=1)
    learner = cse.Learner("SimpleDirection", "offline", "td3", "cse", 0)
    cell = cse.learner_cell(experiment, learner, work)

    def missing(changed: Any) -> list[str]:
        return [str(cell) for cell in cse.Results.read(cse.environment_cells(changed, work)).missing]

    assert str(cell) in missing(experiment)
    cell.run()
    assert str(cell) not in missing(experiment)
    found = cell.result()
    assert {split: np.shape(v["returns"]) for split, v in found["report"]["splits"].items()} == {
        "train": (1, 2), "sweep_c_x": (9, 2), "sweep_c_y": (9, 2)
    }  # fmt: skip
    assert str(cell) in missing(replace(experiment, cse_radius=0.1))
    longer = replace(experiment.offline["td3"], steps=41)
    assert str(cell) in missing(replace(experiment, offline={"td3": longer}))


def test_methods_differ_by_data_and_augmentation_alone(cse: Any, work: Path) -> None:
    experiment = small(cse)
    base, ldr = (cse.dataset(experiment, kind, 0) for kind in ("base", "ldr"))
    assert len(base) == len(ldr) == experiment.data_episodes * 10
    assert (base.contexts == 0).all()
    assert len(np.unique(ldr.contexts, axis=0)) == experiment.data_episodes
    assert cse.augmentation(experiment, "baseline") is cse.augmentation(experiment, "ldr") is None
    assert "states" in cse.augmentation(experiment, "cse-exact").requires
    assert "dreward_dcontext" in cse.augmentation(experiment, "cse").requires
    assert [cse.data_kind(cse.Learner("x", "offline", "td3", m, 0)) for m in cse.METHODS] == ["base", "base", "base", "ldr"]


def test_the_error_at_the_radius_used(cse: Any, work: Path) -> None:
    """SimpleDirection moves linearly in c; its reward s'.c misses |dc|^2 of (s' + dc).dc."""
    experiment = small(cse, cse_radius=0.5)
    data = cse.dataset(experiment, "base", 0)
    found = cse.relative_errors(experiment, data)
    assert found["next observation"] < 1e-5
    rng = np.random.default_rng(0)
    dc = rng.standard_normal((4096, 2))
    dc *= 0.5 * np.sqrt(rng.random((4096, 1))) / np.linalg.norm(dc, axis=1, keepdims=True)
    reached = data.next_observations[rng.integers(len(data), size=4096)]
    expected = np.linalg.norm((dc**2).sum(1)) / np.linalg.norm(((reached + dc) * dc).sum(1))
    assert found["reward"] == pytest.approx(expected, rel=0.1)


def test_the_report_says_what_cells_say(cse: Any, work: Path) -> None:
    experiment = small(cse)
    pretend(cse, experiment, work, {"baseline": (0, 0), "cse": (7.4, 7.6), "ldr": (10, 10)})
    results = cse.Results.read(cse.environment_cells(experiment, work))
    (work / "out").mkdir()
    cse.write_report([experiment], results, cse.Destination(work / "out", "the command"))
    assert [cell.key[3:] for cell in results.missing] == [("cse-exact", 0), ("cse-exact", 1), ()]  # the last: the radius report
    text = (work / "out" / "cse.md").read_text()
    for piece in (
        "the command", "cells run at abc", "6 core-minutes",
        "first order closes at least 0.8 of the gap over all sweeps | 0.750 [0.740, 0.760] | **not met** |",
        "| td3, offline | c0 | 0 [0, 0] | 0 [0, 0] |  | 0 [0, 0] |",
        "| td3, offline | sweep_c_x | 0 [0, 0] | 7.50 [7.40, 7.60] |  | 10 [10, 10] |",
        "- Not met: SimpleDirection, td3, offline: CSE, first order closes at least 0.8",
        "- Not run: SimpleDirection, td3, offline, CSE, exact, 2 seeds.",
        "- Not run: radius report of SimpleDirection.",
    ):  # fmt: skip
        assert piece in text, piece
    report = json.loads((work / "out" / "cse.json").read_text())
    assert report["results"][0]["gap_closed"]["cse"][cse.ALL]["share"]["estimate"] == pytest.approx(0.75)
    assert np.shape(report["results"][0]["returns"]["ldr"]["sweep_c_x"]) == (2, 9)
    assert (work / "out" / "cse-SimpleDirection.png").stat().st_size > 10_000


def test_a_gap_that_is_not_there_is_not_judged(cse: Any, work: Path) -> None:
    experiment = small(cse)
    pretend(cse, experiment, work, {"baseline": (9, 11), "cse": (10, 10), "ldr": (10, 10)})
    (result,) = cse.gather([experiment], cse.Results.read(cse.environment_cells(experiment, work)))
    verdict = cse.verdict(result)
    assert verdict.met is None and "not above 0" in verdict.measured


@pytest.mark.parametrize(("returns", "met"), [((3, 4), True), ((1, 4), False)])
def test_separated_intervals_are_judged_on_each_side_of_c0(
    cse: Any, work: Path, returns: tuple[float, float], met: bool
) -> None:
    experiment = small(cse, threshold=None)
    pretend(cse, experiment, work, {"baseline": (1, 2), "cse": returns})
    (result,) = cse.gather([experiment], cse.Results.read(cse.environment_cells(experiment, work)))
    assert list(result.sides) == ["c_x below c0", "c_x above c0", "c_y below c0", "c_y above c0"]
    assert result.returns("cse", "c_x below c0").shape == (2, 4, 2)
    assert cse.verdict(result).met is met


def test_unit_vectors_stand_at_their_angle(cse: Any) -> None:
    angles = np.radians([0.0, 90.0, 225.0])
    contexts = {"train": [[1.0, 0.0]], "sweep_angle": np.stack([np.cos(angles), np.sin(angles)], axis=1)}
    report = offctx.ZeroShotReport(
        policy="p", env_id="e", context_names=("x", "y"), context_units=("", ""), train_contexts=[[1.0, 0.0]],
        contexts=contexts, returns={k: np.zeros((len(v), 1)) for k, v in contexts.items()},
        lengths={k: np.ones((len(v), 1)) for k, v in contexts.items()}, seed=0, context="append",
    )  # fmt: skip
    at, label, base = cse.coordinate(report, "sweep_angle")
    assert at == pytest.approx([0, 90, 225]) and "degrees" in label and base == 0


def test_the_controller_balances_where_it_is_asked_to(cse: Any) -> None:
    report = offctx.evaluate(cse.Balance(1.0, 0.3), "offctx/CartGoal-v0", [[10, 0.1, 1, 0.5, 1.0]], episodes=20, seed=0)
    assert report.lengths["test"].mean() > 300  # of 500; random pushes make 20
    assert report.aer("test") > 0.7 * report.lengths["test"].mean()  # of 1 a step at the goal


def test_a_verb_imports_what_it_needs_alone() -> None:
    code = (
        "import runpy, sys; sys.path.insert(0, sys.argv[1]); sys.argv = ['reproduce.py', 'cse', '--help']\n"
        "try: runpy.run_path(sys.path[0] + '/reproduce.py', run_name='__main__')\n"
        "finally: print('imported', sorted({'d3rlpy', 'tools.reproduce.cse', 'tools.reproduce.theory'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(ROOT / "tools")], capture_output=True, text=True, check=False)
    assert "imported ['tools.reproduce.cse']" in done.stdout, done.stderr


@pytest.mark.slow
def test_the_command_runs_resumes_and_reports(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(ROOT / "tools" / "reproduce.py"),
        "cse",
        "--quick",
        "--only",
        "SimpleDirection",
        "--seeds",
        "1",
    ]
    command += ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    for expected in ("12 cells", ""):  # the second time all is there
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"})
        assert done.returncode == 0, done.stderr
        assert expected in done.stderr
    assert "12 cells" not in done.stderr
    report = json.loads((tmp_path / "out" / "cse.json").read_text())
    assert report["missing"] == [] and set(report["radius"]) == {"SimpleDirection"}
    assert report["command"] == "python tools/reproduce.py cse --only SimpleDirection --seeds 1 --quick"
