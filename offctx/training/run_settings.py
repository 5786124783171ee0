"""What decides about the files of an online run, as its config.json has it."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

import torch
from d3rlpy.algos.qlearning.explorers import Explorer

from offctx.buffers.augmentation_list import FunctionAugmentation, members_of
from offctx.envs.parallel_episodes import EpisodePlan
from offctx.envs.resolve import EnvLike, ResolvedEnv
from offctx.training.online_loop import OnlineLoop


@dataclass(frozen=True)
class RunOptions:
    """What decides about the files of a run, beside the loop.

    Attributes:
        resolved: the environment.
        env: as it was given.
        plan: contexts and seeds of the episodes.
        explorer: of d3rlpy, or None.
        seed: of the training, and of the episodes of the report.
        report_episodes: of the report, per context; 0 for no report.
        report_warmup: the numbers of transitions after which the report scores, 0 first; () for the cold start alone.
    """

    resolved: ResolvedEnv
    env: EnvLike
    plan: EpisodePlan
    explorer: Explorer | None
    seed: int
    report_episodes: int
    report_warmup: tuple[int, ...] = ()


def settings_of(loop: OnlineLoop, options: RunOptions, evaluators: list[str]) -> dict[str, Any]:
    """All that decides about the files of a run, as JSON has it.

    Args:
        loop: at its beginning.
        options: what else decides.
        evaluators: their names.
    """
    agent, schedule, buffer, plan = loop.agent, loop.schedule, loop.buffer, options.plan
    explorer, contexts = options.explorer, plan.contexts
    return {
        "algorithm": type(agent).__name__,
        "config": json.loads(agent.config.serialize()),
        "env": options.resolved.name,
        "horizon": options.resolved.horizon,
        "contexts": _without_address(repr(plan.draw)) if contexts is None else contexts.tolist(),
        "context": buffer.context_level,
        "seed": options.seed,
        "rows": schedule.rows,
        "steps": schedule.steps,
        "random_steps": schedule.random_steps,
        "update_start_step": schedule.update_start_step,
        "updates_per_joint_step": str(schedule.updates_per_joint_step),
        "epochs": schedule.epochs,
        "explorer": None if explorer is None else {"type": type(explorer).__name__} | _plain(vars(explorer)),
        "buffer": {
            "transitions": buffer.transition_count,
            "capacity": loop.writer.capacity,
            "history": None if buffer.history is None else vars(buffer.history),
            "augmentation": [_described(member) for member in members_of(buffer.augmentation)],
        },
        "gradients": loop.gradients,
        "evaluators": evaluators,
        "report_episodes": options.report_episodes,
        "report_warmup": list(options.report_warmup) or None,
        "first_weights": hashlib.sha256(_numbers_of(agent)).hexdigest(),
    }


def _numbers_of(agent: Any) -> bytes:
    """The first weights of all networks."""
    modules = agent.impl.modules.get_torch_modules()
    return b"".join(
        value.detach().cpu().numpy().tobytes()
        for name in sorted(modules)
        for value in modules[name].state_dict().values()
        if isinstance(value, torch.Tensor)  # a module may also keep a number, such as that of its updates
    )


def _described(augmentation: Any) -> str:
    function = augmentation.function if isinstance(augmentation, FunctionAugmentation) else augmentation
    return _without_address(repr(function))


def _without_address(text: str) -> str:
    """A repr that is the same in another process."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        name.strip("_"): value if isinstance(value, (int, float, str)) else _without_address(repr(value))
        for name, value in attributes.items()
    }
