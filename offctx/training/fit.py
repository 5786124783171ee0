"""The fit loop."""

from typing import Any

import d3rlpy

from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.checks import LARGEST_SEED, whole_number
from offctx.errors import AlgorithmError
from offctx.notices import d3rlpy_log_hidden


def train(
    algorithm: Any,
    buffer: ContextualReplayBuffer,
    *,
    steps: int,
    seed: int,
    progress: bool = True,
    **fit_options: Any,
) -> Any:
    """Train an algorithm on a buffer, so that one seed decides about network weights, batches and policy noise.

    The seed is given to the global generators of Python, NumPy and torch. Batches are drawn by the buffer's own generator,
    whose seed the buffer was made with.

    Args:
        algorithm: from `make_algorithm`, or any d3rlpy Q-learning algorithm or Decision Transformer.
        buffer: the data.
        steps: gradient steps, at least 1.
        seed: at least 0.
        progress: show d3rlpy's progress bar.
        fit_options: further arguments of d3rlpy's `fit`. By default one epoch has all the steps and nothing is logged.

    Returns:
        The same algorithm, trained.

    Raises:
        AlgorithmError: `steps` or `seed` is not such a number, or evaluators were given to a Decision Transformer.

    Example::

        agent = make_algorithm("td3plusbc", buffer)
        train(agent, buffer, steps=10_000, seed=0)
    """
    whole_number(steps, "steps", 1, AlgorithmError)
    if fit_options.get("evaluators") and callable(getattr(algorithm, "as_stateful_wrapper", None)):
        raise AlgorithmError(
            f"{type(algorithm).__name__} takes no evaluators while it is trained: evaluate it afterwards, with a target return"
        )
    seed = whole_number(seed, "seed", 0, AlgorithmError, most=LARGEST_SEED)
    d3rlpy.seed(seed)
    fit_options = {"n_steps_per_epoch": steps, "logger_adapter": d3rlpy.logging.NoopAdapterFactory()} | fit_options
    with d3rlpy_log_hidden():
        algorithm.fit(buffer, n_steps=steps, show_progress=progress, **fit_options)
    return algorithm
