"""Summary statistics of a dataset's arrays: what of them stays nearly the same where floating point rounds otherwise.

Dimensions: N transitions, E episodes, C contexts, k numbers of one row of an array.
"""

from typing import Any

import numpy as np
import pydantic

from offctx.data.dataset import ContextualDataset
from offctx.envs.base import Array

_DIGITS = 9  # significant, of every number in a card
_ROWS_AT_ONCE = 65536  # bounds the memory of the float64 copies

ARRAYS = (
    "observations",
    "actions",
    "rewards",
    "terminations",
    "truncations",
    "dnext_observation_dcontext",
    "dreward_dcontext",
    "derivative_errors",
    "states",
    "noise",
)


class ArraySummary(pydantic.BaseModel):
    """What the rows of one array are like.

    Attributes:
        dtype: NumPy's name of the type.
        shape: of the whole array, (N, ...).
        mean: of each of the k numbers in a row.
        std: standard deviations (k,).
        min: smallest values (k,).
        max: largest values (k,).
    """

    model_config = pydantic.ConfigDict(extra="forbid")

    dtype: str
    shape: list[int]
    mean: list[float]
    std: list[float]
    min: list[float]
    max: list[float]


class ContextReturns(pydantic.BaseModel):
    """The returns of the episodes in one context.

    Attributes:
        context: coordinates (p,).
        episodes: how many there are.
        mean: of the undiscounted returns.
        std: their standard deviation.
    """

    model_config = pydantic.ConfigDict(extra="forbid")

    context: list[float]
    episodes: int
    mean: float
    std: float


def summarize_arrays(dataset: ContextualDataset) -> dict[str, ArraySummary]:
    """Returns the summary of each array that the dataset has."""
    arrays = {name: getattr(dataset, name) for name in ARRAYS}
    return {name: _summarize(array) for name, array in arrays.items() if array is not None}


def summarize_returns(dataset: ContextualDataset) -> list[ContextReturns]:
    """Returns the returns in each distinct context, in the order of `dataset.unique_contexts`."""
    ids, returns = dataset.episode_context_ids, dataset.episode_returns
    episodes = np.bincount(ids)
    mean = np.bincount(ids, weights=returns) / episodes
    variance = np.bincount(ids, weights=(returns - mean[ids]) ** 2) / episodes
    columns = zip(dataset.unique_contexts, episodes.tolist(), _rounded(mean), _rounded(np.sqrt(variance)), strict=True)
    return [ContextReturns(context=c.tolist(), episodes=n, mean=m, std=s) for c, n, m, s in columns]


def _summarize(array: Array) -> ArraySummary:
    """In blocks of rows: first means and extremes, then the squared distances from the means."""
    rows = array.reshape(len(array), -1)
    starts = range(0, len(rows), _ROWS_AT_ONCE)

    def block(start: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        return rows[start : start + _ROWS_AT_ONCE].astype(np.float64)

    mean = sum((block(start).sum(axis=0) for start in starts), np.zeros(rows.shape[1])) / len(rows)
    squares = sum((((block(start) - mean) ** 2).sum(axis=0) for start in starts), np.zeros(rows.shape[1]))
    return ArraySummary(
        dtype=str(array.dtype),
        shape=list(array.shape),
        mean=_rounded(mean),
        std=_rounded(np.sqrt(squares / len(rows))),
        min=_rounded(rows.min(axis=0)),
        max=_rounded(rows.max(axis=0)),
    )


def _rounded(values: Array) -> list[float]:
    return [float(f"{float(value):.{_DIGITS}g}") for value in values]
