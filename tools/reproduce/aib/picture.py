"""The pictures: returns of all methods after a cold and a warm start, and against the number of transitions seen."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from offctx.evaluation.plots.style import clean_axes
from tools.reproduce.aib.cell import COLD, WARM
from tools.reproduce.aib.claims import UNSEEN
from tools.reproduce.aib.methods import BLIND, CEILING
from tools.reproduce.aib.results import SPLITS, Group
from tools.reproduce.aib.tables import titles
from tools.reproduce.frame.figures import canvas, draw_intervals, finish, legend_beside

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
            _draw_control(axes, group, split)
            axes.set_xticks(
                np.arange(len(names)), [titles(group)[name].title for name in names], rotation=35, ha="right", fontsize=7
            )
            axes.set_title(f"{group.task}, {group.kind}: {split}", fontsize=9)
    for axes in panels:
        clean_axes(axes, grid="both")
    legend_beside(figure, panels, columns=3)
    return figure


def _draw_control(axes: Axes, group: Group, split: str) -> None:
    """A line at the best of the zero action and a random action."""
    if (level := group.control(split)) is not None:
        axes.axhline(level, color="tab:orange", linestyle=":", label="best control")


def adaptation_picture(group: Group) -> Figure:
    """Returns against transitions seen before the episode, for methods that infer the context; the others as lines.

    Args:
        group: with methods that infer the context.
    """
    figure, panels = canvas(10, 3.6, 1, 2)
    methods, lines = titles(group), dict(zip((CEILING, BLIND, "dr"), ("black", "grey", "grey"), strict=True))
    for axes, split in zip(panels, UNSEEN, strict=True):
        for name in group.runs:
            curve = {float(seen): interval for seen, interval in group.adaptation(name, split).items()}
            if curve:
                colour = f"C{list(methods).index(name) % 10}"
                draw_intervals(axes, curve, methods[name].title, colour, fmt="o-", markersize=3)
            elif name in lines:
                level = group.mean(name, COLD, split).estimate
                axes.axhline(level, color=lines[name], linestyle="--", label=methods[name].title)
        _draw_control(axes, group, split)
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlabel("transitions seen in the context before the episode")
        axes.set_title(f"{group.task}, {group.kind}: {split}", fontsize=9)
    panels[0].set_ylabel("average episode return")
    finish(panels, fontsize=7)
    return figure
