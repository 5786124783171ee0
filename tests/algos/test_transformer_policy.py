"""d3rlpy's Decision Transformers as policies with memory: the same actions as d3rlpy's own wrapper, for all rows at once."""

from pathlib import Path
from typing import Any

import d3rlpy
import numpy as np
import pytest
import torch
from d3rlpy.algos import (
    DecisionTransformerConfig,
    DiscreteDecisionTransformerConfig,
    GreedyTransformerActionSampler,
    SACConfig,
    TACRConfig,
)
from d3rlpy.models import VectorEncoderFactory
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit

import offctx
from offctx.algos import load_agent
from offctx.envs.rollout import episode_seeds
from offctx.errors import PolicyError
from tests.envs.memory_policies import Thrust

CONTEXTS = np.array([[-2.0], [-0.5], [1.5]])
HORIZON = 9


class Coins(Thrust):
    """Discrete thrusts: back, none, forth."""

    action_space = spaces.Discrete(3)

    def transition(self, state, action, context, noise):
        return super().transition(state, action[..., None] - 1.0, context, noise)


def tried(discrete: bool) -> Any:
    return TimeLimit((Coins if discrete else Thrust)(), HORIZON)


def transformer(discrete: bool = False, **options: Any) -> Any:
    """With random weights that are large enough for its actions to depend on the window."""
    d3rlpy.seed(3)
    small = {"context_size": 4, "num_heads": 1, "num_layers": 2} | options
    if "kind" not in options:
        small["encoder_factory"] = VectorEncoderFactory([32])
    kind = small.pop("kind", DiscreteDecisionTransformerConfig if discrete else DecisionTransformerConfig)
    config = kind(**small)
    algo = config.create()
    algo.create_impl((1,), 3 if discrete else 1)
    with torch.no_grad():
        for parameter in algo.impl.modules.transformer.parameters():
            parameter.mul_(3.0)
    return algo


SCALED = {
    "observation_scaler": d3rlpy.preprocessing.StandardObservationScaler(np.float32([0.3]), np.float32([1.7])),
    "action_scaler": d3rlpy.preprocessing.MinMaxActionScaler(np.float32([-0.9]), np.float32([0.9])),
    "reward_scaler": d3rlpy.preprocessing.MultiplyRewardScaler(0.1),
}


def wrapped_actions(algo: Any, discrete: bool, episodes: int) -> tuple[np.ndarray, list[list[Any]]]:
    """Returns (contexts, episodes) and actions of each episode, by d3rlpy's wrapper, a row at a time."""
    returns, actions = [], []
    sampler = GreedyTransformerActionSampler() if discrete else None
    for context in CONTEXTS:
        for seed in episode_seeds(0, episodes):
            wrapper, env = algo.as_stateful_wrapper(12.0, sampler), tried(discrete)
            observation, _ = env.reset(seed=int(seed), options={"context": context})
            reward, total, done, own = 0.0, 0.0, False, []
            while not done:
                own.append(wrapper.predict(observation, reward))
                observation, reward, terminated, truncated, _ = env.step(own[-1])
                total, done = total + reward, terminated or truncated
            returns.append(total)
            actions.append(own)
    return np.array(returns).reshape(len(CONTEXTS), episodes), actions


class Recording:
    def __init__(self, policy: Any) -> None:
        self.policy, self.actions = policy, {}

    def begin(self, rows, same_context, size):
        self.policy.begin(rows, same_context, size)

    def act(self, rows, observations, rng):
        actions = self.policy.act(rows, observations, rng)
        for row, action in zip(rows.tolist(), actions, strict=True):
            self.actions.setdefault(row, []).append(action)
        return actions

    def observe(self, transitions):
        self.policy.observe(transitions)


@pytest.mark.parametrize(
    ("discrete", "options"),
    [
        (False, {}),
        (False, SCALED),
        (False, {"context_size": 20}),
        (False, {"kind": TACRConfig}),
        (False, {"max_timestep": 3, "position_encoding_type": d3rlpy.PositionEncodingType.GLOBAL}),
        (True, {}),
        (True, {"reward_scaler": SCALED["reward_scaler"], "observation_scaler": SCALED["observation_scaler"]}),
    ],
)
def test_its_actions_are_those_of_the_stateful_wrapper(discrete: bool, options: Any) -> None:
    algo = transformer(discrete, **options)
    returns, actions = wrapped_actions(algo, discrete, 5)
    recording = Recording(offctx.TransformerPolicy(algo, 12.0))
    report = offctx.evaluate(recording, lambda: tried(discrete), CONTEXTS, episodes=5, seed=0, context="hidden")
    np.testing.assert_allclose(report.returns["test"], returns, rtol=1e-4)
    assert len({len(own) for own in actions}) > 1, "episodes should end at different times"
    for row, own in enumerate(actions):
        np.testing.assert_allclose(np.array(recording.actions[row]), np.array(own), atol=1e-5)
    assert np.unique(np.concatenate(actions)).size > 1, "actions should differ"


def test_a_warm_up_fills_the_window() -> None:
    algo = transformer()

    def score(**options: Any) -> offctx.ZeroShotReport:
        policy = offctx.TransformerPolicy(algo, 12.0, **options)
        return offctx.evaluate(policy, lambda: tried(False), CONTEXTS, episodes=4, seed=0, context="hidden", warmup=6)

    kept, emptied = score(), score(memory_span="episode")
    assert np.array_equal(kept.returns["test"], emptied.returns["test"])
    assert not np.array_equal(kept.after(6).returns["test"], kept.returns["test"])
    assert emptied.adaptation is not None and emptied.adaptation.memory == "episode"


