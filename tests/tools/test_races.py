"""All races are there, and each peer does the same work as ours."""

from pathlib import Path
from typing import Any

import minari
import numpy as np
import pytest

from tools.benchmark import command
from tools.benchmark.bench import Bench
from tools.benchmark.races import RACES
from tools.benchmark.races.cheetah import HandMadeCheetah, cheetah_transitions
from tools.benchmark.races.mujoco_collection import collect_with_minari
from tools.benchmark.races.mujoco_derivatives import derivatives


@pytest.fixture
def bench() -> Bench:
    return Bench(quick=True, repeats=1)


def test_help_names_every_race(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        command.parse(["--help"])
    shown = "".join(capsys.readouterr().out.split())  # lines may end at a hyphen
    assert len(RACES) == 34 and all(name in shown for name in RACES)


def test_the_loop_that_ppe_races_against_is_the_same_mathematics(bench: Bench) -> None:
    race = RACES["ppe"].run(bench)  # asserts agreement to 1e-10 before it times anything
    assert race.name == "ppe" and race.target == 3 and len(race.ours) == len(race.peer) == 1


@pytest.mark.parametrize("name", ["mujoco-derivatives", "mujoco-derivatives-lean"])
def test_loops_that_derivatives_race_against_find_the_same_derivatives(bench: Bench, name: str) -> None:
    race = RACES[name].run(bench)  # asserts agreement before it times anything
    assert "agree to 1e-3 in 100.0% of the transitions" in race.what and "thread(s)" in race.what


def test_derivatives_that_differ_are_not_raced(bench: Bench) -> None:
    env, rows = cheetah_transitions(8)

    def outcome(context: Any) -> Any:
        """As if everything were proportional to gravity."""
        return np.tile(context[0] * np.ones(18), (len(rows[0]), 1))

    with pytest.raises(AssertionError, match="the same in 0% of the rows"):
        derivatives(bench, env, rows, outcome, "a wrong loop")


def test_bare_rollouts_are_those_that_derivatives_need(bench: Bench) -> None:
    race = RACES["mujoco-rollout-share"].run(bench)
    assert race.percent and "256 simulations in all" in race.what  # 16 transitions, 4 coordinates, 2 step sizes, 2 sides


@pytest.mark.parametrize("task", ["cartpole", "cheetah"])
def test_the_loop_over_the_suite_s_environments_gives_the_same_bits(bench: Bench, task: str) -> None:
    race = RACES[f"dm-control-{task}"].run(bench)  # asserts agreement before it times anything
    assert race.target == 2 and "10 steps of 20 contexts" in race.what


def test_a_cheetah_made_by_hand_is_ours() -> None:
    env, (states, actions, _) = cheetah_transitions(8)
    context = env.context_space.sample(np.random.default_rng(0))
    hand, layout = HandMadeCheetah(), env.simulator.layout
    next_states, rewards, _ = env.simulate(states, actions, np.tile(context, (len(states), 1)))
    hand.set_context(env.context_space.default * 2)
    hand.set_context(context)
    for i in range(len(states)):
        hand.env.unwrapped.set_state(states[i, layout.qpos], states[i, layout.qvel])
        observation, reward, *_ = hand.env.unwrapped.step(actions[i])
        np.testing.assert_allclose(observation, env.observations(next_states)[i], rtol=1e-5, atol=1e-6)
        assert reward == pytest.approx(rewards[i], abs=1e-5)


@pytest.mark.filterwarnings("ignore::UserWarning:minari")
def test_collecting_by_hand_is_as_long_as_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    collect_with_minari("benchmark/peer-v0", np.array([[9.81, 1, 1, 1], [5.0, 2, 1, 0.5]]), steps=5, infos=True)
    dataset = minari.load_dataset("benchmark/peer-v0")
    assert [len(episode) for episode in dataset] == [5, 5]
    assert set(next(iter(dataset)).infos) == {"x_position", "x_velocity", "reward_forward", "reward_ctrl"}


def test_both_loops_of_the_online_race_make_as_many_updates(bench: Bench) -> None:
    race = RACES["online-same-buffer"].run(bench)  # asserts that they do before it gives the times
    assert race.target == 5 and "with 3 updates" in race.what and min(race.ours + race.peer) > 0


def test_windows_are_drawn_from_one_dataset(bench: Bench, datasets_path: Path) -> None:
    for name in ("history", "history-random"):  # races of one run share their data
        race = RACES[name].run(bench)
        assert race.percent and race.target == 10 and "windows of 128" in race.what
    assert len(list((datasets_path / "benchmark").glob("*-v0"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["push-folder", "pull-http"])
def test_sharing_races_against_copying_and_hashing(bench: Bench, name: str, datasets_path: Path) -> None:
    race = RACES[name].run(bench)
    assert race.percent and race.target == 150 and "SHA-256" in race.what and len(race.ours) == len(race.peer) == 1


def test_the_loop_over_rows_that_dma_star_sh_races_against_is_the_same_mathematics(bench: Bench, datasets_path: Path) -> None:
    assert datasets_path.exists()
    race = RACES["dmash-rows-12"].run(bench)  # asserts that both sides reach the same losses before it times anything
    assert race.target == 20 and "12 row(s) a window of 24" in race.what


@pytest.mark.slow
def test_collection_in_chunks_is_raced_against_one_pass_that_keeps_all_in_memory(bench: Bench) -> None:
    race = RACES["collect-chunks-memory"].run(bench)
    assert race.unit == "MB" and race.ours[0] > 100 and race.peer[0] > 100 and "one pass" in race.what
