"""Training an encoder of history windows alone, without a policy."""

import copy
from collections.abc import Callable
from typing import Any

import d3rlpy
import numpy as np
from d3rlpy.algos.utility import build_scalers_with_transition_picker
from gymnasium.spaces import Discrete
from tqdm.auto import trange

from offctx.algos.dmash.encoder import TrainedEncoder
from offctx.algos.dmash.learner import DMASHConfig
from offctx.algos.dmash.presets import dmash_preset
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.checks import whole_number
from offctx.errors import AlgorithmError
from offctx.notices import d3rlpy_log_hidden

_SHOWN = 50  # steps between two numbers on the progress bar


def train_encoder(
    buffer: ContextualReplayBuffer,
    *,
    steps: int,
    seed: int,
    config: DMASHConfig | None = None,
    device: Any = False,
    progress: bool = True,
    callback: Callable[[int, dict[str, float]], None] | None = None,
) -> TrainedEncoder:
    """Trains the encoder of a DMASH with its dynamics model, and nothing else: no policy, no critics, no rewards.

    By default z of a window is what helps a model to predict the next observations of other transitions of the same context
    (DMA*, arXiv 2602.06550), by a set encoder. It is what `DMASHConfig(...).create().fit(buffer)` trains beside its policy.

    Args:
        buffer: of `dataset.replay_buffer(context="anonymous")`, or another one that hides the context. Windows within a context
            need ids; with context="withheld" give a config with within="episode".
        steps: updates, at least 1.
        seed: of weights and masking; the buffer has its own for batches.
        config: what is trained, and on which loss; `dmash_preset("dma-star", encoder="set")` where not given. `encoder_loss`
            may be another one, as in `dmash_preset("focal")`.
        device: where the networks are trained, as in d3rlpy. The encoder that is returned is on the CPU.
        progress: show a progress bar.
        callback: called as callback(step, losses) after each update.

    Returns:
        The encoder.

    Raises:
        AlgorithmError: a number is out of range, the config infers no context, or the buffer does not suit it.

    Example::

        encoder = offctx.train_encoder(dataset.replay_buffer(context="anonymous"), steps=5_000, seed=0)
        encoder.save("encoder.safetensors")
        print(offctx.leakage_report(encoder, dataset).render())
    """
    whole_number(steps, "steps", 1, AlgorithmError)
    whole_number(seed, "seed", 0, AlgorithmError)
    if not isinstance(buffer, ContextualReplayBuffer):
        raise AlgorithmError(
            f'expected a buffer, as dataset.replay_buffer(context="anonymous") makes; found {type(buffer).__name__}'
        )
    config = dmash_preset("dma-star", encoder="set") if config is None else config
    if not isinstance(config, DMASHConfig) or config.context != "inferred":
        raise AlgorithmError(f'expected a DMASHConfig with context="inferred"; found {config!r:.200}')
    config = copy.copy(config)
    config.discrete_actions = isinstance(buffer.action_space, Discrete)
    d3rlpy.seed(seed)
    with d3rlpy_log_hidden():
        agent = config.create(device)
        build_scalers_with_transition_picker(agent, buffer)
        agent.build_with_dataset(buffer)
        windowed_buffer = agent.drawn_from(buffer)
    with trange(steps, desc="encoder", disable=not progress) as bar:
        for step in bar:
            losses = agent.update_encoder(windowed_buffer.sample_transition_batch(config.batch_size))
            if step % _SHOWN == 0:
                bar.set_postfix({name: f"{value:.3g}" for name, value in losses.items()})
            if not np.isfinite(list(losses.values())).all():
                raise AlgorithmError(f"the losses of the encoder are not finite after {step + 1} updates: {losses}")
            if callback is not None:
                callback(step + 1, losses)
    return agent.encoder
