"""How the episodes of a dataset are cut."""

import numpy as np
import pytest

from offctx import Mixture
from offctx.data.collection import parts
from offctx.data.collection.parts import all_episodes, cut
from offctx.envs.resolve import resolve


@pytest.mark.parametrize("episodes", [1, 2, 1310, 1966, 10_000])
def test_parts_are_all_episodes_in_order_and_nearly_equal(episodes):
    whole = all_episodes(np.random.default_rng(0).normal(size=(episodes, 4)), Mixture(["random", "zero"]), 5)
    found = cut(whole, resolve("offctx/PendulumGoal-v0"))
    sizes = [len(part.seeds) for part in found]
    assert sum(sizes) == episodes and max(sizes) - min(sizes) <= 1
    assert max(sizes) * 200 <= 1.5 * parts.PART_TRANSITIONS
    assert [part.number for part in found] == list(range(len(found)))
    assert [part.first for part in found] == np.cumsum([0, *sizes[:-1]]).tolist()
    for name in ("contexts", "seeds", "assignment"):
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in found]), getattr(whole, name))


def test_large_transitions_make_small_parts(monkeypatch):
    whole = all_episodes(np.zeros((100, 4)), Mixture(["zero"]), 0)
    few = len(cut(whole, resolve("offctx/PendulumGoal-v0")))
    monkeypatch.setattr(parts, "PART_BYTES", 1_000_000)
    assert few == 1 < len(cut(whole, resolve("offctx/PendulumGoal-v0")))


def test_published_datasets_with_cards_are_one_part():
    """Their bytes must not change: at most 326 episodes of Ant, which are 326,000 transitions at the time limit."""
    whole = all_episodes(np.zeros((326, 2)), Mixture(["zero"]), 0)
    assert len(cut(whole, resolve("offctx/AntDirection-v0"))) == 1
