"""The pictures: returns of all methods, after a cold and a warm start."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from tools.reproduce.aib.cell import COLD, WARM
from tools.reproduce.aib.results import SPLITS, Group
from tools.reproduce.aib.tables import titles
from tools.reproduce.frame.figures import canvas, draw_intervals, finish

_COLOURS = {COLD: "tab:blue", WARM: "tab:red"}


def returns_picture(groups: Sequence[Group]) -> Figure:
    """A row for each group, a panel for each split, a place for each method."""
    figure, panels = canvas(12, 0.8 + 2.4 * len(groups), len(groups), len(SPLITS))
    for row, group in enumerate(groups):
        names = list(group.runs)
        for column, split in enumerate(SPLITS):
            axes = panels[row * len(SPLITS) + column]
            for shift, (start, colour) in zip((-0.12, 0.12), _COLOURS.items(), strict=True):
                points = {
                    place + shift: group.mean(name, start, split)
                    for place, name in enumerate(names)
                    if start in group.starts(name)
                }
                draw_intervals(axes, points, start, colour, fmt="o", markersize=4)
            axes.set_xticks(
                np.arange(len(names)), [titles(group)[name].title for name in names], rotation=35, ha="right", fontsize=7
            )
            axes.set_title(f"{group.task}, {group.kind}: {split}", fontsize=9)
    finish(panels)
    return figure
