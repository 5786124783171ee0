"""evaluate: the episodes are those of the environment, whatever the batch; and which contexts are played."""

from typing import Any

import gymnasium
import numpy as np
import pytest

import offctx
from offctx.envs.rollout import episode_seeds
from offctx.errors import ContextError, EvaluationError, PolicyError

ENV = "offctx/PendulumGoal-v0"
CONTEXTS = np.array([[2.0, 1.0, 1.0, 0.0], [3.0, 1.0, 0.8, 0.5], [1.0, 0.7, 1.0, -0.2]])


def torque(observations: Any, contexts: Any, rng: Any) -> Any:
    """A policy that uses both observations and contexts."""
    return np.tanh(observations[:, :1] - contexts[:, 3:])


def test_returns_are_those_of_reset_and_step_with_the_same_seeds_in_every_context() -> None:
    report = offctx.evaluate(torque, gymnasium.make(ENV, max_episode_steps=30), CONTEXTS, episodes=2, seed=5)
    env = gymnasium.make(ENV, max_episode_steps=30)
    for k, context in enumerate(CONTEXTS):
        for m, seed in enumerate(episode_seeds(5, 2)):
            observation, _ = env.reset(seed=int(seed), options={"context": context})
            total, steps, over = 0.0, 0, False
            while not over:
                action = torque(observation[None], context[None], None)[0]
                observation, reward, terminated, truncated, _ = env.step(action)
                total, steps, over = total + float(reward), steps + 1, terminated or truncated
            assert report.returns["test"][k, m] == pytest.approx(total, rel=1e-5)
            assert report.lengths["test"][k, m] == steps
    assert np.ptp(report.returns["test"], axis=1).min() > 0, "episodes of a context have different starts"


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_the_batch_changes_no_result(batch_size: int) -> None:
    options: dict[str, Any] = {"episodes": 3, "seed": 1}
    env = gymnasium.make(ENV, max_episode_steps=10)
    alone = offctx.evaluate(torque, env, CONTEXTS[1:2], **options)
    report = offctx.evaluate(torque, env, {"a": CONTEXTS[:1], "b": CONTEXTS[1:]}, batch_size=batch_size, **options)
    np.testing.assert_array_equal(report.returns["b"][:1], alone.returns["test"])


def test_contexts_are_an_array_a_dict_of_splits_or_the_splits_of_the_environment() -> None:
    env = gymnasium.make(ENV, max_episode_steps=2)
    space = env.unwrapped.context_space  # type: ignore[attr-defined]
    options: dict[str, Any] = {"episodes": 1, "seed": 0}
    array = offctx.evaluate("random", env, CONTEXTS, **options)
    assert array.sizes() == {"test": (3, 1)} and array.train_contexts.tolist() == [space.default.tolist()]
    splits = offctx.evaluate("random", env, {"train": CONTEXTS[:2], "far": CONTEXTS[2:]}, **options)
    assert splits.sizes() == {"train": (2, 1), "far": (1, 1)} and np.array_equal(splits.train_contexts, CONTEXTS[:2])
    own = offctx.evaluate("random", env, **options)
    assert own.sizes() == {split: (len(rows), 1) for split, rows in space.splits.items()}
    given = offctx.evaluate("random", env, CONTEXTS, train_contexts=[[99.0, 1, 1, 0]], name="mine", **options)
    assert given.train_contexts.tolist() == [[99.0, 1, 1, 0]] and given.policy == "mine"


def test_bad_arguments_are_refused() -> None:
    outside = [[99.0, 1, 1, 0]]
    for changes, error, words in (
        ({"episodes": 0}, EvaluationError, "episodes must be a whole number, at least 1; found 0"),
        ({"seed": -1}, EvaluationError, "seed must be a whole number, at least 0; found -1"),
        ({"contexts": {}}, EvaluationError, "expected at least one split of contexts; found none"),
        ({"contexts": outside}, ContextError, "99"),
        ({"policy": "best"}, PolicyError, "'best'"),
    ):
        arguments: dict[str, Any] = {"policy": "random", "env": ENV, "contexts": CONTEXTS, "episodes": 1, "seed": 0}
        with pytest.raises(error, match=words):
            offctx.evaluate(**(arguments | changes))
    env = gymnasium.make(ENV, max_episode_steps=2)
    assert offctx.evaluate("random", env, outside, episodes=1, seed=0, extrapolate=True).sizes() == {"test": (1, 1)}


def drawing(observations: Any, contexts: Any, rng: Any) -> Any:
    """A policy that draws: Gaussian noise on a mean."""
    return np.tanh(observations[:, :1] + rng.normal(0, 0.5, (len(observations), 1)))


@pytest.mark.parametrize("policy", ["random", drawing])
def test_a_policy_that_draws_reads_the_same_in_the_same_context(policy: Any) -> None:
    env = gymnasium.make(ENV, max_episode_steps=10)
    options: dict[str, Any] = {"episodes": 3, "seed": 1}
    report = offctx.evaluate(policy, env, {"a": CONTEXTS, "b": CONTEXTS[[2, 2, 0]]}, **options)
    np.testing.assert_array_equal(report.returns["b"], report.returns["a"][[2, 2, 0]])
    alone = offctx.evaluate(policy, env, CONTEXTS[2:], batch_size=2, **options)
    np.testing.assert_array_equal(alone.returns["test"], report.returns["a"][2:])
    fewer = offctx.evaluate(policy, env, CONTEXTS, **(options | {"episodes": 2}))
    np.testing.assert_array_equal(fewer.returns["test"], report.returns["a"][:, :2])
    other = offctx.evaluate(policy, env, CONTEXTS, **(options | {"seed": 2}))
    assert (other.returns["test"] != report.returns["a"]).all()


def test_episodes_that_end_early_change_nothing_for_the_others() -> None:
    """In CartGoal episodes of a random policy end at different steps."""
    env, goals = "offctx/CartGoal-v0", np.array([[10, 0.1, 1, 0.5, 0], [10, 0.1, 1, 0.5, 2.0], [8, 1, 1, 1, 0]])
    options: dict[str, Any] = {"episodes": 4, "seed": 0}
    report = offctx.evaluate("random", env, goals, **options)
    alone = offctx.evaluate("random", env, goals[2:], **options)
    assert len(np.unique(report.lengths["test"])) > 3
    np.testing.assert_array_equal(alone.lengths["test"], report.lengths["test"][2:])


def test_the_zero_action() -> None:
    env = gymnasium.make(ENV, max_episode_steps=5)
    zero = offctx.evaluate("zero", env, CONTEXTS, episodes=2, seed=0)
    zeros = offctx.evaluate(lambda observations, *_: np.zeros((len(observations), 1)), env, CONTEXTS, episodes=2, seed=0)
    assert zero.policy == "zero" and np.array_equal(zero.returns["test"], zeros.returns["test"])
    with pytest.raises(PolicyError, match="has no zero action"):
        offctx.evaluate("zero", "offctx/CartGoal-v0", episodes=1, seed=0)


def test_the_progress_bar_names_the_policy(capsys: pytest.CaptureFixture[str]) -> None:
    offctx.evaluate("zero", "offctx/SimpleDirection-v0", [[0.1, 0.2]], episodes=3, seed=0, name="my agent", progress=True)
    assert "evaluating my agent, 3 episodes" in capsys.readouterr().err
