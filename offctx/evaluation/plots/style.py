"""The one style of all pictures: palette, line styles, empty figures, axes, legends, titles and captions.

Matplotlib is imported when a picture is drawn, and only its Figure and Agg canvas: no global pyplot state, no display, no
rcParams.
"""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The palette of Okabe and Ito: its colours can be told apart with any colour vision (https://jfly.uni-koeln.de/color/).
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":")
GREY_DASHES: tuple[Any, ...] = ((0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (8, 3)))  # of null controls
INK, GREY, LINE = "#222222", "#666666", "#D9D9D9"  # of text and main lines; of secondary marks; of grids and frames
GREYS = (GREY, "#9A9A9A")
DPI = 120
_LABELS, _TICKS = 11, 10  # sizes of text [points]: in a picture 6 inches wide and shown at 400 px, 10 and 9 px


class SeriesStyle(NamedTuple):
    """How a series is drawn.

    Attributes:
        color: of line, marker and band.
        marker: "" for none.
        dashes: as Matplotlib's linestyle.
        width: of the line [points].
        band: opacity of the interval.
    """

    color: str
    marker: str
    dashes: Any
    width: float
    band: float


# Colours on white -> on a dark ground: text and lines turn light, the darkest colours of the palette become brighter.
_ON_DARK = {
    INK: "#E8E8E8",
    GREY: "#A8ADB4",
    LINE: "#3D434B",
    PALETTE[0]: "#4BA3E3",
    PALETTE[2]: "#2FC79A",
    PALETTE[6]: "#FFFFFF",
}


def series_style(index: int) -> tuple[str, str, str]:
    """Returns colour, marker and dashes of series number `index`. The dashes change when the colours are used up."""
    cycle, place = divmod(index, len(PALETTE))
    return PALETTE[place], MARKERS[place], DASHES[cycle % len(DASHES)]


def series_styles(names: Iterable[str], muted: Collection[str] = ()) -> dict[str, SeriesStyle]:
    """Returns name -> the style of its series: those of `series_style` in their order, and grey dashes for muted ones."""
    styles: dict[str, SeriesStyle] = {}
    for name in names:
        grey = sum(other in muted for other in styles)
        if name in muted:
            styles[name] = SeriesStyle(GREYS[grey // len(GREY_DASHES) % 2], "", GREY_DASHES[grey % len(GREY_DASHES)], 1.4, 0.08)
        else:
            styles[name] = SeriesStyle(*series_style(len(styles) - grey), 2.0, 0.15)
    return styles


def new_figure(width: float, height: float, dpi: int = DPI) -> Figure:
    """Returns an empty white figure of width x height inches that can be saved without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def figure_png(figure: Figure, dpi: int = DPI) -> bytes:
    """Returns the figure as PNG bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def figure_svg(figure: Figure) -> bytes:
    """Returns the panels of the figure as SVG on a transparent ground, without title and caption: the page around has them.

    The same figure gives the same bytes. The figure loses its title and its caption.
    """
    from matplotlib import rc_context

    figure.suptitle("")
    figure.supxlabel("")
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "offctx"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def dark_svg(svg: bytes) -> bytes:
    """Returns the SVG of `figure_svg` for a dark ground: text, marks and lines that are dark become light."""
    text = svg.decode()
    for light, dark in _ON_DARK.items():
        text = re.sub(light, dark, text, flags=re.IGNORECASE)
    return text.replace("<svg ", '<svg fill="#ffffff" ', 1).encode()


def clean_axes(axes: Axes, grid: Literal["x", "y", "both"] = "y") -> Axes:
    """Styles axes: no top and right frame, grey ticks, a light grid behind the data. Returns the axes."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    axes.tick_params(colors=GREY, labelsize=_TICKS)
    axes.grid(True, axis=grid, color=LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=INK, fontsize=_LABELS)
    return axes


def legend_above(axes: Axes) -> None:
    """Draws the legend above the axes, where it never covers data."""
    handles, labels = axes.get_legend_handles_labels()
    room = int(11 * axes.figure.get_size_inches()[0])  # type: ignore[union-attr]  # characters in a row of the whole figure
    in_one_row = sum(map(len, labels)) + 7 * len(labels) <= room
    columns = len(handles) if in_one_row else max(1, min(4, room // (max(map(len, labels)) + 7)))
    axes.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=columns,
        frameon=False,
        fontsize=_LABELS,
        labelcolor=INK,
        columnspacing=1.6,
    )


def add_title_and_caption(figure: Figure, title: str, caption: str = "") -> None:
    """Writes the title above and the caption below the panels. Both are wrapped to the width of the figure."""
    width = float(figure.get_size_inches()[0])
    wrapped_title = textwrap.fill(title, int(9.5 * width))
    figure.suptitle(plain_label(wrapped_title), x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    if caption:
        wrapped_caption = textwrap.fill(caption, int(13.5 * width))
        figure.supxlabel(plain_label(wrapped_caption), x=0.01, ha="left", fontsize=9, color=GREY)


def plain_label(label: str) -> str:
    """Returns a label that Matplotlib shows as it is.

    Matplotlib reads text between dollars as mathematics and leaves labels with a leading "_" out of legends.
    """
    return (" " if label.startswith("_") else "") + label.replace("$", r"\$")
