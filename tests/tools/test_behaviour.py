"""The tool that trains behaviours and picks a ladder of them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from safetensors.numpy import load_file

from offctx.algos import GaussianActor, load_actor
from offctx.errors import PolicyError
from tools.behaviour import command
from tools.behaviour.ladder import pick, score
from tools.behaviour.log import Checkpoint, read_log
from tools.behaviour.training import evaluate

ROOT = Path(__file__).parents[2]
RUNNER = "testing/Runner-v0"


@pytest.fixture(autouse=True)
def libraries_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command silences libraries for its process, which is here the process of all tests."""
    monkeypatch.setattr(command, "quiet", lambda: None)


def lines(returns: list[float], every: int = 10) -> str:
    return "".join(f"{every * k},{value},1.5,0.0,3\n" for k, value in enumerate(returns, start=1))


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """A folder as a training fills it: constant actions, returns as told."""

    def fill(returns: list[float]) -> Path:
        folder = tmp_path / "run"
        folder.mkdir()
        (folder / "log.csv").write_text(lines(returns))
        zero, none = np.zeros((1, 3), dtype=np.float32), np.zeros(1, dtype=np.float32)
        for k, value in enumerate(returns, start=1):
            heads = [(zero[:, :1], np.full(1, bias, dtype=np.float32)) for bias in (k / 10, -20.0)]
            about = {"env": RUNNER, "steps": 10 * k, "seed": 0, "return": value}
            GaussianActor(((zero, none),), heads[0], heads[1], about).save(folder / f"{10 * k:07d}.safetensors")
        return folder

    return fill


def test_training_keeps_policies_and_a_log_and_is_reproducible(tmp_path: Path) -> None:
    options = ["--steps", "90", "--every", "30", "--random-steps", "60", "--episodes", "2", "--seed", "3", "--quiet"]
    for name in ("one", "two"):
        command.main([RUNNER, *options, "--out", str(tmp_path / name)])
    names = ["0000030.safetensors", "0000060.safetensors", "0000090.safetensors", "log.csv"]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == names
    for name in names[:-1]:
        one, two = (load_file(tmp_path / folder / name) for folder in ("one", "two"))
        assert one.keys() == two.keys() and all(np.array_equal(one[key], two[key]) for key in one)
    first, second, third = (load_actor(tmp_path / "one" / name, stochastic=False) for name in names[:-1])
    assert np.array_equal(first.mean[0], second.mean[0])  # random steps teach nothing
    assert not np.array_equal(second.mean[0], third.mean[0])
    logged = read_log(tmp_path / "one")
    assert [line.steps for line in logged] == [30, 60, 90] and third.about["steps"] == 90
    assert logged[-1].mean == pytest.approx(third.about["return"], abs=0.06)
    with pytest.raises(SystemExit, match=r"error: .*one is not empty"):
        command.main([RUNNER, *options, "--out", str(tmp_path / "one")])


def test_the_logged_return_is_that_of_the_mode(tmp_path: Path) -> None:
    command.main([RUNNER, "--steps", "1", "--every", "1", "--episodes", "3", "--quiet", "--out", str(tmp_path / "run")])
    actor = load_actor(tmp_path / "run" / "0000001.safetensors", stochastic=False)
    returns = evaluate(actor, gymnasium.make(RUNNER), 3)
    assert actor.about["return"] == pytest.approx(returns.mean(), rel=1e-5) and returns.std() > 0


def test_actions_beyond_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"expected actions in \[-1, 1\].*-2\.0, 2\.0"):
        command.main(["offctx/PendulumGoal-v0", "--steps", "10", "--every", "5", "--out", str(tmp_path / "run")])
    assert list(tmp_path.iterdir()) == []


def test_what_is_picked() -> None:
    points = [Checkpoint(10 * k, value, 0.0) for k, value in enumerate([0, 10, 30, 20, 49, 51, 80, 100, 90], start=1)]
    picked = pick(points, random=0.0, medium=0.5)
    steps = {name: point.steps for name, point in picked.items()}
    assert steps == {"replay-1": 20, "replay-2": 40, "replay-3": 60, "medium": 60, "expert": 80}
    assert pick(points, random=-100.0, medium=0.6)["medium"].steps == 30  # the way begins at random's return


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        ([-3, -2, -1], r"no checkpoint does better than random \(0\.0\)"),
        ([1, 2, 3, 100], r"medium \(40 steps\) needs 2 checkpoints before it and the expert \(40 steps\) after it"),
        ([1, 60, 100], r"smaller --every"),
    ],
)
def test_a_training_without_a_ladder_is_refused(returns: list[float], message: str) -> None:
    points = [Checkpoint(10 * k, value, 0.0) for k, value in enumerate(returns, start=1)]
    with pytest.raises(PolicyError, match=message):
        pick(points, random=0.0, medium=0.5)


def test_the_ladder_writes_policies_and_a_table(run: Any, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "weights" / "runner"
    command.main(["ladder", str(run([1, 10, 20, 30, 61, 99])), "--out", str(out), "--episodes", "4", "--quiet"])
    files = sorted(path.name for path in out.parent.iterdir())
    assert files == [
        *(f"runner-{name}.safetensors" for name in ("expert", "medium", "replay-1", "replay-2", "replay-3")),
        "runner.md",
    ]
    steps = {path.stem: load_actor(path, stochastic=False).about for path in out.parent.glob("*.safetensors")}
    assert {name.removeprefix("runner-"): about["steps"] for name, about in steps.items()} == {
        "replay-1": 20, "replay-2": 30, "replay-3": 50, "medium": 50, "expert": 60,
    }  # fmt: skip
    assert all(about["name"] == name for name, about in steps.items())
    table = (tmp_path / "weights" / "runner.md").read_text()
    assert capsys.readouterr().out == table
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    assert [row[0] for row in rows] == ["| random", "| replay-1", "| replay-2", "| replay-3", "| medium", "| expert"]
    assert {len(row) for row in rows} == {6} and rows[-1][2:4] == ["99.0 ± 1.5", "1.00"] and rows[-1][5] == "6 |"
    returns, lengths = score(load_actor(out.parent / "runner-expert.safetensors"), RUNNER, 4, 0)
    assert rows[-1][4] == f"{returns.mean():.1f} ± {returns.std():.1f}" and (lengths == 6).all()


@pytest.mark.parametrize("text", ["", "steps,mean\n", "10\n", "20,1,1\n10,2,1\n", "10,nan,1\n", "10,1,1\n10,1,1\n"])
def test_a_log_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(SystemExit, match=r"error: .*log\.csv"):
        command.main(["ladder", str(tmp_path), "--out", str(tmp_path / "x")])


def test_no_such_training_and_a_foreign_environment(run: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"cannot read .*is this a folder of a training"):
        command.main(["ladder", str(tmp_path / "nowhere"), "--out", str(tmp_path / "x")])
    with pytest.raises(SystemExit, match="which --env names"):
        command.main(["ladder", str(run([1, 2])), "--env", "Pendulum-v1", "--out", str(tmp_path / "x")])


@pytest.mark.parametrize("words", [[str(ROOT / "tools" / "behaviour.py")], ["-m", "tools.behaviour"]])
def test_the_tool_starts_as_a_file_and_as_a_module(words: list[str]) -> None:
    done = subprocess.run([sys.executable, *words, "--help"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0 and done.stdout.startswith("usage: python tools/behaviour.py") and not done.stderr
