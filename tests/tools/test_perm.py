"""The PERM experiment runs and resumes, and its report says what its cells measured; what they measured, no test asks."""

import importlib
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import offctx

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="module")
def perm() -> Any:
    """The tool as a module; to import it runs nothing."""
    sys.path.insert(0, str(TOOLS))
    try:
        importlib.import_module("perm_report")
        return importlib.import_module("perm")
    finally:
        sys.path.remove(str(TOOLS))


@pytest.fixture(scope="module")
def report(perm: Any) -> Any:
    """The module that writes what the cells say."""
    return sys.modules["perm_report"]


def pretend(perm: Any, experiment: Any, work: Path, scores: dict[str, Any]) -> None:
    """Cells of the methods in `scores`, as if they had been run: their AER by method, with an eighth of the seed added."""
    for cell in experiment.cells():
        if cell.method in scores:
            value = scores[cell.method] + cell.seed / 8
            splits = {perm.TRAIN: [value - 1, value + 1], perm.UNSEEN: [value - 2, value + 2]}
            result = {
                "cell": cell._asdict(),
                "settings": perm.settings(experiment, cell),
                "commit": "abc",
                "versions": {"torch": "2"},
                "seconds": 6.0,
                "cost": {"processor_seconds": 5.0, "seconds": 5.5, "memory": 2_000_000, "peak_growth": 0},
                "returns": {"mode": splits, "sampled": splits},
            }
            perm.keep(result, perm.cell_path(work, cell))


def written(perm: Any, report: Any, experiment: Any, work: Path) -> tuple[str, dict[str, Any]]:
    report.write([experiment], work, work / "out", "the command")
    return (work / "out" / "perm.md").read_text(), json.loads((work / "out" / "perm.json").read_text())


def test_every_cell_has_a_name_of_its_own_and_plain_settings(perm: Any) -> None:
    for experiment in perm.EXPERIMENTS.values():
        cells = experiment.cells()
        assert len({str(cell) for cell in cells}) == len(cells)
        assert [cell.seed for cell in cells] == sorted(cell.seed for cell in cells)  # whole comparisons, seed by seed
        for cell in cells[:: len(experiment.seeds)]:
            json.dumps(perm.settings(experiment, cell), allow_nan=False)
            assert str(experiment.run(cell).data) == cell.data
    searched = set(perm.EXPERIMENTS["search"].seeds)
    for name, experiment in perm.EXPERIMENTS.items():
        assert name == "search" or (len(experiment.seeds) >= 5 and not searched & set(experiment.seeds))
    groups = {run.method for run in perm.EXPERIMENTS["cross"].runs}
    assert {f"nv{n}-{kind}" for n in (1, 4, 16) for kind in ("stochastic", "deterministic")} <= groups


def test_the_easier_a_context_the_more_data_and_the_poorer_its_behaviour(perm: Any) -> None:
    from perm_tasks import sizes, skill

    for task in perm.TASKS.values():
        confounded, benign = (perm.Data(task.name, arrangement) for arrangement in ("confounded", "benign"))
        contexts = perm.training_contexts(confounded, 0)
        ease = task.ease(contexts)
        assert len(np.unique(np.concatenate([contexts, perm.unseen_contexts(task, 48)]), axis=0)) == 16 + 48
        assert (ease >= 0).all() and (ease <= 1).all() and np.ptp(ease) > 0.5
        order = np.argsort(ease)
        assert (np.diff(sizes(task, confounded, contexts)[order]) >= 0).all()
        assert (np.diff(skill(task, confounded, contexts)[order]) <= 0).all()
        assert len(set(sizes(task, benign, contexts))) == len(set(skill(task, benign, contexts))) == 1
        good, poor = (
            offctx.evaluate(lambda o, c, r, choose=choose: choose(o), task.env, contexts, episodes=4, seed=0)
            for choose in (task.good, task.poor)
        )
        assert good.aer("test") > poor.aer("test")


