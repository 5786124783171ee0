"""The protocol of policies with memory: its calls, in the order that its rules promise, and its errors."""

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit

from offctx.contexts.space import ContextSpace
from offctx.envs import DifferentiableEnv, SimpleDirection
from offctx.envs.players import MemoryPlayer, make_player
from offctx.envs.policies import Mixture, make_actor
from offctx.envs.policies_with_memory import Transitions, has_memory, memory_span
from offctx.envs.resolve import resolve
from offctx.envs.rollout import episode_seeds, play
from offctx.envs.row_draws import EpisodeStreams
from offctx.errors import PolicyError


class Escape(DifferentiableEnv):
    """A noisy walk whose episodes end at different times."""

    context_space = ContextSpace(["pull"], 0.5, 2.0, 1.0)
    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    noise_size = 1

    def initial_state(self, rng, context):
        return rng.uniform(-0.5, 0.5, (*context.shape[:-1], 1))

    def transition(self, state, action, context, noise):
        return state + context * action + 0.3 * noise

    def reward(self, state, action, next_state, context, noise):
        return (next_state * context).sum(-1)

    def terminated(self, state, context):
        return state[..., 0].abs() > 1.5


class MeanReward:
    """Acts on the mean of the rewards that it has seen and on a draw of its own; keeps the calls."""

    def __init__(self, actions: int = 1, noise: float = 0.1) -> None:
        self.actions, self.noise, self.calls = actions, noise, []
        self.sums = self.counts = np.zeros(0)

    def begin(self, rows, same_context, size):
        self.calls.append(("begin", rows.copy(), same_context.copy(), size))
        if len(self.sums) != size:
            self.sums, self.counts = np.zeros(size), np.zeros(size)
        self.sums[rows[~same_context]] = self.counts[rows[~same_context]] = 0

    def act(self, rows, observations, rng):
        self.calls.append(("act", rows.copy(), observations.copy()))
        signal = np.tanh(self.sums[rows] / np.maximum(self.counts[rows], 1) + 0.2)
        return signal[:, None] + self.noise * rng.standard_normal((len(rows), self.actions))

    def observe(self, transitions):
        self.calls.append(("observe", transitions))
        self.sums[transitions.rows] += transitions.rewards
        self.counts[transitions.rows] += 1


def steps_of(players: list[Any], assignment: list[int], contexts: np.ndarray, rows: list[int] | None = None) -> Any:
    """The steps of these rows of the batch, by row of the batch: all that the row did."""
    resolved = resolve(lambda: TimeLimit(Escape(), 12))
    chosen = np.arange(len(contexts)) if rows is None else np.array(rows)
    seeds = episode_seeds(7, len(contexts))
    made = [make_player(player, resolved.env, "hidden") for player in players]

    class Streams(EpisodeStreams):  # of the chosen rows
        def at(self, t, rows):
            return super().at(t, chosen[rows])

    streams = Streams(0, np.zeros((1, 1)), len(contexts))
    traces: dict[int, bytes] = {int(row): b"" for row in chosen}
    steps = []
    for step in play(resolved, contexts[chosen], seeds[chosen], made, np.array(assignment)[chosen], streams):
        steps.append(step)
        for i, row in enumerate(step.rows):
            traces[int(chosen[row])] += b"".join(
                np.asarray(getattr(step, name)[i]).tobytes() for name in ("states", "actions", "rewards", "next_states")
            )
    return steps, traces


CONTEXTS = np.linspace(0.5, 2.0, 16)[:, None]


def test_begin_then_act_and_observe_the_rows_that_run() -> None:
    policy = MeanReward()
    steps, _ = steps_of([policy], [0] * 16, CONTEXTS)
    (name, rows, same, size), *rest = policy.calls
    assert name == "begin" and rows.tolist() == list(range(16)) and not same.any() and size == 16
    assert [call[0] for call in rest] == ["act", "observe"] * len(steps)
    assert len({len(step.rows) for step in steps}) > 2, "episodes should end at different times"
    for step, (_, acted, observations), (_, seen) in zip(steps, rest[::2], rest[1::2], strict=True):
        assert np.array_equal(acted, step.rows) and np.array_equal(observations, step.observations)
        assert observations.dtype == seen.next_observations.dtype == np.float32
        for field in ("rows", "observations", "actions", "rewards", "next_observations", "terminations", "truncations"):
            assert np.array_equal(getattr(seen, field), getattr(step, field)), field


@pytest.mark.parametrize("rows", [[3], [15, 0, 7], list(range(0, 16, 2))])
def test_a_row_is_the_same_whoever_else_is_played(rows: list[int]) -> None:
    _, together = steps_of([MeanReward()], [0] * 16, CONTEXTS)
    _, apart = steps_of([MeanReward()], [0] * 16, CONTEXTS, rows)
    assert apart == {row: together[row] for row in rows}


