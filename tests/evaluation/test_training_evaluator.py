"""ZeroShotEvaluator: one number of a policy, over the splits that were held out."""

from typing import Any

import gymnasium
import numpy as np
import pytest

import offctx
from offctx.errors import EvaluationError
from tests.envs.memory_policies import Estimator, Thrust

SPLITS = {"train": [[2.0, 1, 1, 0]], "near": [[2.5, 1, 1, 0], [1.5, 1, 1, 0]], "far": [[4.0, 1, 1, 0.5]]}


class Still:
    """Zero torque."""

    def predict(self, observations: Any) -> Any:
        return np.zeros((len(observations), 1))


def env() -> Any:
    return gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=5)


def thrust() -> Any:
    return gymnasium.wrappers.TimeLimit(Thrust(), 10)


@pytest.mark.parametrize("splits", [None, ["near"], ["train", "far"]])
def test_the_score_is_the_mean_over_splits_of_the_metric(splits: list[str] | None) -> None:
    report = offctx.evaluate(Still(), env(), SPLITS, episodes=3, seed=4)
    used = splits or ["near", "far"]  # all but train
    for metric, expected in (
        ("aer", [report.aer(split) for split in used]),
        ("iqm", [report.iqm(split).estimate for split in used]),
        ("worst", [report.worst_context(split)[1] for split in used]),
    ):
        options: dict[str, Any] = {"episodes": 3, "seed": 4, "metric": metric, "splits": splits}
        score = offctx.ZeroShotEvaluator(env(), SPLITS, **options)(Still(), dataset=None)
        assert type(score) is float and score == np.mean(expected)


def test_the_split_train_is_scored_where_there_is_no_other() -> None:
    only = {"train": SPLITS["train"]}
    report = offctx.evaluate(Still(), env(), only, episodes=2, seed=0)
    assert offctx.ZeroShotEvaluator(env(), only, episodes=2)(Still()) == report.aer("train")


@pytest.mark.parametrize("warmup_policy", [None, "random"])
def test_a_policy_with_memory_is_scored_warm(warmup_policy: Any) -> None:
    """What is trained is no policy here: `policy` makes one of it."""
    options: dict[str, Any] = {"episodes": 3, "seed": 4, "context": "hidden"}
    contexts = [[-1.0], [0.5]]
    report = offctx.evaluate(Estimator(), thrust, contexts, warmup=5, warmup_policy=warmup_policy, **options)
    warm = offctx.ZeroShotEvaluator(thrust, contexts, policy=Estimator, warmup=5, warmup_policy=warmup_policy, **options)
    assert warm(0.1, dataset=None) == report.after(5).aer("test") != report.aer("test")


def test_a_bad_warm_up_is_refused() -> None:
    with pytest.raises(EvaluationError, match="warmup must be a whole number, at least 0; found"):
        offctx.ZeroShotEvaluator(env(), warmup=(5, 25))  # type: ignore[arg-type]
    with pytest.raises(EvaluationError, match="warmup_policy plays the warm-up, but there is none"):
        offctx.ZeroShotEvaluator(env(), warmup_policy="random")


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(EvaluationError, match='metric must be "aer", "iqm" or "worst"; found \'mean\''):
        offctx.ZeroShotEvaluator(env(), metric="mean")  # type: ignore[arg-type]
