"""Training into a file, and what an interrupt leaves."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.training.fit import train
from offctx.training.records import AgentRecord, record_path, save_agent


def train_to_file(
    agent: Any,
    buffer: ContextualReplayBuffer,
    path: Path,
    record: AgentRecord,
    *,
    progress: bool = True,
    **fit_options: Any,
) -> int:
    """Trains an agent, and saves it and its record. An interrupt (Ctrl-C) ends the training, and saves what there is.

    Args:
        agent: from `make_algorithm`.
        buffer: the data.
        path: of the agent's file, which is replaced.
        record: `planned_steps` are the gradient steps, `seed` is the seed; the steps that were done are filled in.
        progress: show a progress bar.
        fit_options: further arguments of d3rlpy's `fit`, except `callback`.

    Returns:
        The steps that were done.

    Raises:
        KeyboardInterrupt: there was an interrupt; the text says what was saved, and where.
        AlgorithmError: as `train`.
    """
    done = 0

    def count(_: Any, epoch: int, step: int) -> None:
        nonlocal done
        done = step

    try:
        train(agent, buffer, steps=record.planned_steps, seed=record.seed, progress=progress, callback=count, **fit_options)
    except KeyboardInterrupt as stop:
        if done == 0:
            raise KeyboardInterrupt("before the first step was done; no agent was saved") from stop
        with _interrupts_ignored():
            save_agent(agent, path, record.model_copy(update={"steps": done}))
        text = f"the agent after {done} of {record.planned_steps} steps is saved to {path} (record: {record_path(path)})"
        raise KeyboardInterrupt(text) from stop
    with _interrupts_ignored():
        save_agent(agent, path, record.model_copy(update={"steps": done}))
    return done


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Lets a file be written to its end. Only the main thread gets interrupts, and may change what they do."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
