"""The tables of the theory report."""

import numpy as np

from tools.reproduce.frame.markdown import table
from tools.reproduce.theory.check import Panel
from tools.reproduce.theory.records import Measured, series_of
from tools.reproduce.theory.statistics import mean_interval


def panel_table(measured: Measured, panel: Panel) -> list[str]:
    """One group of series in Markdown: a row for each series, a column for each x."""
    series = series_of(measured, panel.group)
    xs = list(dict.fromkeys(x for by_x in series.values() for x in by_x))
    rows = [[label, *(values_text(by_x[x]) if x in by_x else "" for x in xs)] for label, by_x in series.items()]
    return table([f"{panel.group}: {panel.xlabel}", *map(short_number, xs)], rows)


def short_number(value: float) -> str:
    """A number as short as the head of a column needs it."""
    return f"{value:.5g}" if value < 1e5 or value != int(value) else str(int(value))


def values_text(values: list[float]) -> str:
    """The mean of all seeds with its interval; the number itself if there is only one."""
    if len(values) == 1:
        return f"{values[0]:.3g}"
    if not np.isfinite(values).all():
        return "infinite"
    return f"{np.mean(values):.2e}" if 0 < abs(np.mean(values)) < 1e-4 else str(mean_interval(values))