def test_the_level_of_a_patient_changes_no_choice(perm: Any) -> None:
    from perm_tasks import Dosing

    env = Dosing()
    states, actions = np.array([[1.0, 0.5]] * 2), np.array([[-1.0]] * 2)
    after, rewards, _ = env.simulate(states, actions, np.array([[0.0, 1.5], [0.5, 1.5]]))
    assert after == pytest.approx(np.array([[1 + 0.2 * 1.5 * -0.7, -0.7]] * 2))
    assert rewards == pytest.approx([-(0.79**2) - 0.05, 1 - 0.79**2 - 0.05])


def test_a_cell_is_run_once_and_again_when_its_settings_change(perm: Any, tmp_path: Path) -> None:
    experiment = perm.EXPERIMENTS["cross"].quick()
    runs = [run for run in experiment.runs if run.method == "nv4-stochastic" and run.data.task == "Dosing"]
    runs = [run._replace(data=replace(run.data, share=0.2)) for run in runs]
    experiment = replace(experiment, runs=runs, seeds=(3,))
    ((cell, _),) = perm.missing_cells([experiment], tmp_path)
    assert str(cell) == "cross/Dosing-confounded-n16-share0.2/nv4-stochastic/3"
    perm.run_cell(experiment, cell, tmp_path)
    assert perm.missing_cells([experiment], tmp_path) == []
    found = perm.found_cell(experiment, cell, tmp_path)
    assert {policy: {k: len(v) for k, v in splits.items()} for policy, splits in found["returns"].items()} == {
        policy: {"train": 16, "unseen": 4} for policy in ("mode", "sampled")
    }
    assert max(found["transitions"]) > 4 * min(found["transitions"])
    assert found["cost"]["memory"] > 0
    longer = [run._replace(learner=replace(run.learner, steps=31)) for run in runs]
    assert perm.found_cell(replace(experiment, runs=longer), cell, tmp_path) is None


def test_methods_differ_as_they_say(perm: Any) -> None:
    data = perm.dataset(perm.Data("SimpleDirection", share=0.1), 0)
    plain, pessimistic = (perm.make_buffer(perm.Learner("td3", beta=beta), data, 0) for beta in (None, 1.0))
    indices = np.arange(32)
    assert plain.augmentation is None
    lowered = pessimistic.augmentation(pessimistic.batch(indices))
    assert (lowered.rewards < plain.batch(indices).rewards).all()
    assert plain.batch(indices).observations.shape == (32, 2)  # the context is hidden
    learner = perm.make_learner(perm.method("perm", "Dosing", 0.5, groups=4, policy="deterministic"), plain, 0, 0.9)
    config = learner.config
    assert (config.groups, config.policy, config.uncertainty.beta, config.gamma) == (4, "deterministic", 0.5, 0.9)
    assert perm.make_learner(perm.method("cql", "Dosing", value=1.0), plain, 0, 0.9).config.conservative_weight == 1.0


def test_the_memory_of_a_learner(perm: Any) -> None:
    layer = torch.nn.Linear(2, 1)
    optim = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optim.step()

    @dataclass
    class Modules:
        policy: torch.nn.Module
        again: torch.nn.Module  # counted once
        optimiser: Any

    modules = Modules(layer, layer, SimpleNamespace(optim=optim))
    weights, moments, counters = 3, 6, 2
    assert perm.memory(SimpleNamespace(impl=SimpleNamespace(modules=modules))) == 4 * (weights + moments + counters)


