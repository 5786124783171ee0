"""The threads of one process, which matter for speed and, in matrix products, for the last bit."""

import contextlib
import os
from collections.abc import Iterator

import torch

from offctx.workers.cores import THREADS


def use_one_core() -> None:
    """Makes this process compute with one thread, as its neighbours use the other cores. For worker processes."""
    os.environ[THREADS] = "1"
    torch.set_num_threads(1)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch computes with one thread in the block, as it does in worker processes, so that the last bits are the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
