"""Draws from the global generators of NumPy and PyTorch, which no seed of a batch decides and all rows share."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from offctx.errors import PolicyError


@contextlib.contextmanager
def refused_global_draws(name: str) -> Iterator[None]:
    """Refuses that a policy draws from a global generator in the block.

    Those of a GPU and of Python are not looked at: threads in the background draw from the latter, to wait for random times.

    Args:
        name: of the policy.

    Raises:
        PolicyError: it did.
    """
    before = _states()
    yield
    for (library, old), (_, new) in zip(before, _states(), strict=False):  # PyTorch may have been imported in the block
        if old != new:
            raise PolicyError(
                f"policy {name!r} drew from the global generator of {library}, so that what a row does would depend on the "
                f"other rows, and not on the seed alone: draw from the rng that act is given, with the rows as the first axis, "
                f"as in rng.standard_normal((len(rows), a)); or act without dropout and sampling"
            )


def _states() -> list[tuple[str, Any]]:
    """The state of each generator."""
    _, keys, *rest = np.random.get_state(legacy=True)
    states: list[tuple[str, Any]] = [("NumPy", (np.asarray(keys).tobytes(), *rest))]
    torch = sys.modules.get("torch")
    if torch is not None:
        states.append(("PyTorch", torch.get_rng_state().numpy().tobytes()))
    return states
