"""The folder of an online run: what is in it, and that a run that was killed ends with the same weights."""

import csv
import json
import os
import subprocess
import sys

import d3rlpy
import numpy as np
import pytest
import torch
from d3rlpy.algos import SACConfig, TD3Config

import offctx
from offctx import CSE
from offctx.data.history.settings import History
from offctx.errors import AlgorithmError, OffctxWarning
from offctx.training.agents import load_agent
from offctx.training.online import train_online
from offctx.training.records import read_record
from tests.conftest import RUNNER_CONTEXTS
from tests.training.test_train_online import NETWORKS, RUNNER, Remembers, WithMemory, weights

NOISE = d3rlpy.algos.NormalNoise(std=0.2)
STOCHASTIC = "offctx/SimpleDirectionStochastic-v0"


def run(folder, agent=None, env=RUNNER, contexts=RUNNER_CONTEXTS, **options):
    agent = agent or SACConfig(**NETWORKS).create()
    options = {"steps": 60, "seed": 0, "epochs": 5, "report_episodes": 1, **options}
    return train_online(agent, env, contexts=contexts, run=folder, progress=False, **options)


class KilledError(Exception):
    """As if the process had been killed."""


def kill_after(steps):
    def callback(agent, epoch, step):
        if step > steps:
            raise KilledError

    return callback


def rows_of(folder):
    with (folder / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("algorithm", "options"),
    [
        ("sac", {"random_steps": 18, "augmentation": CSE(0.1)}),
        ("sac", {"capacity": 14, "context": "hidden", "updates_per_joint_step": 0.7}),
        ("td3", {"explorer": NOISE, "env": STOCHASTIC, "contexts": [[0.5, 0.1], [-0.3, 1.0], [0, 0]]}),
        ("memory", {"random_steps": 6}),
        ("sac", {"capacity": 23, "context": "anonymous", "history": History(4, "context", rows_per_window=2, shortest=0)}),
    ],
)
def test_a_run_that_was_killed_ends_with_the_same_weights(algorithm, options, tmp_path):
    def agent():
        if algorithm == "memory":
            return Keeps(SACConfig(**NETWORKS), False, False)
        return (SACConfig if algorithm == "sac" else TD3Config)(**NETWORKS).create()

    whole = run(tmp_path / "whole", agent(), **options)
    for step in (10, 30, 50):  # within the first epoch, the third and the last
        with pytest.raises(KilledError):
            run(tmp_path / "killed", agent(), **options, callback=kill_after(step))
        np.random.seed(9)
        torch.manual_seed(9)
    again = run(tmp_path / "killed", agent(), **options)
    assert torch.equal(weights(again), weights(whole)) and again.grad_step == whole.grad_step
    assert rows_of(tmp_path / "killed") == rows_of(tmp_path / "whole")
    reports = [json.loads((tmp_path / name / "report" / "report.json").read_text()) for name in ("whole", "killed")]
    assert reports[0]["splits"] == reports[1]["splits"]


class Keeps(WithMemory):
    def exploration_policy(self):
        policy = Remembers()
        policy.state = lambda: {"sums": torch.from_numpy(policy.sums.copy())} if hasattr(policy, "sums") else {}
        policy.restore = lambda state: setattr(policy, "sums", state["sums"].numpy().copy())
        return policy


def test_what_a_folder_holds(tmp_path):
    folder = tmp_path / "runs" / "sac-0"
    evaluator = offctx.ZeroShotEvaluator(RUNNER, RUNNER_CONTEXTS, episodes=2)
    agent = run(folder, evaluators={"zero_shot": evaluator}, random_steps=24)
    assert {path.name for path in folder.iterdir()} == {"config.json", "metrics.csv", "agent.d3", "agent.d3.json", "report"}
    config = json.loads((folder / "config.json").read_text())
    assert config["settings"]["contexts"] == [list(context) for context in RUNNER_CONTEXTS]
    assert config["settings"]["config"]["batch_size"] == 8 and config["made_by"]["command"] == sys.argv
    assert {"python", "torch", "d3rlpy", "offctx"} <= config["made_by"]["packages"].keys()
    rows = rows_of(folder)
    assert [(row["epoch"], row["step"], row["updates"], row["episodes"]) for row in rows] == [
        ("1", "12", "2", "1"), ("2", "24", "6", "4"), ("3", "36", "10", "8"), ("4", "48", "14", "9"), ("5", "60", "18", "12"),
    ]  # fmt: skip
    assert float(rows[-1]["zero_shot"]) == evaluator(agent) and float(rows[-1]["critic_loss"]) > 0
    record = read_record(folder / "agent.d3")
    assert (record.env_id, record.dataset_id, record.context, record.steps) == (RUNNER, None, "append", 18)
    observations = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    np.testing.assert_array_equal(load_agent(folder / "agent.d3").predict(observations), agent.predict(observations))
    assert next(iter(json.loads((folder / "report" / "report.json").read_text())["splits"])) == "train"


