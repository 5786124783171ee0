"""The result of a row does not depend on how many rows it is computed with."""

import numpy as np
import pytest
import torch

from offctx.envs.row_blocks import by_rows


def function(x, y):
    return torch.sin(x) * torch.exp(y) / (1 + x**2), (x * y).sum(-1)


@pytest.mark.parametrize("copies", [1, 5])
def test_rows_alone_and_together_have_the_same_bits(copies: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(20_001, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    together = by_rows(function, [x, y], copies=copies)
    assert [part.shape for part in together] == [(20_001, 3), (20_001,)]
    for rows in (slice(0, 1), slice(7, 70), slice(19_990, None)):
        for part, alone in zip(together, by_rows(function, [x[rows], y[rows]]), strict=True):
            assert np.array_equal(part[rows], alone)


def test_the_function_gets_whole_registers_of_bounded_size() -> None:
    sizes = []

    def record(x):
        sizes.append(len(x))
        return (x,)

    (result,) = by_rows(record, [torch.arange(10_000.0)[:, None].expand(-1, 8)])
    assert np.array_equal(result[:, 0], np.arange(10_000.0))
    assert all(size % 64 == 0 and size * 8 <= 32768 for size in sizes) and len(sizes) == 3
