"""Policies with memory collect: the same bytes whatever the batch, beside policies without memory too."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.wrappers import TimeLimit

import offctx
from offctx.errors import PolicyError
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


def first_episodes(data: offctx.ContextualDataset, count: int) -> list[bytes]:
    fields = ("observations", "actions", "rewards", "next_observations", "terminations")
    bounds = zip(data.episode_starts[:count], data.episode_ends[:count], strict=True)
    return [b"".join(getattr(data, field)[a:b].tobytes() for field in fields) for a, b in bounds]


class Explores(Estimator):
    """Thrusts at random in some steps, by several kinds of draws."""

    def act(self, rows: Any, observations: Any, rng: Any) -> Any:
        n, shift = len(rows), 0.01 * rng.random()
        random = rng.uniform(-1, 1, (n, 1)) + 0.1 * rng.integers(3, size=(n, 1)) + rng.choice([-0.1, 0.1], n)[:, None]
        return np.where(rng.random((n, 1)) < 0.5, random, super().act(rows, observations, rng)) + shift


@pytest.mark.parametrize("policy", [lambda: Estimator(0.5), Explores, lambda: offctx.Mixture([Estimator(0.5), Explores()])])
def test_an_episode_does_not_depend_on_those_beside_it(policy: Any) -> None:
    whole = collected("beside", policy())
    alone, few = (collected(f"few{n}", policy(), contexts=CONTEXTS[:1], episodes_per_context=n) for n in (1, 4))
    assert len({*first_episodes(whole, 12)}) == 12
    assert first_episodes(alone, 1) == first_episodes(whole, 1) and first_episodes(few, 4) == first_episodes(whole, 4)


class Draws(Estimator):
    """Draws by a function of (n, rng)."""

    def __init__(self, draw: Any) -> None:
        super().__init__()
        self.draw = draw

    def act(self, rows: Any, observations: Any, rng: Any) -> Any:
        return np.asarray(self.draw(len(rows), rng)).reshape(-1, 1)[: len(rows)]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda n, rng: rng.random(2 * n), r"shape \(24,\), for 12 rows: expected the rows as the first axis"),
        (lambda n, rng: rng.standard_normal((1, n)), r"rng.standard_normal was asked for numbers of shape \(1, 12\)"),
        (lambda n, rng: rng.permutation(n), r"rng\.permutation has no stream for each row"),
        (lambda n, rng: rng.laplace(size=n), r"rng\.laplace has no stream for each row"),
        (lambda n, rng: rng.random(out=np.zeros(n)), r"rng\.random\(out=\.\.\.\) does not draw row by row"),
        (lambda n, rng: rng.choice(99, n, replace=False), "without replacement"),
        (lambda n, rng: np.random.uniform(size=n), "drew from the global generator of NumPy, so that"),
        (lambda n, rng: torch.randn(n), "policy 'Draws' drew from the global generator of PyTorch"),
    ],
)
def test_draws_that_depend_on_the_other_rows_are_refused(draw: Any, message: str, tmp_path: Any) -> None:
    with pytest.raises(PolicyError, match=message):
        collected("refused", Draws(draw))
    with pytest.raises(PolicyError, match=message):
        offctx.evaluate(
            Draws(draw), lambda: TimeLimit(Thrust(), 12), CONTEXTS, episodes=4, seed=0, context="hidden", progress=False
        )
    assert not list(tmp_path.rglob("*.hdf5"))