def test_a_mixture_shows_each_its_own_rows() -> None:
    assignment = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0]
    first, second = MeanReward(), MeanReward(noise=0.0)
    _, mixed = steps_of([first, "random", second], assignment, CONTEXTS)
    for k, player in enumerate([MeanReward(), "random", MeanReward(noise=0.0)]):
        own = [row for row in range(16) if assignment[row] == k]
        _, alone = steps_of([player], [0] * 16, CONTEXTS, own)
        assert alone == {row: mixed[row] for row in own}, k
    assert {row for call in first.calls if call[0] == "observe" for row in call[1].rows} == {0, 3, 6, 9, 12, 15}


def test_observations_have_the_context_appended_where_asked() -> None:
    resolved, policy = resolve("offctx/SimpleDirection-v0"), MeanReward(2)
    contexts = np.array([[0.5, -0.5], [0.0, 1.0]])
    player = make_player(policy, resolved.env, "append")
    steps = list(play(resolved, contexts, episode_seeds(0, 2), [player], np.zeros(2, int), np.random.default_rng(0)))
    for step, (_, _, observations), (_, seen) in zip(steps, policy.calls[1::2], policy.calls[2::2], strict=True):
        assert np.array_equal(observations, np.float32(np.concatenate([step.observations, contexts], axis=1)))
        assert np.array_equal(seen.observations, observations)
        assert np.array_equal(seen.next_observations, np.float32(np.concatenate([step.next_observations, contexts], axis=1)))


def test_actions_are_shown_as_they_were_played() -> None:
    class Far(MeanReward):
        def act(self, rows, observations, rng):
            return np.full((len(rows), 1), 7.0)

    policy = Far()
    steps_of([policy], [0] * 16, CONTEXTS)
    assert all((call[1].actions == 1).all() for call in policy.calls if call[0] == "observe")


def test_the_same_context_is_told() -> None:
    resolved, policy = resolve("offctx/SimpleDirection-v0"), MeanReward(2)
    player = [make_player(policy, resolved.env, "hidden")]
    for again in (False, True):
        for _ in play(
            resolved,
            np.zeros((2, 2)),
            episode_seeds(0, 2),
            player,
            np.zeros(2, int),
            np.random.default_rng(0),
            same_context=again,
        ):
            pass
    assert [call[2].tolist() for call in policy.calls if call[0] == "begin"] == [[False] * 2, [True] * 2]
    assert (policy.counts == 20).all()


def test_a_learner_makes_its_policy_once_a_batch() -> None:
    class Learner:
        made = 0

        def predict(self, observations):
            raise AssertionError("not asked")

        def memory_policy(self):
            self.made += 1
            return MeanReward()

    learner = Learner()
    _, traces = steps_of([learner], [0] * 16, CONTEXTS)
    assert learner.made == 1 and traces == steps_of([MeanReward()], [0] * 16, CONTEXTS)[1]


def _without(name: str) -> Any:
    return type("Partly", (), {k: v for k, v in vars(MeanReward).items() if k in {"begin", "act", "observe"} - {name}})()


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (
            _without("observe"),
            r"policy 'Partly' has no observe; a policy with memory has begin\(rows, same_context, size\), act",
        ),
        (_without("begin"), "policy 'Partly' has no begin"),
        (MeanReward, r"found the class MeanReward\. Make a policy of it first"),
        (
            type("Old", (MeanReward,), {"observe": lambda self, actions, rewards: None})(),
            r"'Old': observe takes .*actions, rewards",
        ),
        (type("Forever", (MeanReward,), {"memory_span": "forever"})(), 'memory_span must be "context" or "episode"; found'),
        (type("Wide", (MeanReward,), {"observation_shape": (9,)})(), r"takes inputs of shape \(9,\), but would get \(2,\)"),
        (type("Maker", (), {"memory_policy": lambda self: 3})(), "policy 'Maker' has no method begin"),
    ],
)
def test_what_is_no_policy_with_memory_is_refused_at_the_door(policy: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        make_player(policy, SimpleDirection(), "hidden")


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda self, rows, observations, rng: np.zeros((1, 1)),
            r"policy 'Bad': expected actions of shape \(16, 1\); found \(1, 1\)",
        ),
        (
            lambda self, rows, observations, rng: observations @ np.ones((9, 1)),
            r"'Bad' failed to act on .* \(16, 1\).*1 observations, hid",
        ),
    ],
)
def test_bad_actions_are_refused_by_name(act: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        steps_of([type("Bad", (MeanReward,), {"act": act})()], [0] * 16, CONTEXTS)


def test_who_has_memory() -> None:
    assert has_memory(MeanReward()) and memory_span(MeanReward()) == "context"
    assert not any(map(has_memory, ("random", MeanReward, lambda o, c, rng: o, object())))
    assert isinstance(make_player(MeanReward(), SimpleDirection(), "hidden"), MemoryPlayer)
    with pytest.raises(PolicyError, match="has a memory, and this needs a policy without one"):
        make_actor(MeanReward(), SimpleDirection(), "hidden")
    with pytest.raises(PolicyError, match="a Mixture is a behaviour to collect with"):
        make_player(Mixture([MeanReward()]), SimpleDirection(), "hidden")
    assert Transitions.__dataclass_fields__.keys() == {
        "rows", "observations", "actions", "rewards", "next_observations", "terminations", "truncations"
    }  # fmt: skip
