"""The style that all pictures share."""

from offctx.evaluation.plots.style import (
    PALETTE,
    add_title_and_caption,
    figure_png,
    legend_above,
    new_figure,
    plain_label,
    series_style,
)


def test_series_differ_in_colour_until_the_palette_is_used_up_then_in_dashes() -> None:
    styles = [series_style(index) for index in range(3 * len(PALETTE))]
    assert [colour for colour, _, _ in styles[: len(PALETTE)]] == list(PALETTE)
    assert len(set(styles)) == len(styles)


def test_labels_are_shown_as_they_are() -> None:
    figure = new_figure(4, 3)
    axes = figure.add_subplot()
    axes.plot([0, 1], label=plain_label("_hidden $x$"))
    legend_above(axes)
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [r" _hidden \$x\$"]


def test_a_long_title_is_wrapped_and_the_picture_is_a_png() -> None:
    figure = new_figure(4, 3)
    add_title_and_caption(figure, "word " * 30, "caption")
    assert figure.get_suptitle().count("\n") > 2 and figure.get_supxlabel() == "caption"
    assert figure_png(figure).startswith(b"\x89PNG\r\n\x1a\n")
