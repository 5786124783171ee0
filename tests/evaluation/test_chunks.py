"""Evaluation in chunks of contexts: the same returns, whoever plays them."""

import numpy as np
import pytest

import offctx
from offctx.errors import EvaluationError, PolicyError
from offctx.evaluation import chunks

ENV = "offctx/SimpleDirectionStochastic-v0"


class MeanReward:
    def begin(self, rows, same_context, size):
        if not hasattr(self, "sums") or len(self.sums) != size:
            self.sums = np.zeros(size)
        self.sums[rows[~same_context]] = 0

    def act(self, rows, observations, rng):
        return np.tanh(self.sums[rows])[:, None] * rng.normal(size=(len(rows), 2))

    def observe(self, transitions):
        self.sums[transitions.rows] += transitions.rewards


def evaluate(policy="random", **options):
    contexts = {"train": [0.0, 0.0], "test": [[x, 0.5] for x in np.linspace(-1, 1, 6)], "again": [[-1.0, 0.5]]}
    return offctx.evaluate(policy, ENV, contexts, episodes=5, seed=3, **options)


def same(one, other):
    for split in ("train", "test", "again"):
        np.testing.assert_array_equal(one.returns[split], other.returns[split])
        np.testing.assert_array_equal(one.lengths[split], other.lengths[split])


@pytest.mark.parametrize("policy", ["random", MeanReward()], ids=["without memory", "with memory"])
def test_chunks_do_not_change_returns(policy, monkeypatch):
    warmup = {} if policy == "random" else {"warmup": 7, "warmup_policy": "random"}
    whole = evaluate(policy, **warmup)
    monkeypatch.setattr(chunks, "CHUNK_TRANSITIONS", 100)
    cut = evaluate(policy, **warmup)
    same(whole, cut)
    if warmup:
        same(whole.after(7), cut.after(7))
        np.testing.assert_array_equal(whole.adaptation.rewards[7]["test"], cut.adaptation.rewards[7]["test"])


def test_workers_do_not_change_returns(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_TRANSITIONS", 100)
    warmup = {"warmup": 7, "warmup_policy": "random"}
    one, two = (evaluate(MeanReward(), n_jobs=n, **warmup) for n in (1, 2))
    same(one, two)
    same(one.after(7), two.after(7))


def test_the_cut_keeps_the_contexts(monkeypatch):
    played = []
    play = chunks.Scorer.play_each
    monkeypatch.setattr(chunks.Scorer, "play_each", lambda self, *rest: played.append(self.contexts) or play(self, *rest))
    monkeypatch.setattr(chunks, "CHUNK_TRANSITIONS", 100)
    evaluate()
    assert len(played) == 4 and max(map(len, played)) - min(map(len, played)) <= 1
    assert len(np.concatenate(played)) == 7  # distinct: one stands in two splits


def test_bad_workers_and_policies_that_cannot_be_sent(monkeypatch):
    with pytest.raises(EvaluationError, match="n_jobs must be"):
        evaluate(n_jobs=-2)
    monkeypatch.setattr(chunks, "CHUNK_TRANSITIONS", 100)
    stream = (x for x in ())

    def streaming(observations, contexts, rng):
        return np.zeros((len(observations), 2)) + len(list(stream))

    with pytest.raises(PolicyError, match="policy 'streaming' cannot be sent"):
        evaluate(streaming, n_jobs=2)
