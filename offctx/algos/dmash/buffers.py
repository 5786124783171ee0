"""What the learner asks of its buffer, and takes from it: windows, the bounds of given contexts, rows of all contexts alike."""

from typing import Any

import numpy as np
from gymnasium.spaces import Discrete

from offctx.algos.context_inference.objectives.names import NEEDS_IDS
from offctx.algos.dmash.settings import DMASHSettings
from offctx.buffers.appended import appended_by
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.buffers.samplers import BalancedSampler
from offctx.errors import AlgorithmError


def check_knowledge(config: DMASHSettings, buffer: Any) -> None:
    """Checks that a buffer tells of the context what the setting `context` says.

    Raises:
        AlgorithmError: it does not.
    """
    knowledge, mode = config.context, getattr(buffer, "context", None)
    if knowledge == "given" and mode != "append":
        raise AlgorithmError('context="given" needs a buffer that appends the context: dataset.replay_buffer(context="append")')
    if knowledge == "inferred" and mode == "append":
        raise AlgorithmError(
            'context="inferred" needs a buffer that hides the context: dataset.replay_buffer(context="anonymous"), or '
            '"hidden"; or, with the setting within="episode", "withheld"'
        )
    if knowledge == "inferred" and isinstance(buffer, ContextualReplayBuffer) and appended_by(buffer.augmentation):
        raise AlgorithmError(
            "InferredContext appends what another encoder infers to observations; a learner that infers its context takes "
            "a buffer without it"
        )


def check_actions(config: DMASHSettings, buffer: Any) -> None:
    """Checks that the actions of a buffer are those of a box, or that an encoder alone is trained on them.

    Raises:
        AlgorithmError: they are discrete, and a policy would be trained on them, or the other way round.
    """
    if not isinstance(buffer, ContextualReplayBuffer):
        return
    discrete = isinstance(buffer.action_space, Discrete)
    if discrete and not config.discrete_actions:
        raise AlgorithmError(
            "the policy of DMASH acts in boxes, and the actions of this buffer are discrete: train an encoder alone, by "
            "offctx.train_encoder(buffer, ...), and a learner of discrete actions with offctx.InferredContext(encoder)"
        )
    if config.discrete_actions and not discrete:
        raise AlgorithmError(f"discrete_actions=True: expected a buffer of discrete actions; found {buffer.action_space}")


def check_windows(config: DMASHSettings, buffer: Any) -> None:
    """Checks that a buffer has, or can have, the windows and truncations that a learner with these settings needs.

    Raises:
        AlgorithmError: a buffer of d3rlpy where windows or truncations are needed; or rows or windows that the encoder must not
            learn from.
    """
    history = config.history()
    if not isinstance(buffer, ContextualReplayBuffer):
        if history is None and not config.follows_paper("truncation-is-terminal"):
            return
        needs = "paper" if history is None else f'context="{config.context}"'
        wanted = "truncations" if history is None else "history windows"
        raise AlgorithmError(
            f"{needs} needs {wanted}: expected a buffer of dataset.replay_buffer() or offctx.online_buffer(); found "
            f"{type(buffer).__name__}"
        )
    if config.context == "inferred":
        _check_transitions(config, buffer)


def with_windows(config: DMASHSettings, buffer: Any) -> Any:
    """The buffer as a learner with these settings draws from it: with the windows that it needs, if it has none.

    Raises:
        AlgorithmError: `check_windows` refuses it.
    """
    check_windows(config, buffer)
    if config.follows_paper("truncation-is-terminal") and not buffer.truncations_are_terminal:
        buffer = buffer.with_truncations_as_terminals()
    history = config.history()
    return buffer if history is None or buffer.history is not None else buffer.with_history(history)


def _check_transitions(config: DMASHSettings, buffer: ContextualReplayBuffer) -> None:
    """Checks that the rows and the windows of a buffer are such as the encoder learns from."""
    if buffer.multi_step is not None:
        raise AlgorithmError(
            'context="inferred" learns the dynamics of single transitions: expected a buffer without transitions of several '
            f"steps; found {buffer.multi_step!r:.200}"
        )
    ids = buffer.table["context_ids"]
    if config.encoder_loss in NEEDS_IDS and len(ids) and len(np.unique(ids)) == 1 and ids[0] >= 0:
        raise AlgorithmError(
            f'encoder_loss="{config.encoder_loss}" compares windows of one context with those of others: expected data of at '
            f"least two contexts; found one"
        )
    history = buffer.history
    if history is None:
        if config.within == "context" and buffer.context_level == "withheld":
            raise AlgorithmError(
                'within="context" goes on into other episodes of a context, which context="withheld" does not tell apart: '
                'set within="episode", or make the buffer with context="anonymous"'
            )
        return
    if history.within != config.within:
        raise AlgorithmError(
            f'the learner has within="{config.within}", and the buffer history windows within="{history.within}": give both '
            f"the same, or leave the buffer's history out"
        )
    if history.include_row and not config.follows_paper("row-in-window"):
        raise AlgorithmError(
            "windows of the buffer may hold their row (include_row=True): the encoder would see what it is to predict; "
            'leave include_row out, or set paper=["row-in-window"] for comparison'
        )


def bounds_of(buffer: ContextualReplayBuffer) -> list[list[float]]:
    """The least and the largest value of each coordinate: by its space; by the contexts of the data where that has no bounds.

    Raises:
        AlgorithmError: the space has no bounds, and the buffer no contexts.
    """
    space, contexts = buffer.context_space, buffer.table["contexts"]
    bounds = np.stack([np.asarray(space.low, float), np.asarray(space.high, float)])
    if not np.isfinite(bounds).all():
        if not len(contexts):
            raise AlgorithmError(
                f"contexts are scaled by the bounds of their space, and {list(space.names)} has none: give context_bounds, the "
                f"least and the largest value of each coordinate"
            )
        bounds = np.where(np.isfinite(bounds), bounds, [contexts.min(axis=0), contexts.max(axis=0)])
    low, high = bounds
    return [low.tolist(), np.where(high > low, high, low + 1).tolist()]


def balanced(buffer: Any) -> Any:
    """The buffer with equally many rows of each context in a batch, where it tells several contexts apart."""
    if not isinstance(buffer, ContextualReplayBuffer):
        return buffer
    ids = buffer.table["context_ids"]
    if len(np.unique(ids[ids >= 0])) < 2:
        return buffer
    return buffer.with_sampler(BalancedSampler(lambda table: table["context_ids"]))
