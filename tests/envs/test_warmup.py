"""Warm-up: how many transitions a row sees, in which episodes, and who plays them."""

import itertools
from typing import Any

import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

from offctx.envs.players import MemoryPlayer, Player, make_player
from offctx.envs.resolve import resolve
from offctx.envs.rollout import episode_seeds
from offctx.envs.row_draws import EpisodeStreams
from offctx.envs.warmup import WarmUp, warm_up
from tests.envs.memory_policies import Estimator, Thrust

HORIZON = 8
CONTEXTS = np.repeat([[-2.0], [-0.5], [1.5]], 4, axis=0)


class Recorder(Estimator):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []

    def begin(self, rows, same_context, size):
        self.calls.append(("begin", rows.copy(), same_context.copy()))
        super().begin(rows, same_context, size)

    def observe(self, transitions):
        self.calls.append(("observe", transitions))
        super().observe(transitions)


def warmed(steps: int, other: Any = None, **options: Any) -> Recorder:
    resolved, policy = resolve(lambda: TimeLimit(Thrust(), HORIZON)), Recorder()
    player = make_player(policy, resolved.env, "hidden")
    assert isinstance(player, MemoryPlayer)
    instead: Player | None = None if other is None else make_player(other, resolved.env, "hidden")
    distinct = CONTEXTS[::4]
    plan = WarmUp(
        steps,
        lambda number: np.tile(episode_seeds(3, 4, (1, number)), 3),
        EpisodeStreams(3, distinct, 4, 1),
        instead,
        EpisodeStreams(3, distinct, 4, 2),
    )
    warm_up(resolved, CONTEXTS, player, plan, **options)
    return policy


def far(observations, contexts, rng):
    """Drifts away, so that episodes end early, at different times."""
    return np.sign(contexts * np.where(observations < 0, -1, 1))


@pytest.mark.parametrize("other", [None, far, "random"])
@pytest.mark.parametrize("steps", [1, 8, 29])
def test_every_row_sees_exactly_so_many_transitions_of_whole_episodes(steps: int, other: Any) -> None:
    policy = warmed(steps, other)
    seen = [call[1] for call in policy.calls if call[0] == "observe"]
    assert len(seen) == steps and all(np.array_equal(each.rows, np.arange(12)) for each in seen)
    begins = {row: 0 for row in range(12)}
    running = {row: False for row in range(12)}
    for name, *rest in policy.calls:
        if name == "begin":
            for row, same in zip(rest[0].tolist(), rest[1].tolist(), strict=True):
                assert not running[row] and same == (begins[row] > 0), "a memory is kept from its second episode on"
                begins[row], running[row] = begins[row] + 1, True
        else:
            for row, ended in enumerate((rest[0].terminations | rest[0].truncations).tolist()):
                assert running[row]
                running[row] = not ended
    assert not any(running.values()), "the last transition is truncated"
    if steps == 29:
        assert min(begins.values()) >= 4
        assert other is not far or len(set(begins.values())) > 1, "episodes should end early"


def test_an_episode_goes_on_where_it_was_and_ends_at_the_horizon() -> None:
    seen = [call[1] for call in warmed(29).calls if call[0] == "observe"]
    for before, after in itertools.pairwise(seen):
        goes_on = ~(before.terminations | before.truncations)
        assert np.array_equal(before.next_observations[goes_on], after.observations[goes_on])
        assert not np.any(before.next_observations[~goes_on] == after.observations[~goes_on]), "another start"
    lengths = np.zeros(12, int)
    for each in seen[:-1]:
        lengths += 1
        assert np.array_equal(each.truncations, lengths == HORIZON)
        lengths[each.terminations | each.truncations] = 0


def test_the_beginning_of_a_longer_warm_up_is_the_shorter_one() -> None:
    short, long = ([call[1] for call in warmed(steps).calls if call[0] == "observe"] for steps in (9, 29))
    for a, b in zip(short, long, strict=False):
        assert a.actions.tobytes() == b.actions.tobytes() and a.next_observations.tobytes() == b.next_observations.tobytes()


def test_another_policy_plays_and_the_actions_shown_are_its_own() -> None:
    seen = [call[1] for call in warmed(20, far).calls if call[0] == "observe"]
    assert all(np.array_equal(each.actions, np.sign(CONTEXTS * np.where(each.observations < 0, -1, 1))) for each in seen)


def test_another_policy_with_memory_observes_too() -> None:
    other = Recorder()
    mine = warmed(20, other)
    assert len(other.calls) == len(mine.calls)
    for (name, *a), (same_name, *b) in zip(mine.calls, other.calls, strict=True):
        assert name == same_name
        assert name != "observe" or a[0].actions.tobytes() == b[0].actions.tobytes()


@pytest.mark.parametrize("batch_size", [1, 5])
def test_batches_of_the_simulator_change_no_bit(batch_size: int) -> None:
    whole, parts = warmed(29), warmed(29, batch_size=batch_size)
    assert whole.products.tobytes() == parts.products.tobytes() and whole.squares.tobytes() == parts.squares.tobytes()
