"""The fit loop."""

from typing import Any

import d3rlpy

from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.checks import whole_number
from offctx.errors import AlgorithmError


def train(
    algorithm: Any,
    buffer: ContextualReplayBuffer,
    *,
    steps: int,
    seed: int,
    progress: bool = True,
    **fit_options: Any,
) -> Any:
    """`algorithm.fit` with every random choice from the seed: network weights, batches, policy noise.

    Args:
        algorithm: of `make_algorithm`, or any d3rlpy Q-learning algorithm.
        buffer: made with its own seed.
        steps: gradient steps.
        seed: of d3rlpy's and torch's generators.
        progress: show d3rlpy's progress bar.
        fit_options: further arguments of d3rlpy's `fit`.
    """
    whole_number(steps, "steps", 1, AlgorithmError)
    whole_number(seed, "seed", 0, AlgorithmError)
    d3rlpy.seed(seed)
    fit_options = {"n_steps_per_epoch": steps, "logger_adapter": d3rlpy.logging.NoopAdapterFactory()} | fit_options
    algorithm.fit(buffer, n_steps=steps, show_progress=progress, **fit_options)
    return algorithm
