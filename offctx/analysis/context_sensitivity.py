"""Measuring the context sensitivity of a dataset; `offctx.analysis.sensitivity` defines it.

Dimensions: p context.
"""

from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike

from offctx.analysis.outcome_metrics import observation_units, outcome_metrics, reward_unit, trusted_transitions
from offctx.analysis.sensitivity import Part, Sensitivity
from offctx.data.dataset import ContextualDataset
from offctx.envs.base import Array
from offctx.errors import DerivativeError


def context_sensitivity(dataset: ContextualDataset) -> Sensitivity:
    """Ranks the context coordinates of a dataset by how far they move outcomes, and measures distances between contexts.

    Transitions with flagged derivatives are left out and counted. A derivative is flagged where its estimated error is above
    the dataset's tolerance or not finite, which happens near a contact switch.

    Args:
        dataset: a dataset with context derivatives.

    Returns:
        The ranking, the metric tensors behind it, and distances.

    Raises:
        DerivativeError: the dataset has no derivatives, or all of them are flagged.

    Example::

        sensitivity = offctx.context_sensitivity(offctx.load_dataset("offctx/PendulumGoal/random-v0"))
        print(sensitivity)                                   # the ranking
        sensitivity.distance({"g": 2.0}, {"g": 4.0})         # in steps
        report.save("report", sensitivity=sensitivity)       # a report with return against distance
    """
    if not dataset.has_derivatives:
        raise DerivativeError(f"{dataset.dataset_id} has no context derivatives; context sensitivity is made from them")
    trusted = trusted_transitions(dataset)
    if not trusted.any():
        raise DerivativeError(
            f"{dataset.dataset_id}: every derivative is flagged as not to be trusted; none is left to rank by"
        )
    units, unit = observation_units(dataset), reward_unit(dataset)
    metrics = outcome_metrics(dataset, trusted, units, unit)
    return Sensitivity(
        dataset_id=dataset.dataset_id,
        context_space=dataset.context_space,
        base_contexts=metrics.base_contexts,
        transitions=metrics.transitions,
        left_out=int((~trusted).sum()),
        scale=dataset.context_space.half_widths(),
        observation_units=units,
        reward_unit=unit,
        next_observation_metrics=metrics.next_observation,
        reward_metrics=metrics.reward,
    )


def context_distance(
    dataset: ContextualDataset,
    first: ArrayLike | Mapping[str, float],
    second: ArrayLike | Mapping[str, float],
    part: Part = "both",
) -> Array:
    """Returns how far apart contexts are along the data, in steps: `context_sensitivity(dataset).distance(first, second)`.

    For many distances from the same data, call `context_sensitivity` once and keep its result.

    Args:
        dataset: a dataset with context derivatives.
        first: contexts (..., p), or a mapping from names to coordinates.
        second: the same; the two broadcast.
        part: which outcome counts: "next_observation", "reward", or "both".

    Returns:
        distances (...,).

    Raises:
        DerivativeError: the dataset has no derivatives, or all of them are flagged.
        ContextError: not p finite coordinates, or no such part.
    """
    return context_sensitivity(dataset).distance(first, second, part)


def sensitivity_summary(dataset: ContextualDataset) -> dict[str, Any] | None:
    """Returns `Sensitivity.to_dict` for the dataset's card; None where there are no derivatives, or all are flagged."""
    try:
        return context_sensitivity(dataset).to_dict() if dataset.has_derivatives else None
    except DerivativeError:
        return None
