"""The JSON file of the report: every number of the tables, and mean returns from which they can be computed again."""

from collections.abc import Mapping, Sequence
from typing import Any

from tools.reproduce.cse.competence import competence
from tools.reproduce.cse.matters import complete_proofs
from tools.reproduce.cse.results import AlgorithmResult
from tools.reproduce.cse.settings import TRAIN
from tools.reproduce.cse.verdicts import judgements
from tools.reproduce.frame.cells import Results


def facts_record(results: Results, command: str) -> dict[str, Any]:
    """Where the numbers come from: the command, the commit of each cell, whether all are clean, and what is missing."""
    return {
        "command": command,
        "clean": not results.unclean,
        "cells": results.cell_commits,
        "missing": [str(cell) for cell in results.missing],
    }


def algorithm_record(result: AlgorithmResult) -> dict[str, Any]:
    """Everything that the report says of one algorithm in one environment."""
    regions = [TRAIN, *result.regions]
    return {
        "env": result.environment.name,
        "mode": result.mode,
        "algorithm": result.algorithm,
        "training": str(result.environment.trainings(result.mode)[result.algorithm]),
        "contexts": {split: rows.tolist() for split, rows in result.first.contexts.items()},
        "seeds": {arm: sorted(runs) for arm, runs in result.runs.items()},
        "returns": {arm: _means(result, arm, axis=2) for arm in result.arms},
        "returns_by_start_state": {arm: _means(result, arm, axis=1) for arm in result.arms},
        "means": {arm: {r: result.interval(arm, r).to_dict() for r in regions} for arm in result.arms},
        "learned": {arm: competence(result, arm).value for arm in result.arms},
        "judgements": [judged.to_dict() for judged in judgements(result)],
        "context_matters": [proof.to_dict() for proof in complete_proofs(result)],
    }


def _means(result: AlgorithmResult, arm: str, axis: int) -> dict[str, Any]:
    """Mean returns of each seed in each split: over start states (R, K) with axis 2, over contexts (R, M) with axis 1.

    The latter give the intervals of a split again, by `mean_interval(rows[:, None])` and `difference` likewise.
    """
    return {split: result.returns(arm, split).mean(axis=axis).round(4).tolist() for split in result.first.splits}


def report_record(
    results: Results, command: str, algorithms: Sequence[AlgorithmResult], others: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The facts, the algorithms, and the runs that are not in the tables."""
    return facts_record(results, command) | {
        "results": [algorithm_record(result) for result in algorithms],
        "other_runs": list(others),
    }
