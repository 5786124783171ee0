"""Policies with memory collect: the same bytes whatever the batch, beside policies without memory too."""

from typing import Any

import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

import offctx
from tests.envs.memory_policies import Estimator, Thrust

CONTEXTS = [[-1.0], [-0.5], [2.0]]


@pytest.fixture(autouse=True)
def _datasets(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))


def collected(name: str, policy: Any, **options: Any) -> offctx.ContextualDataset:
    given = {"contexts": CONTEXTS, "episodes_per_context": 4, "seed": 0, "context": "hidden", "progress": False} | options
    return offctx.collect(lambda: TimeLimit(Thrust(), 12), f"memory/{name}-v0", policy=policy, **given)


def same(a: offctx.ContextualDataset, b: offctx.ContextualDataset) -> bool:
    fields = ("observations", "actions", "rewards", "next_observations", "terminations", "contexts")
    return all(getattr(a, field).tobytes() == getattr(b, field).tobytes() for field in fields)


def test_the_same_bytes_whatever_the_batch() -> None:
    whole = collected("whole", Estimator(0.5))
    for batch_size in (1, 7):
        assert same(whole, collected(f"by{batch_size}", Estimator(0.5), batch_size=batch_size))
    assert whole.metadata is not None and whole.metadata.behaviour.policies == ["Estimator"]


def test_every_episode_begins_without_memory() -> None:
    """Without noise of its own, the first thrust depends on the observation alone."""
    data = collected("cold", Estimator(0.0))
    first = np.flatnonzero(np.r_[True, (data.terminations | data.truncations)[:-1]])
    assert len(first) == 12
    np.testing.assert_allclose(data.actions[first, 0], np.clip(-data.observations[first, 0], -1, 1), rtol=1e-6)


def test_a_mixture_of_policies_with_and_without_memory() -> None:
    policies = [Estimator(0.0), "zero", Estimator(0.0)]
    data, again = (collected(name, offctx.Mixture(policies)) for name in ("mixed", "again"))
    assert same(data, again)
    still = np.array([not data.actions[data.context_ids == k].all() for k in np.unique(data.context_ids)])
    assert still.any() and data.actions.any()