def test_a_finished_run_is_loaded_and_other_settings_are_refused(tmp_path):
    folder = tmp_path / "run"
    agent = run(folder, report_episodes=0)
    other = SACConfig(**NETWORKS).create()
    other.create_impl((5,), 1)  # networks of its own, which the seed does not decide about
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = run(folder, report_episodes=0, callback=kill_after(0))  # makes no step
    assert torch.equal(weights(again), weights(agent))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    for options, message in (
        ({"steps": 90}, r"holds a run with steps = 60; asked for 90"),
        ({"seed": 1}, "seed = 0; asked for 1"),
        ({"agent": other}, "first_weights = "),
        ({"explorer": NOISE}, r"explorer = None; asked for .*NormalNoise"),
        ({"augmentation": CSE(0.1)}, "buffer = "),
        ({"agent": SACConfig(**NETWORKS, gamma=0.5).create()}, "config = "),
    ):
        with pytest.raises(AlgorithmError, match=message):
            run(folder, **{"report_episodes": 0, **options})
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    with pytest.raises(AlgorithmError, match="exists and holds no run"):
        run(other)
    (folder / "config.json").write_text("{}")
    with pytest.raises(AlgorithmError, match="is not the config of a run"):
        run(folder)


def test_a_damaged_checkpoint_and_one_that_runs_code_are_refused(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(KilledError):
        run(folder, callback=kill_after(30))
    good = (folder / "checkpoint.pt").read_bytes()
    (folder / "checkpoint.pt").write_bytes(good[: len(good) // 2])
    with pytest.raises(AlgorithmError, match="cannot go on from"):
        run(folder)

    (folder / "checkpoint.pt").unlink()
    os.mkfifo(folder / "checkpoint.pt")
    with pytest.raises(AlgorithmError, match=r"cannot go on from .*not a regular file"):
        run(folder)
    (folder / "checkpoint.pt").unlink()

    class Evil:
        def __reduce__(self):
            return (print, ("code",))

    torch.save({"agent": Evil()}, folder / "checkpoint.pt")
    with pytest.raises(AlgorithmError, match="cannot go on from"):
        run(folder)


def test_other_packages_are_named_when_a_run_goes_on(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(KilledError):
        run(folder, callback=kill_after(30))
    config = json.loads((folder / "config.json").read_text())
    config["made_by"]["packages"]["torch"] = "1.0.0"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.warns(OffctxWarning, match=r"was begun with other packages \(torch 1\.0\.0 -> "):
        run(folder)


def test_a_memory_that_is_not_given_away_is_refused_with_a_folder(tmp_path):
    with pytest.raises(AlgorithmError, match="give it the methods state"):
        run(tmp_path / "run", WithMemory(SACConfig(**NETWORKS), False, False))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_process_that_is_killed_goes_on(tmp_path):
    """By the operating system, at any place: in the middle of a step, or while a checkpoint is written."""
    script = (
        "import sys, offctx; offctx.quiet()\n"
        "from offctx.training.online import train_online\n"
        "config = {'batch_size': 16}\n"
        "agent = train_online('sac', 'offctx/SimpleDirection-v0', steps=900, seed=0, run=sys.argv[1], epochs=30,\n"
        "                     config=config, contexts=[[0.5, 0.1], [-0.3, 1.0], [0, 0]], progress=False, report_episodes=1)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "whole")], check=True)
    kills = 0
    for seconds in (9, 11, 13, 600):
        try:
            subprocess.run([sys.executable, "-c", script, str(tmp_path / "killed")], timeout=seconds, check=True)
            break
        except subprocess.TimeoutExpired:
            kills += 1
    assert kills
    one, other = (load_agent(tmp_path / name / "agent.d3") for name in ("whole", "killed"))
    assert torch.equal(weights(one), weights(other))
    assert rows_of(tmp_path / "whole") == rows_of(tmp_path / "killed")
