"""Metric tensors of contexts, from the context derivatives of a dataset: how far a move of the context moves outcomes.

The symbols are those of `offctx.analysis.sensitivity`.

Dimensions: N transitions, B a block of them, C base contexts, o observation, p context.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from offctx.contexts.space import Contexts
from offctx.data.dataset import ContextualDataset
from offctx.envs.base import Array

_BLOCK = 65_536  # transitions that are float64 at once, to bound memory
_ROUNDING = 1e-6  # a spread below this part of the size is float32 rounding, and no unit
_TOLERANCE = 1e-4  # a derivative with a larger relative error is not trusted, where the metadata give no tolerance


class OutcomeMetrics(NamedTuple):
    """Metric tensors of the contexts of a dataset whose derivatives are trusted.

    Attributes:
        base_contexts: (C, p).
        transitions: how many of each are trusted (C,).
        next_observation: G_b (C, p, p).
        reward: H_b (C, p, p).
    """

    base_contexts: Contexts
    transitions: Array
    next_observation: Array
    reward: Array


def outcome_metrics(dataset: ContextualDataset, trusted: Array, observation_units: Array, reward_unit: float) -> OutcomeMetrics:
    """Averages the products of derivatives over the trusted transitions (N,) of each context of the data.

    Args:
        dataset: with derivatives.
        trusted: booleans (N,), at least one of them True.
        observation_units: u (o,).
        reward_unit: v.
    """
    contexts = dataset.unique_contexts
    counts = np.bincount(dataset.context_ids[trusted], minlength=len(contexts))
    sums = _metric_sums(dataset, np.flatnonzero(trusted), observation_units, reward_unit, len(contexts))
    used = counts > 0
    next_observation, reward = (total[used] / counts[used, None, None] for total in sums)
    return OutcomeMetrics(contexts[used], counts[used], next_observation, reward)


def trusted_transitions(dataset: ContextualDataset) -> Array:
    """Which transitions' derivatives are not flagged: booleans (N,)."""
    errors = dataset.derivative_errors
    if errors is None:
        return np.ones(len(dataset), dtype=bool)
    described = dataset.metadata.derivatives if dataset.metadata else None
    tolerance = described.tolerance if described is not None and described.tolerance is not None else _TOLERANCE
    return np.asarray(errors <= tolerance)  # False where NaN


def observation_units(dataset: ContextualDataset) -> Array:
    """u (o,); for a coordinate that never changes, its root mean square instead, or 1 where that is 0."""
    change, size = np.zeros((2, dataset.observations.shape[1]))
    for rows in _blocks(np.arange(len(dataset))):
        next_observations = dataset.next_observations[rows].astype(np.float64)
        size += (next_observations**2).sum(axis=0)
        change += ((next_observations - dataset.observations[rows]) ** 2).sum(axis=0)
    change, size = np.sqrt(change / len(dataset)), np.sqrt(size / len(dataset))
    return np.where(change > _ROUNDING * size, change, np.where(size > 0, size, 1.0))


def reward_unit(dataset: ContextualDataset) -> float:
    """v; where all rewards are equal, their root mean square instead, or 1 where that is 0."""
    rewards = dataset.rewards.astype(np.float64)
    spread, size = float(rewards.std()), float(np.sqrt((rewards**2).mean()))
    return spread if spread > _ROUNDING * size else size or 1.0


def _metric_sums(dataset: ContextualDataset, rows: Array, units: Array, reward_unit: float, bases: int) -> tuple[Array, Array]:
    """The sums over T_b whose means are G_b and H_b, (C, p, p) each."""
    dnext, dreward = dataset.dnext_observation_dcontext, dataset.dreward_dcontext
    assert dnext is not None and dreward is not None
    p = dreward.shape[1]
    continuous = dataset.context_space.continuous
    weights = continuous / (units[:, None] * np.sqrt(len(units)))  # (o, p)
    reward_weights = continuous / reward_unit  # (p,)
    sums = np.zeros((2, bases, p * p))
    for block in _blocks(rows):
        j, r = dnext[block] * weights, dreward[block] * reward_weights
        products = np.matmul(j.transpose(0, 2, 1), j), r[:, :, None] * r[:, None, :]  # (B, p, p) each
        ids = dataset.context_ids[block]
        for total, product in zip(sums, products, strict=True):
            for entry, values in enumerate(product.reshape(len(block), -1).T):
                total[:, entry] += np.bincount(ids, weights=values, minlength=bases)
    return sums[0].reshape(bases, p, p), sums[1].reshape(bases, p, p)


def _blocks(rows: Array) -> Iterator[Array]:
    """The row numbers, at most _BLOCK of them at a time."""
    for begin in range(0, len(rows), _BLOCK):
        yield rows[begin : begin + _BLOCK]
