"""Null controls: what is played, and when a comparison plays them by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import offctx
from offctx.errors import EvaluationError
from offctx.evaluation import missing_controls
from offctx.evaluation.arms import NULL_CONTROLS, REFERENCES, is_fixed, names_of
from offctx.evaluation.compare import compare
from offctx.evaluation.controls import null_policies
from offctx.evaluation.report import Comparison, ZeroShotReport

ENV = "offctx/SimpleDirection-v0"
SPLITS = {"train": [[0.0, 0.0]], "sweep_c_x": [[-1.0, 0.0], [0.5, 0.0]]}
PLAY: dict[str, Any] = {"episodes": 4, "seed": 3}


def along(observations: Any, contexts: Any, rng: Any) -> Any:
    """A policy that follows the context."""
    return np.clip(contexts + 0.1, -1, 1)


def short() -> Any:
    return gymnasium.make(ENV, max_episode_steps=3)


def played(env: Any = ENV, **options: Any) -> ZeroShotReport:
    return offctx.evaluate(along, env, SPLITS, **(PLAY | options))


def test_the_zero_and_a_random_action_are_played_as_the_reports() -> None:
    controls = offctx.evaluate_controls(ENV, SPLITS, **PLAY)
    assert list(controls) == ["zero action", "random action"]
    for policy, report in zip(("zero", "random"), controls.values(), strict=True):
        expected = offctx.evaluate(policy, ENV, SPLITS, **PLAY)
        assert report.returns["train"].tolist() == expected.returns["train"].tolist()
        assert report.policy in controls and report.sizes() == played().sizes()


def test_the_best_constant_action_stands_in_where_actions_are_discrete() -> None:
    env, contexts = "offctx/CartGoal-v0", {"train": [[10, 0.1, 1, 0.5, 0]], "far": [[10, 0.1, 1, 0.5, 3.0]]}
    controls = offctx.evaluate_controls(env, contexts, **PLAY)
    assert list(controls) == ["constant action", "random action"]
    each = [offctx.evaluate(lambda observations, *_, a=a: np.full(len(observations), a), env, contexts, **PLAY) for a in (0, 1)]
    best = max(each, key=lambda report: report.aer("train"))
    assert controls["constant action"].returns["far"].tolist() == best.returns["far"].tolist()
    assert each[0].aer("train") != each[1].aer("train")


def test_actions_without_bounds_have_no_random_control() -> None:
    assert list(null_policies(spaces.Box(-np.inf, np.inf, (2,)))) == ["zero action"]
    assert len(null_policies(spaces.Discrete(3, start=5))["constant action"]) == 3


def test_a_comparison_plays_the_controls_that_it_lacks() -> None:
    comparison = compare({"along": [played()] * 5})
    assert list(comparison.methods) == ["along", "zero action", "random action"] and comparison.controls_note == ""
    expected = offctx.evaluate_controls(ENV, SPLITS, **PLAY)
    for name, report in expected.items():
        assert comparison.returns(name, "sweep_c_x").tolist() == [report.returns["sweep_c_x"].tolist()]
    zero, random = expected.values()
    given = compare({"along": played(), "Zero": zero})
    assert list(given.methods) == ["along", "Zero", "random action"]
    assert list(compare({"along": played(), "zero action": zero, "random": random}).methods)[1:] == ["zero action", "random"]


def test_a_loaded_report_is_compared_with_controls_too(tmp_path: Any) -> None:
    loaded = ZeroShotReport.load(played().save(tmp_path))
    assert loaded.registered and list(compare({"along": loaded}).methods)[1:] == ["zero action", "random action"]


def test_controls_are_left_out_on_demand_and_the_report_says_so() -> None:
    comparison = compare({"along": played()}, controls=False)
    assert list(comparison.methods) == ["along"] and "left out" in comparison.controls_note


@pytest.mark.parametrize("env", [short, short().unwrapped.__class__, ENV.removeprefix("offctx/")])
def test_an_environment_that_an_id_does_not_make_again_is_not_played(env: Any, monkeypatch: Any, make: Any) -> None:
    monkeypatch.setattr(missing_controls, "resolve", lambda *_: pytest.fail("an environment was made"))
    if isinstance(env, str):
        report = make(registered=True, env_id=env)  # nothing is registered under this id
    else:
        limited = lambda: gymnasium.wrappers.TimeLimit(env(), 3)  # noqa: E731
        report = played(env if env is short else limited)
        assert not report.registered
    comparison = compare({"along": report})
    assert list(comparison.methods) == ["along"]
    for words in ("were not played", "is not registered with Gymnasium", "offctx.evaluate_controls(env, contexts"):
        assert words in comparison.controls_note


def test_a_report_never_makes_a_comparison_import_a_module(monkeypatch: Any, make: Any) -> None:
    monkeypatch.setattr(missing_controls, "resolve", lambda *_: pytest.fail("an environment was made"))
    report = make(registered=True, env_id="antigravity:offctx/PendulumGoal-v0")
    assert "were not played" in compare({"a": report}).controls_note


def test_a_report_that_does_not_fit_its_environment_is_compared_without_controls(make: Callable[..., ZeroShotReport]) -> None:
    comparison = compare({"a": make(registered=True)})  # with other context coordinates than PendulumGoal has
    assert list(comparison.methods) == ["a"] and "were not played" in comparison.controls_note


def test_a_physics_simulator_plays_fewer_episodes_of_a_control(monkeypatch: Any) -> None:
    from offctx.envs import differentiable

    monkeypatch.setattr(differentiable, "DifferentiableEnv", int)  # SimpleDirection is none, so to speak
    monkeypatch.setattr(missing_controls, "_LEAST_EPISODES", 2)
    monkeypatch.setattr(missing_controls, "_MOST_STEPS", 3 * 10 * 3)  # 3 contexts, 10 steps
    comparison = compare({"along": played()})
    assert isinstance(comparison, Comparison)
    assert comparison.returns("zero action", "sweep_c_x").shape == (1, 2, 3)
    assert comparison.controls_note == "zero action and random action: 3 of 4 episodes per context."
    monkeypatch.setattr(missing_controls, "_MOST_STEPS", 1)
    assert compare({"along": played()}).returns("random action", "train").shape == (1, 1, 2)


def test_methods_are_named_as_controls(make: Callable[..., ZeroShotReport]) -> None:
    methods = {"a": make(), "expert": make(5)}
    assert compare(methods, controls=["expert"]).controls == ("expert",)
    with pytest.raises(EvaluationError, match="unknown method 'other'"):
        compare(methods, controls=["other"])
    with pytest.raises(EvaluationError, match="True, False or several names of methods, found 'expert'"):
        compare(methods, controls="expert")


def test_fewer_episodes_are_for_actions_that_are_not_learnt(make: Callable[..., ZeroShotReport]) -> None:
    assert compare({"a": make(), "zero": make(episodes=2)}).returns("zero", "test").shape == (1, 2, 2)
    with pytest.raises(EvaluationError, match=r"'hidden' \(run 0\) as 'a'"):
        compare({"a": make(), "hidden": make(episodes=2)})
    with pytest.raises(EvaluationError, match=r"'zero' \(run 0\) as 'a'"):
        compare({"a": make(), "zero": make(episodes=7)})


def test_arms_are_known_by_key_and_by_title_in_one_place() -> None:
    names = ["CSE", "hidden", "jitter (placebo)", "Zero action", "random", "gdr", "LDR", "GDR, context hidden"]
    assert names_of(names, NULL_CONTROLS) == ("hidden", "jitter (placebo)", "Zero action", "random")
    assert names_of(names, REFERENCES) == ("gdr", "LDR")
    assert [name for name in names if is_fixed(name)] == ["Zero action", "random"]
