"""The parts of the PERM experiment: uses of the labels, Mine, natural data, and what the report says at each n."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.wrappers import TimeLimit

import offctx
from offctx.errors import DatasetError
from offctx.training.fit import train
from tools.datasets import datasets_in
from tools.reproduce.frame.cells import Results
from tools.reproduce.perm import data as perm_data
from tools.reproduce.perm import restore
from tools.reproduce.perm.cell import REPORTED
from tools.reproduce.perm.choices import Choice
from tools.reproduce.perm.data import DataSettings, dataset, miners, training_contexts, unseen_contexts
from tools.reproduce.perm.labels import ContextBlind, RewardCentering
from tools.reproduce.perm.learners import LearnerSettings, context_mode, make_buffer, make_learner
from tools.reproduce.perm.methods import method
from tools.reproduce.perm.mine import LEVELS, Mine, level, nearest_diamond, steps_to
from tools.reproduce.perm.natural import Budget, replays
from tools.reproduce.perm.records import other_runs
from tools.reproduce.perm.results import StudyResults
from tools.reproduce.perm.sac import SoftActorCritics
from tools.reproduce.perm.selection import selection_lines
from tools.reproduce.perm.studies import STUDIES, cost, levels
from tools.reproduce.perm.tasks import ARRANGED, MINE

ROOT = Path(__file__).parents[2]
_UP, _DOWN, _LEFT, _RIGHT = range(4)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return dataset(DataSettings("SimpleDirection", contexts=3, share=0.1), 0, tmp_path_factory.mktemp("data"))


def test_centred_rewards_have_mean_zero_in_each_context(data: Any) -> None:
    buffer = data.replay_buffer(context="hidden", augmentation=RewardCentering(), seed=0)
    batch = buffer.batch(np.arange(len(data)))
    centred = buffer.augmentation(batch, np.random.default_rng(0))
    for number in np.unique(data.context_ids):
        of_context = centred.context_ids == number
        assert centred.rewards[of_context].mean() == pytest.approx(0, abs=1e-5)
        differences = (batch.rewards - centred.rewards)[of_context]
        assert differences == pytest.approx(data.rewards[data.context_ids == number].mean(), abs=1e-4)
    assert centred.rewards.dtype == np.float32
    unknown = replace(batch, context_ids=batch.context_ids + 100)
    with pytest.raises(DatasetError, match="expected context ids among"):
        buffer.augmentation(unknown, np.random.default_rng(0))


def test_the_critics_see_the_context_and_the_actor_does_not(data: Any) -> None:
    settings = replace(method("iql-critic", "SimpleDirection"), steps=5)
    assert settings.labels == "critic" and settings.config == method("iql", "SimpleDirection").config
    assert context_mode(settings) == "append" and context_mode(method("iql", "SimpleDirection")) == "hidden"
    buffer = make_buffer(settings, data, 0)
    learner = make_learner(settings, buffer, 0, 0.9)
    train(learner, buffer, steps=5, seed=0, progress=False)
    rng = np.random.default_rng(0)
    observations = rng.standard_normal((6, 4)).astype(np.float32)
    moved = observations.copy()
    moved[:, 2:] += rng.standard_normal((6, 2)).astype(np.float32)
    actions = rng.uniform(-1, 1, (6, 2)).astype(np.float32)
    np.testing.assert_array_equal(learner.predict(observations), learner.predict(moved))
    assert np.abs(learner.predict_value(observations, actions) - learner.predict_value(moved, actions)).min() > 1e-4
    moved[:, :2] += 1
    assert np.abs(learner.predict(observations) - learner.predict(moved)).min() > 1e-6
    with pytest.raises(NotImplementedError, match="actor"):
        ContextBlind(2).create_with_action((4,), 2)


def test_a_small_mine_by_hand() -> None:
    env, state = Mine(), np.zeros((1, 100))
    state[0, :2] = 1, 0  # row 1, column 0
    state[0, 2 + 7 * 1 + 1] = 1  # a wall to the right
    state[0, 51 + 0] = state[0, 51 + 2] = 1  # diamonds in the first row: columns 0 and 2
    for action, place in ((_UP, (0, 0)), (_DOWN, (2, 0)), (_LEFT, (1, 0)), (_RIGHT, (1, 0))):
        after, rewards, done = env.simulate(state, np.array([action]), np.zeros((1, 1)))
        assert tuple(after[0, :2]) == place
        assert rewards[0] == (action == _UP) and not done[0]
    after, *_ = env.simulate(state, np.array([_UP]), np.zeros((1, 1)))
    assert after[0, 51:].sum() == 1
    before_last = np.where(np.arange(100) == 1, 1.0, after[0])[None]  # row 0, column 1
    after, rewards, done = env.simulate(before_last, np.array([_RIGHT]), np.zeros((1, 1)))
    assert rewards[0] == 1 + 3 and done[0] and after[0, 51:].sum() == 0
    view = env.observations(state).reshape(2, 13, 13)
    assert view[0, 6, 7] == 1 and view[0, 6, 6] == 0 and (view[0, :, :6] == 1).all()  # left of column 0 there is wall
    assert np.argwhere(view[1]).tolist() == [[5, 6], [5, 8]]
    assert nearest_diamond(env.observations(state)).tolist() == [_UP]


def test_steps_go_around_walls() -> None:
    walls = np.zeros((1, 3, 3), bool)
    walls[0, 1, :2] = True
    goals = np.zeros((1, 9), bool)
    goals[0, 0] = True
    expected = [[0, 1, 2], [np.inf, np.inf, 3], [6, 5, 4]]
    np.testing.assert_array_equal(steps_to(goals, walls.reshape(1, 9)).reshape(3, 3), expected)


def test_every_level_can_be_won_and_levels_differ() -> None:
    contexts = MINE.draw(np.random.default_rng(0), 60)
    assert len({level(int(number)).tobytes() for number in contexts[:, 0]}) == 60 and contexts.max() < LEVELS
    good, poor = (
        offctx.evaluate(policy, lambda: TimeLimit(Mine(), 120), contexts, episodes=1, seed=0, context="hidden")
        for policy in (lambda o, c, r: nearest_diamond(o), "random")
    )
    diamonds = np.array([level(int(number))[51:].sum() for number in contexts[:, 0]])
    np.testing.assert_array_equal(good.returns["test"][:, 0], diamonds + 3)
    assert poor.aer("test") < good.aer("test") - 2
    training = training_contexts(DataSettings("Mine", "levels", contexts=200), 0)
    assert not set(training[:, 0]) & set(unseen_contexts(MINE, 200, 1_000_000)[:, 0])


def test_the_skill_of_miners_is_drawn_for_each_level() -> None:
    contexts = MINE.draw(np.random.default_rng(0), 5)
    rows = np.repeat(contexts, 400, axis=0)
    env = Mine()
    observations = env.observations(np.stack([level(int(number)) for number in rows[:, 0]]))
    actions = miners(contexts, 3)(observations, rows, np.random.default_rng(0))
    good = (actions == nearest_diamond(observations)).reshape(5, 400).mean(axis=1)
    chances = np.random.default_rng([3, 10]).uniform(0, 0.6, 5)
    assert good == pytest.approx(chances + (1 - chances) / 4, abs=0.08)


def test_natural_data_are_the_replays_of_agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budget, settings = Budget(3, 2, 5), DataSettings("SimpleDirection", "natural", contexts=4)
    monkeypatch.setattr(perm_data, "BUDGETS", {"SimpleDirection": budget})
    found = dataset(settings, 0, tmp_path)
    contexts = training_contexts(settings, 0)
    assert len(found) == 3 * 2 * 10 * 4 and (np.bincount(found.context_ids) == 60).all()
    by_round = found.contexts.reshape(3, 4, 20, 2)
    np.testing.assert_array_equal(by_round, np.broadcast_to(contexts[None, :, None], by_round.shape))
    env = offctx.envs.SimpleDirection()
    after, rewards, _ = env.simulate(found.observations.astype(float), found.actions.astype(float), found.contexts)
    np.testing.assert_allclose(found.next_observations, after, atol=1e-5)
    np.testing.assert_allclose(found.rewards, rewards, atol=1e-4)
    with datasets_in(tmp_path):
        again = replays(ARRANGED["SimpleDirection"], contexts, budget, 0)
    np.testing.assert_array_equal(again.actions, found.actions)


def test_each_agent_learns_from_its_own_batch_alone() -> None:
    def agents(rewards: list[float]) -> SoftActorCritics:
        torch.manual_seed(0)
        trained = SoftActorCritics(2, 1, 1, 2.0, 0.5, seed=0)
        generator = torch.Generator().manual_seed(1)
        for _ in range(80):
            actions = 4 * torch.rand((2, 32, 1), generator=generator) - 2
            gain = torch.tensor(rewards)[:, None] * actions[..., 0]
            trained.update(torch.zeros(2, 32, 1), actions, gain, torch.zeros(2, 32, 1))
        return trained

    actions = agents([3.0, -3.0]).act(np.zeros((2, 200, 1)))
    assert actions[0].mean() > 0.3 and actions[1].mean() < -0.3 and np.abs(actions).max() <= 2
    first, second = (agents([3.0, other]).critic.weights[0][[0, 2]] for other in (-3.0, 5.0))  # both critics of agent 0
    assert not torch.equal(first, agents([-3.0, -3.0]).critic.weights[0][[0, 2]])
    assert torch.equal(first, second)


def test_perm_against_pppo_is_reported_at_every_n() -> None:
    cells = {}
    for n, gain in zip(cost.CONTEXTS, (-1.0, -0.5, -0.25, 0.0, 2.0), strict=True):
        for name, extra in (("perm", gain), ("perm-policy", 0.0), ("pppo", 0.0)):
            cells[f"Dosing-confounded-n{n}", name] = {
                seed: {
                    "returns": {"mode": {"unseen": [extra + seed + 0.01 * seed * (name == "perm")]}},
                    "cost": {"processor_seconds": 1.0, "memory": 1e6, "peak_growth": 1e6},
                }
                for seed in range(-2, 3)
            }
    answer = cost.STUDY.section(StudyResults(cells)).answer
    for n in cost.CONTEXTS:
        assert answer.count(f"(n = {n})") == 2
    assert "PPPO is above at n = 2, 4, 8; PPPO is below at n = 32; no difference is seen at n = 16." in answer


def test_labels_are_used_by_name() -> None:
    assert method("iql-centred", "Dosing").labels == "centred"
    assert method("iql-centred", "Dosing").algorithm == method("iql-critic", "Dosing").algorithm == "iql"
    assert LearnerSettings("iql").to_dict()["labels"] == "unused"


def _mine(scores: dict[str, float], seeds: int = 5) -> StudyResults:
    """Cells of the levels as they are keyed: learners by their data, controls by the contexts alone."""

    def result(score: float, policies: Any) -> dict[str, Any]:
        return {"returns": {policy: {"train": [score], "unseen": [score]} for policy in policies}}

    cells = {
        (str(DataSettings(MINE.name, "levels", contexts=200)), name): {
            seed: result(score + seed / 100, ("mode", "sampled")) for seed in range(seeds)
        }
        for name, score in scores.items()
    }
    controls = {seed: result(1.4 + seed / 50, ("random",)) for seed in range(seeds)}
    return StudyResults({**cells, ("Mine-any-n200", "controls"): controls})


def test_a_learner_of_mine_at_the_level_of_random_actions_is_marked() -> None:
    section = levels.STUDY.section(_mine({"nv1": 1.4, "nv4": 3.0, "nv8": 3.0, "nv16": 1.39}))
    rows = {line.split(" | ")[0]: line for line in section.lines if line.startswith("| ")}
    assert rows["| 1"].count("(not learned)") == rows["| 16"].count("(not learned)") == 4
    assert "(not learned)" not in rows["| 4"] + rows["| 8"]
    assert rows["| random action"].count("1.440 [") == 2
    assert [verdict.met for verdict in section.verdicts] == [None, None]
    assert all("not learned" in verdict.measured for verdict in section.verdicts)
    both = levels.STUDY.section(_mine(dict.fromkeys(("nv1", "nv4", "nv8", "nv16"), 3.0)))
    assert [verdict.met for verdict in both.verdicts] == [False, False]


def test_other_runs_are_restored_too(tmp_path: Path) -> None:
    report, work = ROOT / "docs" / "results" / "perm.json", tmp_path / "work"
    published = json.loads(report.read_text())
    restore.main([str(report), str(work)])
    results = Results.read(cell for study in STUDIES.values() for cell in study.cells(work))
    assert len(results.finished) == len(published["cells"])
    assert other_runs(results, STUDIES, work / "cells") == published["other_runs"] != []
    files = sorted(work.rglob("*.json"))
    restore.main([str(report), str(work)])  # a second time: nothing is written twice
    assert sorted(work.rglob("*.json")) == files
    outside = {"other_runs": [published["other_runs"][0] | {"cell": {"experiment": "..", "seed": 0}}]}
    with pytest.raises(ValueError, match="expected names without folders"):
        restore.restored_others(outside, work)


def test_the_report_says_on_what_hyperparameters_were_chosen() -> None:
    """Values chosen on what is reported are said to be so, until a search in other contexts confirms them."""
    run = {
        "cell": {"experiment": "search", "data": "d", "method": "m", "seed": 100},
        "settings": {"evaluation": {"seed": REPORTED}},
    }
    others = [run | {"commit": "abc-dirty (a file)"}, run | {"commit": "abc"}]
    unknown, right, wrong = (
        Choice("Dosing", name, "alpha", 1.0, (1.0, 2.0), scores)
        for name, scores in (("A", {}), ("B", {1.0: 3.0, 2.0: 2.0}), ("C", {1.0: 2.0, 2.0: 3.0}))
    )
    text = " ".join(" ".join(selection_lines([unknown], [right], others)).split())
    assert "**Hyperparameters were chosen on what is reported.**" in text
    assert "end of this page: 2, with 1 seed, 1 of them from a tree with changes" in text
    assert "no cell of it has been run: it confirms none of 1 choices" in text and "1 of 1 choices are confirmed" in text
    text = " ".join(" ".join(selection_lines([unknown, right, wrong], [unknown], [])).split())
    assert "It confirms: B on Dosing. It does not confirm: C on Dosing. Cells are missing for: A on Dosing." in text
    assert "scores for 2 of 3 choices" in text and "Its cells are not in this report" in text
    assert "On Mine, weight_temp has no finished search" in text
