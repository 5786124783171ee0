"""Cold and warm: what `evaluate(warmup=)` plays and reports."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

import offctx
from offctx.errors import EvaluationError
from offctx.evaluation.adaptation import checked_warmup
from offctx.evaluation.scoring import step_bins
from offctx.evaluation.warm import rewards_by_step, warm_rows
from tests.envs.memory_policies import Estimator, Forgetful, Thrust

CONTEXTS = {"train": np.array([[1.0]]), "inverted": np.array([[-1.0], [-0.5], [1.0], [2.0]])}


def thrust() -> Any:
    return TimeLimit(Thrust(), 20)


def score(policy: Any, contexts: Any = None, **options: Any) -> offctx.ZeroShotReport:
    given = {"episodes": 12, "seed": 0, "context": "hidden"} | options
    return offctx.evaluate(policy, thrust, CONTEXTS if contexts is None else contexts, **given)


def test_the_cold_scores_are_those_without_warm_up() -> None:
    cold, warm = score(Estimator()), score(Estimator(), warmup=25)
    assert warm.adaptation is not None and warm.adaptation.seen == (0, 25)
    for split in CONTEXTS:
        assert np.array_equal(warm.returns[split], cold.returns[split])
        assert np.array_equal(warm.after(0).returns[split], cold.returns[split])
        assert np.array_equal(warm.after(25).returns[split], score(Estimator(), warmup=(3, 25)).after(25).returns[split])
    assert cold.adaptation is None and cold.after(0) is cold


def test_a_policy_that_infers_its_context_gains() -> None:
    report = score(Estimator(), warmup=(1, 25, 60))
    aer = {seen: report.after(seen).aer("inverted") for seen in (0, 1, 25, 60)}
    assert aer[0] + 1 < aer[1] <= aer[25] + 0.1 and aer[25] > aer[0] + 1
    gains = {(row.split, row.seen): row.gain for row in warm_rows(offctx.compare({"one": report}, controls=False))}
    assert gains["inverted", 0] is None and gains["inverted", 25] is not None and gains["inverted", 25].low > 0.5
    assert gains["inverted", 25].estimate == pytest.approx(aer[25] - aer[0])


def test_the_scored_episode_starts_as_the_cold_one() -> None:
    class Starts(Estimator):
        starts: list[np.ndarray]

        def begin(self, rows, same_context, size):
            super().begin(rows, same_context, size)
            self.fresh = True

        def act(self, rows, observations, rng):
            if self.fresh and len(rows) == self.size:
                self.starts = [*getattr(self, "starts", []), observations.copy()]
            self.fresh = False
            return super().act(rows, observations, rng)

    policy = Starts()
    score(policy, CONTEXTS["inverted"], warmup=3)
    cold, warm_up, scored = policy.starts
    assert np.array_equal(cold, scored) and not np.any(cold == warm_up)


@pytest.mark.parametrize("warmup", [0, 33])
def test_returns_do_not_depend_on_the_batch_to_the_last_bit(warmup: int) -> None:
    """640 episodes at once; 7 and 1 of them; a context alone; any batch of the simulator. Episodes end at different times."""
    rows = CONTEXTS["inverted"]
    whole = score(Estimator(3.0), rows, episodes=160, warmup=warmup).after(warmup)
    assert whole.returns["test"].size == 640 and len(np.unique(whole.lengths["test"])) > 3
    for episodes in (1, 7):
        few = score(Estimator(3.0), rows, episodes=episodes, warmup=warmup).after(warmup)
        assert few.returns["test"].tobytes() == whole.returns["test"][:, :episodes].tobytes()
    alone = score(Estimator(3.0), rows[1:2], episodes=7, warmup=warmup).after(warmup)
    assert alone.returns["test"].tobytes() == whole.returns["test"][1:2, :7].tobytes()
    for batch_size in (1, 7, 640):
        parts = score(Estimator(3.0), rows, episodes=7, warmup=warmup, batch_size=batch_size).after(warmup)
        assert parts.returns["test"].tobytes() == whole.returns["test"][:, :7].tobytes()


@pytest.mark.parametrize(("policy", "memory"), [("random", "none"), (Forgetful(), "episode")])
def test_without_lasting_memory_nothing_is_played_twice(policy: Any, memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plays = []
    original = offctx.evaluation.scoring.play

    def counted(*args: Any, **kwargs: Any) -> Any:
        plays.append(1)
        return original(*args, **kwargs)

    monkeypatch.setattr("offctx.evaluation.scoring.play", counted)
    report = score(policy, warmup=(5, 25))
    assert len(plays) == 1 and report.adaptation is not None and report.adaptation.memory == memory
    assert np.array_equal(report.after(25).returns["inverted"], report.returns["inverted"])
    assert "a warm-up makes no difference, and none was played" in str(report)


def test_a_policy_that_forgets_indeed_gains_nothing() -> None:
    """Were it played warm, it would score as cold: what the report says of it is true."""

    class Untold(Forgetful):
        memory_span = "context"

    report = score(Untold(), warmup=25)
    assert np.array_equal(report.after(25).returns["inverted"], report.returns["inverted"])


def test_another_policy_may_play_the_warm_up() -> None:
    own, random = score(Estimator(0.0), warmup=1), score(Estimator(0.0), warmup=1, warmup_policy="random")
    assert not np.array_equal(own.after(1).returns["inverted"], random.after(1).returns["inverted"])
    assert np.array_equal(own.returns["inverted"], random.returns["inverted"])
    assert random.adaptation is not None and random.adaptation.warmup_policy == "random"
    assert "were played by random, while the policy looked on" in str(random)
    policy = Estimator(0.0)
    same = score(policy, warmup=1, warmup_policy=policy)
    assert np.array_equal(same.after(1).returns["inverted"], own.after(1).returns["inverted"])


def test_rewards_by_step_add_up_to_the_returns() -> None:
    report = score(Estimator(0.4), warmup=25)
    comparison = offctx.compare({"one": report}, controls=False)
    assert report.adaptation is not None
    for seen in (0, 25):
        estimate, low, high = rewards_by_step(comparison, "one", "inverted", seen)
        widths = np.diff(report.adaptation.edges)
        assert estimate @ widths == pytest.approx(report.after(seen).aer("inverted"))
        assert (low <= estimate).all() and (estimate <= high).all()
    assert step_bins(1000).tolist() == list(range(0, 1001, 20)) and step_bins(3).tolist() == [0, 1, 2, 3]


def test_a_report_has_cold_and_warm_in_every_format(tmp_path: Path) -> None:
    report = score(Estimator(), warmup=(5, 25))
    folder = report.save(tmp_path / "one")
    loaded = offctx.ZeroShotReport.load(folder)
    assert loaded.adaptation is not None and report.adaptation is not None
    assert loaded.to_dict() == report.to_dict()
    assert np.array_equal(loaded.after(25).returns["train"], report.after(25).returns["train"])
    data = json.loads((folder / "report.json").read_text())
    assert [(row["split"], row["seen"]) for row in data["cold_and_warm"]] == [
        (split, seen) for split in CONTEXTS for seen in (0, 5, 25)
    ]
    markdown, page = (folder / "report.md").read_text(), (folder / "report.html").read_text()
    for text in (markdown, page, str(report)):
        assert "transitions seen" in text
    assert "## Cold and warm" in markdown and "<h2>Cold and warm</h2>" in page
    assert "![Return against transitions seen in the same context, inverted." in markdown
    for name in ("adaptation-train.png", "adaptation-inverted.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG") and name in markdown


def test_methods_with_and_without_memory_stand_in_one_comparison(tmp_path: Path) -> None:
    methods = {
        "infers": [score(Estimator(), seed=0, warmup=5) for _ in range(5)],
        "forgets": score(Forgetful(), warmup=5),
        "zero": score("zero"),
    }
    comparison = offctx.compare(methods, controls=False)
    rows = [(row.method, row.seen) for row in warm_rows(comparison) if row.split == "train"]
    assert rows == [("infers", 0), ("infers", 5), ("forgets", 0)]
    assert "'forgets' forgets at the end of each episode: a warm-up makes no difference" in str(comparison)
    comparison.save(tmp_path)
    with pytest.raises(EvaluationError, match=r"expected the same warm-ups for all methods, found .*5"):
        offctx.compare({"a": score(Estimator(), warmup=5), "b": score(Estimator(), warmup=6)}, controls=False)
    with pytest.raises(EvaluationError, match="expected all runs of 'a' after the same warm-ups"):
        offctx.compare({"a": [score(Estimator(), warmup=5), score(Estimator())]}, controls=False)


@pytest.mark.parametrize("warmup", [-1, 2.5, "128", (5, -3), True, [[3]]])
def test_what_is_no_number_of_steps_is_refused(warmup: Any) -> None:
    with pytest.raises(EvaluationError, match="warmup must be a whole number, at least 0"):
        score(Estimator(), warmup=warmup)


def test_numbers_of_steps_are_sorted_and_0_is_always_there() -> None:
    assert checked_warmup(0) == checked_warmup(()) == checked_warmup([0]) == ()
    assert checked_warmup(128) == checked_warmup(np.array([128])) == (0, 128)
    assert checked_warmup((128, 25, 0, 25)) == (0, 25, 128)


def test_what_was_not_asked_is_refused() -> None:
    with pytest.raises(EvaluationError, match="warmup_policy plays the warm-up, but there is none: give warmup="):
        score(Estimator(), warmup_policy="random")
    with pytest.raises(EvaluationError, match="expected a report with warmup=25, found one without"):
        score(Estimator()).after(25)
    with pytest.raises(EvaluationError, match=r"unknown number of transitions seen '7'; known: \['0', '25'\]"):
        score(Estimator(), warmup=25).after(7)
