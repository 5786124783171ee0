"""The parts of an online training, made from what a user gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import d3rlpy
import numpy as np
from d3rlpy.algos.qlearning.explorers import Explorer

from offctx.buffers.augmentation import DERIVATIVES, AugmentationLike
from offctx.buffers.augmentation_list import members_of
from offctx.buffers.joint_writer import JointWriter
from offctx.buffers.online import online_buffer
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.data.context_levels import ContextLevel, agent_mode, check_level
from offctx.data.history.settings import History
from offctx.envs.labels import LabelTransitions
from offctx.envs.parallel_episodes import EpisodePlan, ParallelEpisodes
from offctx.envs.policies import make_actor
from offctx.envs.resolve import ResolvedEnv
from offctx.errors import AlgorithmError, DerivativeError
from offctx.training.behaviour import behaviour_of
from offctx.training.names import make_algorithm
from offctx.training.online_loop import OnlineLoop, Schedule
from offctx.training.prepare_online import check_buffer, prepare_agent

_WARM_UP, _MEMORY = 0, 1  # streams of the seed, beside the generators of episodes, batches and d3rlpy


@dataclass(frozen=True)
class BufferOptions:
    """What the buffer is like, where none is given.

    Attributes:
        context: what batches tell of the context, as `online_buffer` has it; "append" where not given.
        capacity: of an empty buffer.
        augmentation: of its batches.
        gradients: whether transitions are labelled with context derivatives; None to do so where the augmentation needs it.
        history: which windows of other transitions its batches carry, or None.
    """

    context: ContextLevel | None
    capacity: int | None
    augmentation: AugmentationLike | None
    gradients: bool | None
    history: History | None


def make_loop(
    agent: Any,
    resolved: ResolvedEnv,
    plan: EpisodePlan,
    schedule: Schedule,
    buffer: ContextualReplayBuffer | None,
    options: BufferOptions,
    explorer: Explorer | None,
    seed: int,
    config: Mapping[str, Any] | None,
    device: Any,
) -> OnlineLoop:
    """The loop at its beginning; from here on the seed decides about all that is drawn.

    Args:
        agent: a d3rlpy learner, or its name.
        resolved: the environment.
        plan: contexts and seeds of the episodes.
        schedule: when what happens.
        buffer: that is appended to; None for an empty one.
        options: of the empty one.
        explorer: of d3rlpy, or None.
        seed: of weights, exploration and batches.
        config: hyperparameters, where `agent` is a name.
        device: where the networks are, where `agent` is a name.

    Raises:
        OffctxError: as `train_online`.
    """
    env = resolved.env
    level = None if options.context is None else check_level(options.context)
    if buffer is not None:
        check_buffer(buffer, resolved, level)
    gradients = _needs_derivatives(resolved, buffer, options)
    buffer = _buffer(resolved, buffer, options, gradients, seed)
    d3rlpy.seed(seed)
    if isinstance(agent, str):
        agent = make_algorithm(agent, buffer, config, device=device)
    elif config is not None:
        raise AlgorithmError("config= is for an algorithm that is given by name; an object has its config already")
    prepare_agent(agent, resolved, buffer)
    windowed_buffer = agent.with_windows(buffer) if callable(getattr(agent, "with_windows", None)) else buffer
    warm_up, memory = (np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(2))
    writer = JointWriter(buffer, plan.rows, plan.contexts)
    return OnlineLoop(
        agent,
        env,
        ParallelEpisodes(resolved, plan),
        behaviour_of(agent, explorer, env, buffer.context, writer.seen, memory),
        make_actor("random", env, buffer.context) if schedule.random_steps else None,
        windowed_buffer,
        writer,
        schedule,
        gradients,
        warm_up,
    )


def _needs_derivatives(resolved: ResolvedEnv, buffer: ContextualReplayBuffer | None, options: BufferOptions) -> bool:
    """Whether steps are labelled with derivatives. DerivativeError where they are needed and there are none."""
    members = members_of(options.augmentation if buffer is None else buffer.augmentation)
    needing = [member.name for member in members if set(member.requires) & set(DERIVATIVES)]
    wanted = bool(needing) if options.gradients is None else options.gradients
    if needing and not wanted:
        raise DerivativeError(f"{needing[0]} needs context derivatives: leave gradients=False out")
    if wanted and not resolved.env.has_derivatives:
        raise DerivativeError(f"{resolved.name} has no context derivatives{f', which {needing[0]} needs' if needing else ''}")
    return wanted


def _buffer(
    resolved: ResolvedEnv, buffer: ContextualReplayBuffer | None, options: BufferOptions, gradients: bool, seed: int
) -> ContextualReplayBuffer:
    """The buffer that was given, or an empty one."""
    if buffer is None:
        level: ContextLevel = options.context or "append"
        labelled = LabelTransitions(resolved.env, context=agent_mode(level), gradients=gradients)
        return online_buffer(
            labelled, options.capacity, context=level, augmentation=options.augmentation, seed=seed, history=options.history
        )
    for name in ("augmentation", "history"):
        if getattr(options, name) is not None:
            raise AlgorithmError(f"a buffer that is given brings its own {name}: give the {name} to the buffer")
    return buffer