def test_the_report_says_what_cells_say(perm: Any, report: Any, tmp_path: Path) -> None:
    experiment = replace(perm.EXPERIMENTS["collapse"], seeds=range(3))
    pretend(perm, experiment, tmp_path, {"perm": 10.0, "perm-gradient": 5.25, "perm-one": 5.0, "iql": 5.0, "td3plusbc": 4.0})
    text, _ = written(perm, report, experiment, tmp_path)
    for piece in (
        "the command", "cells run at abc", "PERM (IQL-nV)",
        "| SimpleDirection | IQL, merged | 5.12 [5.00, 5.25] | 5.12 [5.00, 5.25] | 5 [5, 5] | 3 |",
        "not judged: SimpleDirection, PendulumGoal, Dosing | cannot be judged |",
        "- Not run: collapse / Dosing-confounded-n16 / cql, 3 seeds.",
    ):  # fmt: skip
        assert piece in text, piece
    pretend(perm, experiment, tmp_path, {"cql": 6.0})
    text, data = written(perm, report, experiment, tmp_path)
    assert "| on SimpleDirection, PendulumGoal, Dosing | met |" in text
    assert "| on none | **not met** |" in text  # the other PERM overlaps IQL, and is below CQL
    assert "intervals on 3 of 3 tasks" in text.replace("\n", " ")
    assert [verdict["met"] for verdict in data["verdicts"]] == [True, False]
    assert data["cells"][0]["aer"]["mode"]["unseen"] == 10.0 and data["missing"] == []
    assert (tmp_path / "out" / "perm-collapse.png").stat().st_size > 10_000


def test_each_factor_is_reported_on_its_own(perm: Any, report: Any, tmp_path: Path) -> None:
    experiment = replace(perm.EXPERIMENTS["cross"], seeds=range(2))
    networks, policies = {1: 0.0, 4: 2.0, 16: 3.0}, {"stochastic": 10.0, "deterministic": 10.5}
    scores = {f"nv{n}-{kind}": a + b for n, a in networks.items() for kind, b in policies.items()}
    pretend(perm, experiment, tmp_path, scores | {"nv4-stochastic-random": 11.0})
    text, _ = written(perm, report, experiment, tmp_path)
    for piece in (
        "| Dosing | 4 value networks less 1 | 2 [2, 2] | 2 [2, 2] |",
        "| Dosing | 16 value networks less 1 | 3 [3, 3] | 3 [3, 3] |",
        "| Dosing | 4 groups by distance less by chance | 1 [1, 1] |  |",
        "| Dosing | stochastic less deterministic at 4: its mode, its draws | -0.5 [-0.5, -0.5] | -0.5 [-0.5, -0.5] |",
    ):  # fmt: skip
        assert piece in text, piece


def test_no_seed_chooses_its_own_beta(report: Any) -> None:
    by_beta = {0.0: {0: 9.0, 1: 9.0, 2: 9.0}, 1.0: {0: 5.0, 1: 1.0, 2: 1.0}, 2.0: {0: 2.0, 1: 2.0, 2: 2.0}}
    # Without seed 0, beta 2 is best (2 > 1); without seed 1 or 2, beta 1 is (3 > 2).
    assert report.tuned(by_beta) == {0: 2.0, 1: 1.0, 2: 1.0}
    assert report.tuned({0.0: {0: 1.0}, 1.0: {}}) == {}


def test_every_section_is_written_without_a_cell_and_with_all(perm: Any, report: Any, tmp_path: Path) -> None:
    experiments = [replace(experiment, seeds=range(2)) for experiment in perm.EXPERIMENTS.values()]
    missing = report.write(experiments, tmp_path, tmp_path / "out", "the command")
    assert len(missing) == 2 * sum(len(experiment.runs) for experiment in experiments)
    for experiment in experiments:
        methods = dict.fromkeys(run.method for run in experiment.runs)
        pretend(perm, experiment, tmp_path, {method: float(place) for place, method in enumerate(methods)})
    assert report.write(experiments, tmp_path, tmp_path / "out", "the command") == []
    text = (tmp_path / "out" / "perm.md").read_text()
    assert "not measured" not in text and "Not run" not in text


def test_list_names_what_is_missing(perm: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--list", "--only", "cost", "--methods", "pppo", "--seeds", "1", "--work", str(tmp_path)]
    perm.main(command)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 + 1 and lines[0].startswith("cost/Dosing-confounded-n2/pppo/0 ")
    assert lines[-1].startswith("5 cells, ")
    assert not list(tmp_path.iterdir())
    assert perm.shown_command(perm.parse(command)) == "python tools/reproduce.py perm --only cost --methods pppo --seeds 1"
