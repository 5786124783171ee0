"""How a policy with memory adapts: return and gain against the transitions seen, and reward against the time step.

Dimensions: S numbers of transitions seen, B bins of time steps.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from offctx.evaluation.plots.data import Estimates
from offctx.evaluation.plots.style import (
    GREY,
    INK,
    add_title_and_caption,
    clean_axes,
    legend_above,
    new_figure,
    plain_label,
    series_styles,
)
from offctx.evaluation.statistics import Array, Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3
_WIDE = 20  # the largest number of transitions seen over the smallest, from which on the axis is logarithmic
_SEEN = "transitions seen in the context"


def plot_adaptation(
    seen: Sequence[int],
    *,
    returns: Mapping[str, Sequence[Interval]],
    gains: Mapping[str, Sequence[Interval | None]],
    steps: Array,
    rewards: Mapping[str, Mapping[int, Estimates]],
    title: str,
    caption: str,
) -> Figure:
    """Draws a panel of returns, one of gains over the cold start, and one of rewards by time step for each method.

    Args:
        seen: transitions seen before the scored episode (S,), 0 first.
        returns: method -> mean return after each (S,).
        gains: method -> mean return minus the cold one (S,); None where it is 0 by definition.
        steps: the middle of each bin of time steps (B,).
        rewards: method -> transitions seen -> reward per step, estimate, low and high (B,) each.
        title: above the panels.
        caption: below them.

    Returns:
        the figure.
    """
    count = 2 + len(rewards)
    columns = min(count, _COLUMNS)
    lines = -(-count // columns)
    figure = new_figure(3.6 * columns, 0.9 + 3.1 * lines)
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for spare in panels[count:]:
        spare.set_axis_off()
    _draw_against_seen(panels[0], seen, returns, "mean return")
    _draw_against_seen(panels[1], seen, gains, "gain over the cold start")
    panels[1].axhline(0.0, color=GREY, linewidth=1.0)
    if len(returns) > 1:
        legend_above(panels[0])
    for axes, (method, by_seen) in zip(panels[2:], rewards.items(), strict=False):
        name = f"{method}, transitions seen before:" if len(rewards) > 1 else "transitions seen before:"
        _draw_rewards(axes, steps, by_seen, textwrap.shorten(name, 44))
    add_title_and_caption(figure, title, caption)
    return figure


def _draw_against_seen(axes: Axes, seen: Sequence[int], estimates: Mapping[str, Sequence[Interval | None]], label: str) -> None:
    """Draws estimates (S,) of each method with their intervals."""
    clean_axes(axes)
    styles = series_styles(estimates)
    for method, intervals in estimates.items():
        values = np.array([(0.0,) * 3 if each is None else (each.estimate, each.low, each.high) for each in intervals])
        style = styles[method]
        axes.fill_between(seen, values[:, 1], values[:, 2], color=style.color, alpha=style.band, linewidth=0)
        axes.errorbar(
            seen,
            values[:, 0],
            yerr=np.abs(values[:, 1:] - values[:, :1]).T,
            color=style.color,
            linestyle=style.dashes,
            linewidth=style.width,
            marker=style.marker,
            markersize=4.5,
            capsize=3,
            label=plain_label(method),
        )
    positive = [number for number in seen if number > 0]
    if max(positive) > _WIDE * min(positive):
        axes.set_xscale("symlog", linthresh=min(positive))
    axes.set_xticks(list(seen), [str(number) for number in seen])
    axes.minorticks_off()
    axes.set_xlabel(_SEEN)
    axes.set_ylabel(label)


def _draw_rewards(axes: Axes, steps: Array, by_seen: Mapping[int, Estimates], title: str) -> None:
    """Draws the reward per step against the time step of the scored episode, a line for each number of transitions seen."""
    clean_axes(axes)
    styles = series_styles(f"{number}{' (cold)' if number == 0 else ''}" for number in by_seen)
    for (name, style), (estimate, low, high) in zip(styles.items(), by_seen.values(), strict=True):
        axes.fill_between(steps, low, high, color=style.color, alpha=style.band, linewidth=0)
        axes.plot(steps, estimate, color=style.color, linestyle=style.dashes, linewidth=style.width, label=name)
    axes.set_xlabel("time step of the scored episode")
    axes.set_ylabel("reward per step")
    legend = axes.legend(frameon=False, fontsize=8, labelcolor=INK, title=plain_label(title))
    legend.get_title().set_fontsize(8)
    legend.get_title().set_color(INK)
