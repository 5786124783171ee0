"""How a cell runs: one learner is trained with one seed and scored, and the cost of its training is measured."""

import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from offctx.contexts.space import Contexts
from offctx.evaluation.evaluator import evaluate
from tools.reproduce.frame.cells import Result, plain
from tools.reproduce.perm.data import DataSettings, dataset, training_contexts, unseen_contexts
from tools.reproduce.perm.learners import LearnerSettings, learner_memory, make_buffer, make_learner
from tools.reproduce.perm.tasks import TASKS, ContextualTask, Floats

TRAIN, UNSEEN = "train", "unseen"
_EVALUATION_SEED = 1_000_000  # far from the seeds of the data: no start state is seen in training


@dataclass(frozen=True)
class EvaluationSettings:
    """How learners are scored.

    Attributes:
        episodes: per context.
        unseen: number of contexts that no learner has trained on.
    """

    episodes: int = 8
    unseen: int = 48


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


def run_cell(data: DataSettings, settings: LearnerSettings, evaluation: EvaluationSettings, seed: int) -> Result:
    """Train and score one learner. Run it in a process of its own: the growth of peak memory is the process's."""
    from offctx.training.fit import train  # imports d3rlpy, which takes seconds: only where something is trained

    task, transitions = TASKS[data.task], dataset(data, seed)
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
    splits = {TRAIN: training_contexts(data, seed), UNSEEN: unseen_contexts(task, evaluation.unseen)}
    return {
        "cost": cost,
        "transitions": np.bincount(transitions.context_ids).tolist(),
        "contexts": {split: contexts.round(4).tolist() for split, contexts in splits.items()},
        "returns": mean_returns(learner, task, splits, evaluation.episodes),
    }


def mean_returns(learner: Any, task: ContextualTask, splits: Mapping[str, Contexts], episodes: int) -> dict[str, Any]:
    """The mean return in each context, by policy and split.

    The policy "mode" takes the mode of the learner's action distribution. A learner with a stochastic policy is also
    scored by "sampled" actions.
    """

    def sampled(observations: Floats, contexts: Contexts, rng: np.random.Generator) -> Any:
        return learner.sample_action(observations.astype(np.float32))

    stochastic = learner.impl.policy is not None and getattr(learner.config, "policy", "deterministic") == "stochastic"
    policies = {"mode": learner, **({"sampled": sampled} if stochastic else {})}
    reports = {
        name: evaluate(policy, task.env, splits, episodes=episodes, seed=_EVALUATION_SEED, context="hidden", name=name)
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
