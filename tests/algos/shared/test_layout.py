"""How the rows of a batch lie side by side by group."""

import numpy as np
import pytest
import torch

from offctx.algos.shared.layout import BatchLayout


@pytest.mark.parametrize("groups", [[0, 2, 0, 0, 1, 2], [2, 2, 2], [0, 1, 2, 3], [3], [1, 0, 1, 0, 0, 0, 0]])
def test_rows_lie_by_group_and_come_back(groups):
    groups = np.asarray(groups)
    layout = BatchLayout.of(groups, 4, len(groups), "cpu")
    rows = torch.arange(len(groups), dtype=torch.float32)[:, None] + torch.tensor([0.0, 100.0])
    packed = layout.pack(rows)
    counts = np.bincount(groups, minlength=4)
    assert packed.shape == (4, counts.max(), 2) and layout.mask.sum(dim=1).tolist() == counts.tolist()
    for i in range(4):
        assert packed[i][layout.mask[i]][:, 0].tolist() == np.flatnonzero(groups == i).tolist()
    assert torch.equal(layout.unpack(packed), rows)
    lead = torch.stack([packed, packed + 1])
    assert torch.equal(layout.unpack(lead, lead=1), torch.stack([rows, rows + 1]))
    assert layout.counts.tolist() == counts[groups].tolist() and layout.present == (counts > 0).sum()


@pytest.mark.parametrize("groups", [None, np.zeros(5, dtype=np.int64)])
def test_one_group_is_the_batch_itself(groups):
    layout = BatchLayout.of(groups, 1, 5, "cpu")
    rows = torch.randn(5, 2)
    assert torch.equal(layout.pack(rows), rows[None]) and torch.equal(layout.unpack(rows[None]), rows)
    assert layout.mask.shape == (1, 5) and layout.mask.all() and layout.counts.tolist() == [5] * 5 and layout.present == 1


@pytest.mark.parametrize(
    ("groups", "in_order"), [([0, 0, 1, 1], True), ([0, 1, 0, 1], False), ([0, 0, 1], False), ([1, 1], False)]
)
def test_rows_that_lie_in_order_are_only_reshaped(groups, in_order):
    layout = BatchLayout.of(np.array(groups), 2, len(groups), "cpu")
    rows = torch.randn(len(groups), 3)
    assert layout.in_order == in_order
    assert (layout.pack(rows).data_ptr() == rows.data_ptr()) == in_order
    assert torch.equal(layout.unpack(layout.pack(rows)), rows)
