"""The threads of one process, which matter for speed and, in matrix products, for the last bit."""

import contextlib
import os
from collections.abc import Iterator

import torch

from offctx.workers.cores import THREADS


def use_cores(cores: int) -> None:
    """Makes this process use its share of the cores, as its neighbours use the others. For worker processes.

    MuJoCo's simulators use so many threads, which do not change their results. PyTorch uses one.
    """
    os.environ[THREADS] = str(cores)
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
