"""The cores and threads of one process, which matter for speed and, in matrix products, for the last bit.

Workers that compute without PyTorch are not made to import it, which takes seconds.
"""

import contextlib
import os
import sys
from collections.abc import Iterator

from offctx.workers.cores import THREADS

ONE_THREAD = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMBA", "NUMEXPR")
}  # the environment of processes whose libraries of linear algebra use one thread


def use_cores(cores: int) -> None:
    """Makes this process use its share of the cores, as its neighbours use the others. For worker processes.

    MuJoCo's simulators use so many threads, which do not change their results. PyTorch uses one, now or once it is imported.
    """
    os.environ.update({THREADS: str(cores), **ONE_THREAD})
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@contextlib.contextmanager
def share_of_cores(cores: int) -> Iterator[None]:
    """What this process does in the block uses its share of the cores, as worker processes beside it use theirs."""
    before = os.environ.get(THREADS)
    os.environ[THREADS] = str(cores)
    try:
        with one_thread():
            yield
    finally:
        if before is None:
            del os.environ[THREADS]
        else:
            os.environ[THREADS] = before


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch computes with one thread in the block, as it does in worker processes, so that the last bits are the same."""
    import torch  # noqa: PLC0415  # takes seconds, and worker processes often need none

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
