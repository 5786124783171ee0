"""What the theory checks measure: records of single seeds, and all seeds together."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np


class Record(NamedTuple):
    """One number that one seed measured.

    Attributes:
        series: "group: label"; a group is drawn as one panel and printed as one table.
        x: position on the group's axis.
        value: the number; may be infinite.
    """

    series: str
    x: float
    value: float


Measured = dict[str, dict[float, list[float]]]
"""series -> x -> one value for each seed, in the order of seeds."""


def gather(seeds: Iterable[Iterable[Record]]) -> Measured:
    """Collect the records of all seeds, given seed by seed, by series and x."""
    measured: Measured = {}
    for records in seeds:
        for series, x, value in records:
            measured.setdefault(series, {}).setdefault(x, []).append(value)
    return measured


def series_of(measured: Measured, group: str) -> Measured:
    """The series of one group, by label instead of "group: label"."""
    lead = f"{group}: "
    return {name.removeprefix(lead): by_x for name, by_x in measured.items() if name.startswith(lead)}


def to_json(value: float) -> float | None:
    """A number for strict JSON: None in the place of infinity."""
    return value if np.isfinite(value) else None


def from_json(value: float | None) -> float:
    """The number that `to_json` stored."""
    return float("inf") if value is None else value


def records_to_json(records: Iterable[Record]) -> list[list[Any]]:
    """Records as JSON arrays."""
    return [[series, x, to_json(value)] for series, x, value in records]


def records_from_json(entries: Iterable[list[Any]]) -> list[Record]:
    """The records that `records_to_json` stored."""
    return [Record(series, x, from_json(value)) for series, x, value in entries]
