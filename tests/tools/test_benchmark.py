"""The benchmark runs, and reports what it measured. How fast anything is, no test asks."""

import importlib.util
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import minari
import numpy as np
import pytest

TOOL = Path(__file__).parents[2] / "tools" / "benchmark.py"


@pytest.fixture(scope="module")
def benchmark() -> Any:
    """The tool as a module; to import it runs nothing."""
    spec = importlib.util.spec_from_file_location("benchmark_tool", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_json_markdown_and_raw_times_agree(tmp_path: Path) -> None:
    out, datasets, scratch = (tmp_path / name for name in ("out", "datasets", "scratch"))
    datasets.mkdir()
    scratch.mkdir()
    arguments = ("--quick", "--repeats", "2", "--only", "sample", "load-second", "cse-cost", "--json", "--out", str(out))
    environment = os.environ | {"MINARI_DATASETS_PATH": str(datasets), "TMPDIR": str(scratch)}
    done = subprocess.run([sys.executable, str(TOOL), *arguments], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    report = json.loads((out / "benchmark.json").read_text())
    assert json.loads(done.stdout) == report  # and nothing else is on stdout
    assert [race["name"] for race in report["races"]] == ["sample", "load-second", "cse-cost"]
    assert report["torch_threads"] == 1 and report["quick"] and report["commit"]
    lines = (out / "benchmark.md").read_text().splitlines()
    for race in report["races"]:
        ratio = statistics.median(race["peer"]) / statistics.median(race["ours"])
        assert race["ratio"] == pytest.approx(ratio)
        assert race["result"] == pytest.approx(100 / ratio if race["percent"] else ratio)
        assert race["met"] == (race["result"] <= race["target"] if race["percent"] else race["result"] >= race["target"])
        (line,) = (line for line in lines if line.startswith(f"| {race['name']} |"))
        shown = f"{race['result']:.2f}{' %' if race['percent'] else 'x'}"
        assert line.split(" | ")[3] == shown
        assert shown in next(line for line in done.stderr.splitlines() if line.startswith(f"{race['name']}  "))
    assert list(datasets.iterdir()) == [] and not list(scratch.glob("offctx-*"))  # nothing is left behind


def test_ratio_is_peer_over_ours_by_medians_and_a_cost_is_its_inverse_in_percent(benchmark: Any) -> None:
    race = benchmark.Race("r", "what", ours=[1.0, 2.0, 9.0], peer=[8.0, 7.0, 100.0], target=4)
    assert (race.ratio, race.result, race.met) == (4.0, 4.0, True)
    cost = benchmark.Race("c", "what", ours=[1.0, 2.0, 9.0], peer=[8.0, 7.0, 100.0], target=24, percent=True)
    assert (cost.ratio, cost.result, cost.met) == (4.0, 25.0, False)


def test_contenders_take_turns_in_blocks(benchmark: Any) -> None:
    calls: list[str] = []

    def contender(name: str, seconds: float) -> Any:
        return lambda: calls.append(name) or seconds

    times = benchmark.alternate(contender("A", 1.0), contender("B", 2.0), rounds=2, block=2)
    assert "".join(calls) == "AABBAABB"
    assert times == ([1.0] * 4, [2.0] * 4)


@pytest.mark.parametrize(("unit", "value", "shown"), [("s", 2.5, "2.5 s"), ("s", 3e-5, "30 µs"), ("MB", 0.5, "0.5 MB")])
def test_times_are_shown_in_a_unit_that_suits_them(benchmark: Any, unit: str, value: float, shown: str) -> None:
    assert benchmark.show_time(value, unit) == shown


@pytest.mark.parametrize("arguments", [["--only", "no-such-race"], ["--only"], ["--repeats", "0"], ["--threads", "0"]])
def test_bad_arguments_are_refused(benchmark: Any, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        benchmark.parse(arguments)
    assert "usage:" in capsys.readouterr().err


def test_the_loop_that_ppe_races_against_is_the_same_mathematics(benchmark: Any) -> None:
    race = benchmark.ppe(benchmark.Bench(benchmark.QUICK, 1))  # asserts agreement to 1e-10 before it times anything
    assert race.name == "ppe" and race.target == 3 and len(race.ours) == len(race.peer) == 1


@pytest.mark.parametrize("name", ["mujoco-derivatives", "mujoco-derivatives-lean"])
def test_loops_that_derivatives_race_against_find_the_same_derivatives(benchmark: Any, name: str) -> None:
    race = benchmark.RACES[name](benchmark.Bench(benchmark.QUICK, 1))  # asserts agreement before it times anything
    assert "agree to 1e-3 in 100.0% of the transitions" in race.what and "thread(s)" in race.what


def test_derivatives_that_differ_are_not_raced(benchmark: Any) -> None:
    env, rows = benchmark.cheetah_transitions(8)

    def outcome(context: Any) -> Any:
        """As if everything were proportional to gravity."""
        return np.tile(context[0] * np.ones(18), (len(rows[0]), 1))

    with pytest.raises(AssertionError, match="the same in 0% of the rows"):
        benchmark.derivatives_race(benchmark.Bench(benchmark.QUICK, 1), "race", env, rows, outcome, 1, "a wrong loop")


def test_bare_rollouts_are_those_that_derivatives_need(benchmark: Any) -> None:
    race = benchmark.mujoco_rollout_share(benchmark.Bench(benchmark.QUICK, 1))
    assert race.percent and "256 simulations in all" in race.what  # 16 transitions, 4 coordinates, 2 step sizes, 2 sides


def test_a_cheetah_made_by_hand_is_ours(benchmark: Any) -> None:
    env, (states, actions, _) = benchmark.cheetah_transitions(8)
    context = env.context_space.sample(np.random.default_rng(0))
    hand, layout = benchmark.HandMadeCheetah(), env.simulator.layout
    following, rewards, _ = env.simulate(states, actions, np.tile(context, (len(states), 1)))
    hand.put(env.context_space.default * 2)
    hand.put(context)
    for i in range(len(states)):
        hand.env.unwrapped.set_state(states[i, layout.qpos], states[i, layout.qvel])
        observation, reward, *_ = hand.env.unwrapped.step(actions[i])
        np.testing.assert_allclose(observation, env.observations(following)[i], rtol=1e-5, atol=1e-6)
        assert reward == pytest.approx(rewards[i], abs=1e-5)


@pytest.mark.filterwarnings("ignore::UserWarning:minari")
def test_collecting_by_hand_is_as_long_as_ours(benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    benchmark.record_cheetah("benchmark/peer-v0", np.array([[9.81, 1, 1, 1], [5.0, 2, 1, 0.5]]), steps=5, infos=True)
    dataset = minari.load_dataset("benchmark/peer-v0")
    assert [len(episode) for episode in dataset] == [5, 5]
    assert set(next(iter(dataset)).infos) == {"x_position", "x_velocity", "reward_forward", "reward_ctrl"}


def test_a_partial_run_does_not_replace_the_published_table(benchmark: Any) -> None:
    assert benchmark.parse([]).out == TOOL.parents[1] / "docs" / "results"
    assert benchmark.parse(["--quick"]).out is None and benchmark.parse(["--only", "sample"]).out is None


def test_help_names_every_race(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        benchmark.parse(["--help"])
    shown = "".join(capsys.readouterr().out.split())  # lines may end at a hyphen
    assert len(benchmark.RACES) == 17 and all(name in shown for name in benchmark.RACES)
