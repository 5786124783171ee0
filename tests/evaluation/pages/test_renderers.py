"""Markdown and HTML show a page of plain content: they need no comparison, no environment and no picture library."""

import base64

from offctx.evaluation.pages.html import page_html
from offctx.evaluation.pages.markdown import page_markdown
from offctx.evaluation.pages.page import DistanceSection, Picture, ReportPage, SplitSection
from offctx.evaluation.pages.tables import ReportTable

CONTEXTS = ReportTable(["g", "CQL"], [["1", "-3 [-4, -2]"]])
SUMMARY = ReportTable(["split", "AER"], [["moon", "-3"]], words=(0,))


def page(contexts: ReportTable = CONTEXTS, distance: DistanceSection | None = None) -> ReportPage:
    section = SplitSection("moon", Picture("return-moon.png", b"png", "Mean return per context, moon"), contexts)
    return ReportPage("A & B", "What was played.", "Intervals.", (section,), distance, SUMMARY, ("AER: a mean.",))


def test_markdown_shows_the_content_in_order() -> None:
    assert page_markdown(page()).splitlines() == [
        "# A &amp; B", "", "What was played.", "", "Intervals.",
        "", "## moon", "", "![Mean return per context, moon](return-moon.png)", "",
        "| g | CQL |", "| ---: | ---: |", "| 1 | -3 [-4, -2] |",
        "", "## Aggregates", "", "| split | AER |", "| --- | ---: |", "| moon | -3 |",
        "", "- AER: a mean.",
    ]  # fmt: skip


def test_html_shows_the_same_content() -> None:
    text = page_html(page())
    parts = ["<h1>A &amp; B</h1>", "What was played.", "Intervals.", "<h2>moon</h2>", base64.b64encode(b"png").decode()]
    parts += ["-3 [-4, -2]", "<h2>Aggregates</h2>", '<td class="words">moon</td>', '<td class="number">-3</td>', "AER: a mean."]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_a_long_table_of_contexts_starts_folded() -> None:
    assert "<details open>" in page_html(page())
    assert "<details><summary>Mean return per context (31)</summary>" in page_html(
        page(ReportTable(["g", "CQL"], [["1", "-3"]] * 31))
    )


def test_distance_is_shown_with_its_picture_where_there_is_one() -> None:
    table = ReportTable(["coordinate", "both"], [["g", "1"]], words=(0,))
    with_picture = page(distance=DistanceSection("Far.", Picture("distance.png", b"far", "Against distance"), table))
    without = page(distance=DistanceSection("Far.", None, table))
    assert [picture.file for picture in with_picture.pictures] == ["return-moon.png", "distance.png"]
    assert "![Against distance](distance.png)" in page_markdown(with_picture)
    assert base64.b64encode(b"far").decode() in page_html(with_picture)
    assert [picture.file for picture in without.pictures] == ["return-moon.png"]
    for text in (page_markdown(without), page_html(without)):
        assert "Return against distance" in text and "Far." in text and "distance.png" not in text
