"""Batched play against Gymnasium's reset and step."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit

from offctx.contexts.space import ContextSpace
from offctx.envs import DifferentiableEnv, PendulumGoal, SimpleDirection
from offctx.envs.policies import make_actor
from offctx.envs.resolve import ResolvedEnv, resolve
from offctx.envs.rollout import TimeStep, episode_seeds, play
from offctx.envs.row_draws import EpisodeStreams
from offctx.errors import EnvError


class Escape(DifferentiableEnv):
    """A noisy random walk that ends early, at different times in different episodes."""

    context_space = ContextSpace(["pull"], 0.5, 2.0, 1.0)
    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Discrete(2)
    noise_size = 1

    def initial_state(self, rng, context):
        return rng.uniform(-0.5, 0.5, (*context.shape[:-1], 1))

    def transition(self, state, action, context, noise):
        return state + context * (action[..., None] - 0.5) + 0.3 * noise

    def reward(self, state, action, next_state, context, noise):
        return (next_state * context).sum(-1)

    def terminated(self, state, context):
        return state[..., 0].abs() > 1.5


class Diverges(SimpleDirection):
    def transition(self, state, action, context):
        return torch.where(context[..., :1] > 0.5, torch.inf, state)


FACTORIES = [
    "offctx/SimpleDirectionStochastic-v0",
    lambda: TimeLimit(PendulumGoal(), 20),
    lambda: TimeLimit(Escape(), 12),
]


def episodes_of(resolved: ResolvedEnv, n: int = 9, batch_size: int | None = None, policy: Any = "random"):
    contexts = resolved.env.context_space.sample(np.random.default_rng(1), n)
    seeds = episode_seeds(7, n)
    actor = make_actor(policy, resolved.env, "append")
    assignment = np.zeros(n, dtype=int)
    return (
        contexts,
        seeds,
        list(play(resolved, contexts, seeds, [actor], assignment, np.random.default_rng(2), batch_size=batch_size)),
    )


@pytest.mark.parametrize("factory", FACTORIES)
def test_play_is_reset_and_step(factory: Any) -> None:
    contexts, seeds, steps = episodes_of(resolve(factory))
    env = gymnasium.make(factory) if isinstance(factory, str) else factory()
    lengths = []
    for episode, (context, seed) in enumerate(zip(contexts, seeds, strict=True)):
        own_steps: list[tuple[TimeStep, int]] = [
            (step, int(np.flatnonzero(step.rows == episode)[0])) for step in steps if episode in step.rows
        ]
        observation, info = env.reset(seed=int(seed), options={"context": context})
        for step, i in own_steps:
            assert observation.tobytes() == step.observations[i].tobytes()
            assert info["state"].tobytes() == step.states[i].tobytes()
            observation, reward, terminated, truncated, info = env.step(step.actions[i])
            assert observation.tobytes() == step.next_observations[i].tobytes()
            assert info["state"].tobytes() == step.next_states[i].tobytes()
            assert (reward, terminated, truncated) == (step.rewards[i], step.terminations[i], step.truncations[i])
            if step.noise.shape[1]:
                assert info["noise"].tobytes() == step.noise[i].tobytes()
        assert terminated or truncated
        assert [step.t for step, _ in own_steps] == list(range(len(own_steps)))
        lengths.append(len(own_steps))
    if isinstance(env.unwrapped, Escape):
        assert len(set(lengths)) > 2, "the episodes should end at different times"
    else:
        assert set(lengths) == {resolve(factory).horizon}


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("batch_size", [1, 2, 5, 1000])
def test_batch_size_changes_no_bit(factory: Any, batch_size: int) -> None:
    whole, parts = (episodes_of(resolve(factory), batch_size=size)[2] for size in (None, batch_size))
    assert len(whole) == len(parts)
    for a, b in zip(whole, parts, strict=True):
        for name in vars(a):
            assert np.asarray(getattr(a, name)).tobytes() == np.asarray(getattr(b, name)).tobytes(), name


@pytest.mark.parametrize("factory", FACTORIES)
def test_an_episode_is_the_same_whoever_else_is_played(factory: Any) -> None:
    """Its start, noise and dynamics come from its own seed and context alone."""
    resolved = resolve(factory)
    contexts = resolved.env.context_space.sample(np.random.default_rng(1), 6)
    seeds, n = episode_seeds(7, 6), 6

    def first_action(observations, contexts, rng):
        middle = observations[:, :1] * 0.1
        return (middle[:, 0] > 0).astype(int) if isinstance(resolved.env, Escape) else np.repeat(
            np.clip(middle, -1, 1), resolved.env.action_space.shape[0], axis=1
        )  # fmt: skip

    actor = make_actor(first_action, resolved.env, "append")

    def trace(members: list[int]) -> dict[int, bytes]:
        outcomes = dict.fromkeys(members, b"")
        chosen = np.array(members)
        rng = np.random.default_rng(0)
        for step in play(resolved, contexts[chosen], seeds[chosen], [actor], np.zeros(len(chosen), int), rng):
            for i, row in enumerate(step.rows):
                outcomes[members[row]] += step.next_states[i].tobytes() + step.rewards[i].tobytes()
        return outcomes

    together = trace(list(range(n)))
    assert trace([4]) == {4: together[4]}
    assert trace([5, 2, 0]) == {k: together[k] for k in (5, 2, 0)}


def test_several_actors_each_play_their_episodes() -> None:
    resolved = resolve("offctx/SimpleDirection-v0")
    assignment = np.array([0, 1, 1, 0])
    actors = [
        make_actor(lambda obs, contexts, rng, v=v: np.full((len(obs), 2), v, np.float32), resolved.env, "append")
        for v in (0.25, 0.5)
    ]
    contexts = np.zeros((4, 2))
    for step in play(resolved, contexts, episode_seeds(0, 4), actors, assignment, np.random.default_rng(0)):
        assert np.array_equal(step.actions, np.array([0.25, 0.5, 0.5, 0.25])[:, None] * np.ones(2))


def test_with_streams_an_episode_draws_the_same_beside_other_actors() -> None:
    resolved = resolve("offctx/SimpleDirection-v0")
    actors = [make_actor(policy, resolved.env, "append") for policy in ("random", "zero")]
    contexts, seeds = np.zeros((4, 2)), episode_seeds(0, 4)
    streams = EpisodeStreams(0, np.zeros((1, 2)), 4)

    def actions(assignment: list[int], players: Any) -> np.ndarray:
        return np.stack([step.actions for step in play(resolved, contexts, seeds, players, np.array(assignment), streams)])

    mixed, alone = actions([0, 1, 1, 0], actors), actions([0, 0, 0, 0], actors[:1])
    assert np.array_equal(mixed[:, [0, 3]], alone[:, [0, 3]]) and not mixed[:, [1, 2]].any()


def test_one_call_of_the_policy_a_time_step() -> None:
    resolved, calls = resolve("offctx/SimpleDirection-v0"), []

    def policy(observations, contexts, rng):
        calls.append(len(observations))
        return np.zeros((len(observations), 2))

    episodes_of(resolved, n=9, batch_size=2, policy=policy)
    assert calls == [9] * 10


def test_what_is_not_finite_is_refused_with_the_context() -> None:
    resolved = resolve(lambda: TimeLimit(Diverges(), 5))
    actor = make_actor("random", resolved.env, "append")
    contexts = np.array([[0.0, 0.0], [0.75, -0.5]])
    with pytest.raises(
        EnvError, match=r"Diverges gave a next state or reward that is not finite in context \(c_x=0.75, c_y=-0.5\)"
    ):
        list(play(resolved, contexts, episode_seeds(0, 2), [actor], np.zeros(2, int), np.random.default_rng(0)))


def test_seeds_are_distinct_not_negative_and_reproducible() -> None:
    seeds = episode_seeds(3, 1000)
    assert seeds.dtype == np.int64 and (seeds >= 0).all() and len(set(seeds.tolist())) == 1000
    assert np.array_equal(seeds, episode_seeds(3, 1000))
    assert np.array_equal(seeds[:10], episode_seeds(3, 10))
    assert not np.array_equal(seeds, episode_seeds(4, 1000))
