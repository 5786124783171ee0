"""Batches with equally many transitions of each label."""

import numpy as np
import pytest

from offctx import CSE
from offctx.errors import DatasetError
from tests.buffers.helpers import all_of, assert_batches_equal


def test_stratified_batches_have_equally_many_of_each_label(runner):
    buffer = runner.replay_buffer(seed=3)
    labels = buffer.table["context_ids"]
    assert np.bincount(labels).tolist() == [24, 12, 24]
    view = buffer.stratified(labels)
    assert np.bincount(view.sample_transition_batch(12).context_ids).tolist() == [4, 4, 4]
    extra = np.stack([np.bincount(view.sample_transition_batch(10).context_ids, minlength=3) - 3 for _ in range(300)])
    assert set(extra.ravel()) == {0, 1} and (extra.sum(axis=1) == 1).all()
    assert (abs(extra.sum(axis=0) - 100) < 40).all()  # who gets what is left over is chance
    small = [view.sample_transition_batch(1).context_ids.item() for _ in range(50)]
    assert set(small) == {0, 1, 2}


def test_stratified_batches_are_uniform_within_a_label(runner):
    buffer = runner.replay_buffer(seed=1)
    index = {row.tobytes(): i for i, row in enumerate(all_of(buffer).observations)}
    drawn = buffer.stratified(buffer.table["context_ids"]).sample_transition_batch(36_000).observations
    found = np.bincount([index[row.tobytes()] for row in drawn], minlength=60)
    expected = np.where(runner.context_ids == 1, 1000, 500)  # 12 rows in context 1, 24 in the others
    chi2 = ((found - expected) ** 2 / expected).sum()
    assert 23 < chi2 < 108  # 57 degrees of freedom


def test_stratified_follows_any_labels_and_leaves_out_negative_ones(runner):
    buffer = runner.replay_buffer(seed=3)
    labels = np.full(60, -1)
    labels[[5, 17, 40]] = [7, 2, 7]
    found = buffer.stratified(labels).sample_transition_batch(40)
    row = {all_of(buffer).observations[i].tobytes(): i for i in (5, 17, 40)}
    drawn = np.bincount([row[seen.tobytes()] for seen in found.observations], minlength=41)
    assert drawn[17] == 20 and drawn[5] + drawn[40] == 20 and min(drawn[5], drawn[40]) > 3


def test_a_stratified_view_augments_and_leaves_its_buffer_alone(runner):
    buffer, plain = (runner.replay_buffer(seed=2, augmentation=CSE(0.1)) for _ in range(2))
    view = buffer.stratified(buffer.table["context_ids"])
    moved = view.sample_transition_batch(30)
    assert not np.isin(moved.contexts, runner.contexts.astype(np.float32)).all()
    assert view.transition_count == 60 and view.size() == 12 and len(view.episodes) == 12
    assert_batches_equal(all_of(view), all_of(plain))
    fresh = runner.replay_buffer(seed=2, augmentation=CSE(0.1))
    fresh.stratified(fresh.table["context_ids"])  # making a view draws nothing, and the buffer goes on as it was
    assert_batches_equal(fresh.sample_transition_batch(16), plain.sample_transition_batch(16))


def test_stratified_draws_follow_the_seed(runner):
    def drawn(seed):
        buffer = runner.replay_buffer(seed=seed)
        return buffer.stratified(buffer.table["context_ids"]).sample_transition_batch(16).observations

    np.testing.assert_array_equal(drawn(4), drawn(4))
    assert not np.array_equal(drawn(4), drawn(5))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(59, dtype=np.int64), r"one whole number per transition, \(60,\); found int64 \(59,\)"),
        (np.zeros((60, 1), dtype=np.int64), r"found int64 \(60, 1\)"),
        (np.zeros(60), r"one whole number per transition.*found float64 \(60,\)"),
        (np.full(60, -1), "at least one transition with a label >= 0"),
    ],
)
def test_stratified_refuses_labels_that_do_not_fit(labels, message, runner):
    with pytest.raises(DatasetError, match=message):
        runner.replay_buffer().stratified(labels)
