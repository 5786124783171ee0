"""How a cell runs: one learner is trained with one seed and scored, and the cost of its training is measured."""

import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box

from offctx.contexts.space import Contexts
from offctx.envs.policies import ContextMode
from offctx.envs.resolve import resolve
from offctx.evaluation.evaluator import evaluate
from tools.reproduce.frame.cells import Result, plain
from tools.reproduce.perm.data import DataSettings, dataset, training_contexts, unseen_contexts
from tools.reproduce.perm.learners import LearnerSettings, context_mode, learner_memory, make_buffer, make_learner
from tools.reproduce.perm.tasks import TASKS, ContextualTask, Floats

TRAIN, UNSEEN = "train", "unseen"
CONTROLS, ZERO, RANDOM = "controls", "zero", "random"  # what is scored without training
REPORTED, HELD_OUT = 1_000_000, 2_000_000  # of reports and of searches; far from the seeds of the data


@dataclass(frozen=True)
class EvaluationSettings:
    """How learners are scored.

    Attributes:
        episodes: per context.
        unseen: number of contexts that no learner has trained on.
        seed: of the unseen contexts and of all start states. The searches of `studies` have HELD_OUT.
    """

    episodes: int = 8
    unseen: int = 48
    seed: int = REPORTED


def cell_settings(data: DataSettings, learner: LearnerSettings, evaluation: EvaluationSettings) -> Result:
    """What a result depends on, as plain JSON. A result with other settings is computed again."""
    task = TASKS[data.task]
    settings = {
        "data": asdict(data),
        "task": {"noise": task.noise, "episodes": task.episodes, "gamma": task.gamma},
        "learner": learner.to_dict(),
        "evaluation": asdict(evaluation),
    }
    return plain(settings)


def run_cell(data: DataSettings, settings: LearnerSettings, evaluation: EvaluationSettings, seed: int, folder: Path) -> Result:
    """Train and score one learner. Run it in a process of its own: the growth of peak memory is the process's.

    Args:
        data: what the learner is trained on.
        settings: of the learner.
        evaluation: how it is scored.
        seed: of contexts, data, networks and batches.
        folder: of kept datasets.
    """
    if settings.algorithm == CONTROLS:
        return _score_controls(data, evaluation, seed)
    from offctx.training.fit import train  # imports d3rlpy, which takes seconds: only where something is trained

    task, transitions = TASKS[data.task], dataset(data, seed, folder)
    buffer = make_buffer(settings, transitions, seed)
    learner = make_learner(settings, buffer, seed, task.gamma)
    memory, processor, clock = _peak_memory(), time.process_time(), time.perf_counter()
    train(learner, buffer, steps=settings.steps, seed=seed, progress=False)
    cost = {
        "processor_seconds": round(time.process_time() - processor, 2),
        "seconds": round(time.perf_counter() - clock, 2),
        "memory": learner_memory(learner),
        "peak_growth": _peak_memory() - memory,
    }
    last = transitions.episode_returns[-max(len(transitions.episode_returns) // 10, 1) :]
    return {
        "cost": cost,
        "transitions": np.bincount(transitions.context_ids).tolist(),
        "behaviour": {"all": float(transitions.episode_returns.mean()), "last": float(last.mean())},
        "returns": mean_returns(
            policies_of(learner), task, _splits(data, evaluation, seed), evaluation, context_mode(settings)
        ),
    }


def prepare_replays(data: DataSettings, seed: int, folder: Path) -> Result:
    """Make natural data, and say how well the agents play."""
    returns = dataset(data, seed, folder).episode_returns
    tenths = [round(float(part.mean()), 4) for part in np.array_split(returns, 10)]
    return {"mean_returns_of_tenths": tenths}


def _score_controls(data: DataSettings, evaluation: EvaluationSettings, seed: int) -> Result:
    """Score random actions, and the zero action where there is one; neither needs training."""
    task = TASKS[data.task]
    policies = {name: name for name in controls_of(task)}
    return {"cost": {}, "returns": mean_returns(policies, task, _splits(data, evaluation, seed), evaluation)}


def controls_of(task: ContextualTask) -> tuple[str, ...]:
    """The controls of a task: discrete actions have no zero."""
    return (ZERO, RANDOM) if isinstance(resolve(task.env).env.action_space, Box) else (RANDOM,)


def _splits(data: DataSettings, evaluation: EvaluationSettings, seed: int) -> dict[str, Contexts]:
    """The contexts that policies are scored in."""
    unseen = unseen_contexts(TASKS[data.task], evaluation.unseen, evaluation.seed)
    return {TRAIN: training_contexts(data, seed), UNSEEN: unseen}


def policies_of(learner: Any) -> dict[str, Any]:
    """The policies of a learner that are scored.

    "mode" takes the mode of the action distribution; a learner with a stochastic policy also has "sampled" actions.
    """

    def sampled(observations: Floats, contexts: Contexts, rng: np.random.Generator) -> Any:
        return learner.sample_action(observations.astype(np.float32))

    stochastic = learner.impl.policy is not None and getattr(learner.config, "policy", "deterministic") == "stochastic"
    return {"mode": learner, **({"sampled": sampled} if stochastic else {})}


def mean_returns(
    policies: Mapping[str, Any],
    task: ContextualTask,
    splits: Mapping[str, Contexts],
    evaluation: EvaluationSettings,
    context: ContextMode = "hidden",
) -> dict[str, Any]:
    """The mean return in each context, by policy and split."""
    reports = {
        name: evaluate(policy, task.env, splits, episodes=evaluation.episodes, seed=evaluation.seed, context=context, name=name)
        for name, policy in policies.items()
    }
    return {
        name: {split: report.returns[split].mean(axis=1).round(4).tolist() for split in splits}
        for name, report in reports.items()
    }


def _peak_memory() -> int:
    """The most memory [bytes] that this process has used so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
