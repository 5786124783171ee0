"""Artificial cells of the experiment cse: no training."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import offctx
from tools.reproduce.cse.arms import UNTRAINED
from tools.reproduce.cse.environments import BY_NAME
from tools.reproduce.cse.experiment import learner_cell
from tools.reproduce.cse.learners import learner_settings
from tools.reproduce.cse.settings import OFFLINE, TRAIN, UNTRAINED_MODE, Environment, Learner

EPISODES = 2
Returns = Mapping[str, Sequence[float]]


def small(name: str = "SimpleDirection", seeds: int = 2, **changes: object) -> Environment:
    """An environment with its first algorithm alone and hardly any steps; `changes` of the training."""
    environment = BY_NAME[name].quick()
    algorithm, training = next(iter(environment.offline.items()))
    return replace(environment, offline={algorithm: replace(training, seeds=seeds, **changes)}, online={})  # type: ignore[arg-type]


def pretend(environment: Environment, work: Path, returns: Returns, at_c0: Returns | None = None, commit: str = "abc") -> None:
    """Write cells with the same return in every context of the sweeps, and another one at c0.

    Args:
        environment: with one algorithm.
        work: the working folder.
        returns: arm -> the return in the sweeps, seed by seed.
        at_c0: arm -> the return at c0, seed by seed; 0 where not given.
        commit: of the cells.
    """
    splits, space = environment.splits(), environment.space
    (algorithm,) = environment.offline
    for arm, by_seed in returns.items():
        start = (at_c0 or {}).get(arm, [0.0] * len(by_seed))
        for seed, value in enumerate(by_seed):
            names = (UNTRAINED_MODE, "none") if arm in UNTRAINED else (OFFLINE, algorithm)
            learner = Learner(environment.name, *names, arm, seed)
            played = {
                split: np.full((len(rows), EPISODES), start[seed] if split == TRAIN else value)
                for split, rows in splits.items()
            }
            report = offctx.ZeroShotReport(
                policy=arm, env_id=environment.env, context_names=space.names, context_units=space.units,
                train_contexts=splits[TRAIN], contexts=splits, returns=played,
                lengths={split: np.full(values.shape, 10) for split, values in played.items()}, seed=0, context="append",
            )  # fmt: skip
            path = learner_cell(environment, learner, work).path
            path.parent.mkdir(parents=True, exist_ok=True)
            settings = learner_settings(environment, learner)
            facts = {"key": list(learner), "settings": settings, "commit": commit, "seconds": 60.0}
            path.write_text(json.dumps(facts | {"report": report.to_dict()}))