def test_a_new_episode_begins_with_the_whole_target_and_time_step_1() -> None:
    policy, rng = offctx.TransformerPolicy(transformer(), 12.0), np.random.default_rng(0)
    rows = np.arange(2)
    policy.begin(rows, np.zeros(2, bool), 2)
    for _ in range(3):
        actions = policy.act(rows, np.ones((2, 1), np.float32), rng)
        none = np.zeros(2, bool)
        policy.observe(
            offctx.envs.Transitions(rows, np.ones((2, 1)), actions, np.array([2.0, 3.0]), np.ones((2, 1)), none, none)
        )
    policy.begin(np.array([1]), np.ones(1, bool), 2)
    policy.act(rows, np.ones((2, 1), np.float32), rng)
    assert policy._returns_to_go[0, :, 0].tolist() == [12, 10, 8, 6] and policy._timesteps[0].tolist() == [1, 2, 3, 4]
    assert policy._returns_to_go[1, :, 0].tolist() == [12, 9, 6, 12] and policy._timesteps[1].tolist() == [1, 2, 3, 1]
    policy.begin(np.array([1]), np.zeros(1, bool), 2)
    policy.act(rows, np.ones((2, 1), np.float32), rng)
    assert policy._masks.tolist() == [[1, 1, 1, 1], [0, 0, 0, 1]]


def test_drawn_actions_follow_the_logits_and_do_not_depend_on_the_batch() -> None:
    algo = transformer(discrete=True)
    policy = offctx.TransformerPolicy(algo, 12.0, temperature=1.0)

    def returns(episodes: int) -> np.ndarray:
        report = offctx.evaluate(policy, lambda: tried(True), CONTEXTS, episodes=episodes, seed=0, context="hidden")
        return report.returns["test"]

    np.testing.assert_allclose(returns(3), returns(30)[:, :3], rtol=1e-4)
    n = 20_000
    policy.begin(np.arange(n), np.zeros(n, bool), n)
    drawn = policy.act(np.arange(n), np.zeros((n, 1), np.float32), np.random.default_rng(0))
    logits = policy._forward(np.array([0]))[0]
    probabilities = np.exp(logits) / np.exp(logits).sum()
    assert np.abs(np.bincount(drawn, minlength=3) / n - probabilities).max() < 0.02


def test_a_saved_transformer_plays_as_before(tmp_path: Path) -> None:
    algo = transformer(**SCALED)
    algo.save(tmp_path / "dt.d3")

    def score(agent: Any) -> np.ndarray:
        policy = offctx.TransformerPolicy(agent, 12.0)
        return offctx.evaluate(policy, lambda: tried(False), CONTEXTS, episodes=2, seed=0, context="hidden").returns["test"]

    assert np.array_equal(score(load_agent(tmp_path / "dt.d3")), score(algo))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: offctx.TransformerPolicy(SACConfig().create(), 1.0), "expected a DecisionTransformer, .*; found SAC"),
        (lambda: offctx.TransformerPolicy(DecisionTransformerConfig().create(), 1.0), "has no networks yet: fit or load"),
        (lambda: offctx.TransformerPolicy(transformer(), float("nan")), "target_return must be a number"),
        (lambda: offctx.TransformerPolicy(transformer(), 1.0, temperature=1.0), "temperature is for Discrete actions"),
        (lambda: offctx.TransformerPolicy(transformer(True), 1.0, temperature=0), "temperature must be a number"),
        (lambda: offctx.TransformerPolicy(transformer(), 1.0, memory_span="for ever"), "memory_span must be"),
    ],
)
def test_what_is_no_transformer_is_refused(make: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        make()


def test_a_transformer_of_another_size_or_without_its_adapter_is_refused() -> None:
    def score(policy: Any, context: Any = "hidden") -> Any:
        return offctx.evaluate(policy, lambda: tried(False), CONTEXTS, episodes=1, seed=0, context=context)

    with pytest.raises(PolicyError, match=r"takes inputs of shape \(1,\), but would get \(2,\)"):
        score(offctx.TransformerPolicy(transformer(), 12.0), "append")
    with pytest.raises(PolicyError, match=r"give offctx\.TransformerPolicy\(agent, target_return=\.\.\.\) instead"):
        score(transformer())
    with pytest.raises(PolicyError, match=r"give offctx\.TransformerPolicy\(wrapper\.algo, target_return=\.\.\.\) instead"):
        score(transformer().as_stateful_wrapper(12.0))


def test_drawn_actions_of_a_collected_episode_do_not_depend_on_those_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    policy = offctx.TransformerPolicy(transformer(discrete=True), 12.0, temperature=1.0)

    def collected(n: int, contexts: np.ndarray) -> Any:
        options = {"contexts": contexts, "episodes_per_context": 20, "seed": 0, "context": "hidden", "progress": False}
        return offctx.collect(lambda: tried(True), f"dt/n{n}/x-v0", policy=policy, gradients=False, **options)

    whole, alone = collected(3, CONTEXTS), collected(1, CONTEXTS[:1])
    assert np.array_equal(whole.actions[: len(alone)], alone.actions) and len(set(alone.actions)) > 1
