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
import tools.reproduce.cse.environments as cse_environments
from tests.tools.cse_cells import small

ROOT = Path(__file__).parents[2]
MODULES = (
    "arms",
    "settings",
    "environments",
    "behaviours",
    "data",
    "learners",
    "radius",
    "search",
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


def test_every_experiment_is_sound(cse: Any) -> None:
    for experiment in cse.ENVIRONMENTS:
        space, splits = experiment.space, experiment.splits()
        assert splits[cse.TRAIN].tolist() == [space.default.tolist()]
        for name, contexts in splits.items():
            space.check_many(contexts)
            assert name == cse.TRAIN or (contexts != space.default).any(axis=1).all(), "sweeps do not contain c0"
        for training in (*experiment.offline.values(), *experiment.online.values()):
            assert training.seeds >= 5, "an interval over seeds needs at least 5 of them"
        assert set(experiment.reward_coordinates) <= set(space.names)
        cells = cse.environment_cells(experiment, Path("work"))
        assert len({str(cell) for cell in cells}) == len({cell.path for cell in cells}) == len(cells)
        for cell in cells:
            json.dumps(cell.settings, allow_nan=False)
        arms = {cell.key[3] for cell in cells if len(cell.key) == 5}
        assert {"baseline", "hidden", "jitter", "cse", "ldr", "random"} <= arms
        assert len(arms & {"zero", "constant"}) == 1, "an untrained policy that does nothing"


def test_a_cell_is_run_once_and_again_when_its_settings_change(cse: Any, work: Path) -> None:
    experiment = small(seeds=1)
    learner = cse.Learner("SimpleDirection", "offline", "td3", "cse", 0)
    cell = cse.learner_cell(experiment, learner, work)

    def missing(changed: Any) -> list[str]:
        return [str(cell) for cell in cse.Results.read(cse.environment_cells(changed, work)).missing]

    assert str(cell) in missing(experiment)
    cell.run()
    assert str(cell) not in missing(experiment)
    result = cell.result()
    assert {split: np.shape(v["returns"]) for split, v in result["report"]["splits"].items()} == {
        "train": (1, 2), "sweep_c_x": (8, 2), "sweep_c_y": (8, 2)
    }  # fmt: skip
    assert np.shape(result["radius"]) == (2,) and min(result["radius"]) > 0.5
    assert str(cell) in missing(replace(experiment, tolerance=0.1))
    longer = replace(experiment.offline["td3"], steps=41)
    assert str(cell) in missing(replace(experiment, offline={"td3": longer}))


def test_arms_differ_from_the_baseline_in_one_thing(cse: Any, work: Path) -> None:
    """Each arm has as many transitions; it has other contexts, or another augmentation, or does not see the context."""
    experiment = cse.BY_NAME["PendulumGoal"].quick()
    base, ldr, gdr = (cse.dataset(experiment, kind, 0) for kind in ("base", "ldr", "gdr"))
    assert len(base) == len(ldr) == len(gdr) == experiment.data_episodes * 200
    radii = cse.radius(experiment, 0)
    default = experiment.space.default
    assert (base.contexts == default).all()
    assert (np.linalg.norm((ldr.contexts - default) / radii, axis=1) <= 1 + 1e-6).all(), "LDR's contexts are in CSE's ball"
    rows = np.concatenate(list(experiment.splits().values()))
    assert (gdr.contexts >= rows.min(0)).all() and (gdr.contexts <= rows.max(0)).all()
    baseline = cse.ARMS["baseline"]
    for name in cse.STANDARD:
        arm = cse.ARMS[name]
        differing = [name for name in ("data", "context", "change") if getattr(arm, name) != getattr(baseline, name)]
        assert len(differing) == (0 if arm is baseline else 2 if arm.title == "GDR, context hidden" else 1)
    assert cse.augmentation(experiment, "baseline", radii) is cse.augmentation(experiment, "ldr", radii) is None
    kinds = {
        arm: type(cse.augmentation(experiment, arm, radii)).__name__ for arm in ("jitter", "cse", "cse-exact", "relabelled")
    }
    assert kinds == {"jitter": "ContextJitter", "cse": "CSE", "cse-exact": "CSE", "relabelled": "RewardRelabelling"}
    assert "states" in cse.augmentation(experiment, "cse-exact", radii).requires


def test_untrained_policies_are_scored_on_the_same_contexts(cse: Any, work: Path) -> None:
    experiment = replace(cse.BY_NAME["CartGoal"].quick(), episodes=3)
    constant, random = experiment.untrained()
    assert (constant.method, random.method) == ("constant", "random")
    reports = [cse.ZeroShotReport.from_dict(cse.run_learner(experiment, learner)["report"]) for learner in (constant, random)]
    assert list(reports[0].contexts) == list(reports[1].contexts) == list(experiment.splits())
    lengths = [report.lengths["train"].mean() for report in reports]
    assert lengths[0] < 15 < lengths[1], "pushing to one side falls sooner than pushing at random"


def test_an_environment_of_the_user_by_its_id(cse: Any, work: Path) -> None:
    options = (
        cse.EXPERIMENT,
        ["--env", "offctx/SimpleDirection-v0", "--sweep", "c_x=-1,0,1", "--seeds", "3", "--work", str(work)],
    )
    from tools.reproduce.frame.command import parse

    (environment,) = cse.chosen_environments(parse(*options))
    assert {name: rows.tolist() for name, rows in environment.splits().items()} == {
        "train": [[0, 0]], "sweep_c_x": [[-1, 0], [1, 0]]
    }  # fmt: skip
    assert environment.offline["td3"].seeds == 3 and environment.data_episodes == 4000
    from tools.reproduce.cse.own import read_sweeps

    with pytest.raises(SystemExit, match="expected --sweep NAME"):
        read_sweeps(["c_x=low"])


def test_the_error_at_the_radius_used(cse: Any, work: Path) -> None:
    """SimpleDirection moves linearly in c; its reward s'.c misses |dc|^2 of (s' + dc).dc."""
    experiment = small()
    data = cse.dataset(experiment, "base", 0)
    measured = cse.relative_errors(experiment, data, np.array([0.5, 0.5]))
    assert measured["next observation"] < 1e-5
    rng = np.random.default_rng(0)
    dc = rng.standard_normal((4096, 2))
    dc *= 0.5 * np.sqrt(rng.random((4096, 1))) / np.linalg.norm(dc, axis=1, keepdims=True)
    reached = data.next_observations[rng.integers(len(data), size=4096)]
    expected = np.linalg.norm((dc**2).sum(1)) / np.linalg.norm(((reached + dc) * dc).sum(1))
    assert measured["reward"] == pytest.approx(expected, rel=0.1)


def test_the_search_uses_other_contexts_seeds_and_start_states(cse: Any, work: Path) -> None:
    experiment = cse.BY_NAME["RotatedThrusters"].quick()
    contexts = cse.search_contexts(experiment)
    scored = np.concatenate(list(experiment.splits().values()))
    assert not (contexts[:, None] == scored[None]).all(axis=2).any()
    assert (contexts >= scored.min(0)).all() and (contexts <= scored.max(0)).all()
    assert np.abs(contexts[:, 0]).max() > 1.3, "the whole range, its ends included"
    assert not set(cse.SEEDS) & set(range(max(training.seeds for training in cse.BY_NAME["RotatedThrusters"].offline.values())))
    wins = {0.2: [1.0, 2.0], 0.5: [5.0, 6.0]}
    assert cse.best_tolerance(wins) == 0.5
    assert cse.best_tolerance({0.2: [7.0, 2.0], 0.5: [1.0, 1.0]}) == 0.2
    assert cse.best_tolerance({0.2: [1.0, 1.0], 0.5: [1.0, 1.0]}) is None
    del wins[0.2]
    assert cse.best_tolerance(wins) is None


def test_a_candidate_of_the_search_runs(cse: Any, work: Path) -> None:
    experiment = small()
    cells = [cell for cell in cse.environment_cells(experiment, work) if cell.key[1] == "search"]
    assert {cell.settings["tolerance"] for cell in cells} == set(cse.TOLERANCES)
    cells[0].run()
    returns = cse.search_returns(cse.Results.read(cells))
    assert list(returns["SimpleDirection"]) == [0.2] and np.isfinite(returns["SimpleDirection"][0.2]).all()


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
    for expected in ("37 cells", ""):  # the second time all is there
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"})
        assert done.returncode == 0, done.stderr
        assert expected in done.stderr
    assert "37 cells" not in done.stderr
    report = json.loads((tmp_path / "out" / "cse.json").read_text())
    assert report["missing"] == [] and set(report["radius"]) == {"SimpleDirection"}
    assert report["command"] == "python tools/reproduce.py cse --only SimpleDirection --seeds 1 --quick"


@pytest.mark.parametrize("variant", ["cse-action", "cse-resampled", "cse-state"])
def test_variants_of_cse_train(cse: Any, work: Path, variant: str) -> None:
    experiment = small(steps=3, arms=(variant,))
    (learner, _) = [learner for learner in experiment.all_learners() if learner.method == variant]
    settings = cse.learner_settings(experiment, learner)
    assert settings["more"] == cse.ARMS[variant].more and settings["more_radius"] == 0.1
    assert np.isfinite(cse.run_learner(experiment, learner)["report"]["splits"]["train"]["returns"]).all()


def test_a_radius_of_the_papers_own_is_used(cse: Any, work: Path) -> None:
    experiment = small(steps=3, radius=0.1)
    learner = cse.Learner("SimpleDirection", "offline", "td3", "cse", 0)
    assert "tolerance" not in cse.learner_settings(experiment, learner)
    assert cse.run_learner(experiment, learner)["radius"] == [0.1, 0.1]


def test_cells_of_an_own_task_change_with_its_id_and_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
import numpy as np
from offctx.envs import PointGoal
class Task(PointGoal):
    factor = {}
"""
    tags = []
    for factor in (1, 2):
        path = tmp_path / f"own_task_{factor}.py"
        path.write_text(source.format(factor))
        monkeypatch.syspath_prepend(str(tmp_path))
        module = importlib.import_module(path.stem)
        tags += [cse_environments._code_tag(env, module.Task) for env in ("my/Tank-v0", "other/Tank-v0")]
    assert len(set(tags)) == 4


def test_the_evaluation_range_of_a_discrete_coordinate_has_its_values_alone(cse: Any, work: Path) -> None:
    environment = replace(cse.BY_NAME["SimpleDirection"].quick())
    space = offctx.ContextSpace(["force", "flip"], [0, 0], [1, 1], [0.5, 0], discrete=["flip"])

    class Ranged(type(environment)):  # type: ignore[misc]  # an entry with another space
        @property
        def space(self) -> Any:
            return space

    sweeps = {"sweep_force": space.sweep("force", [0.0, 1.0]), "sweep_flip": space.sweep("flip", [0.0, 1.0])}
    ranged = Ranged(**{**vars(environment), "sweeps": lambda _: sweeps})
    contexts = cse.range_contexts(ranged, 50, np.random.default_rng(0))
    assert set(contexts[:, 1]) == {0.0, 1.0} and len(set(contexts[:, 0])) == 50


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--env", "offctx/NoTask-v0"], "--env offctx/NoTask-v0"),
        (["--env", "offctx/SimpleDirection-v0", "--sweep", "nope"], "nope"),
        (["--env", "offctx/SimpleDirection-v0", "--sweep", "c_x=0"], "expected contexts beside c0"),
        (["--sweep", "c_x=1"], "--sweep c_x=1: expected --env beside it"),
        (
            ["--env", "offctx/SimpleDirection-v0", "--algorithms", "foo"],
            "--algorithms: expected one .*found 'foo'",
        ),
        (["--algorithms", "td3", "foo"], "found 'foo'"),
    ],
)
def test_a_wrong_task_is_refused_in_a_sentence(cse: Any, work: Path, words: list[str], message: str) -> None:
    from tools.reproduce.frame.command import parse

    with pytest.raises(SystemExit, match=message):
        cse.chosen_environments(parse(cse.EXPERIMENT, [*words, "--work", str(work)]))


@pytest.mark.parametrize(
    ("words", "searches"), [([], 4), (["--algorithms", "doubledqn"], 4), (["--algorithms", "discretebcq"], 0)]
)
def test_the_search_is_of_the_first_algorithm_whatever_is_chosen(
    cse: SimpleNamespace, words: list[str], searches: int, tmp_path: Path
) -> None:
    from tools.reproduce.frame.command import parse

    options = parse(cse.EXPERIMENT, ["--only", "CartGoal", *words, "--work", str(tmp_path)])
    (environment,) = cse.chosen_environments(options)
    cells = [cell for cell in cse.environment_cells(environment, tmp_path) if cell.key[1] == "search"]
    assert [cell.settings["algorithm"] for cell in cells] == ["doubledqn"] * searches
