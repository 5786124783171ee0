"""Markdown and HTML show a page of plain content: they need no comparison, no environment and no picture library."""

import base64
import re

from offctx.evaluation.pages.html import page_html
from offctx.evaluation.pages.markdown import page_markdown
from offctx.evaluation.pages.page import DistanceSection, Picture, ReportPage, SplitSection
from offctx.evaluation.pages.tables import ReportTable

CONTEXTS = ReportTable(["g", "CQL"], [["1", "-3 [-4, -2]"]])
SUMMARY = ReportTable(["split", "AER"], [["moon", "-3"]], words=(0,))


def page(contexts: ReportTable = CONTEXTS, distance: DistanceSection | None = None) -> ReportPage:
    section = SplitSection("moon", Picture("return-moon.png", b"png", b"svg", "Mean return per context, moon"), contexts)
    return ReportPage("A & B", "What was played.", "Intervals.", (section,), distance, SUMMARY, ("AER: a mean.",))


def test_markdown_shows_the_content_in_order() -> None:
    assert page_markdown(page()).splitlines() == [
        "# A &amp; B", "", "What was played.",
        "", "## Summary", "", "| split | AER |", "| --- | ---: |", "| moon | -3 |", "", "Intervals.", "", "- AER: a mean.",
        "", "## moon", "", "![Mean return per context, moon](return-moon.png)", "",
        "| g | CQL |", "| ---: | ---: |", "| 1 | -3 [-4, -2] |",
    ]  # fmt: skip


def test_html_shows_the_same_content() -> None:
    text = page_html(page())
    parts = [
        "<h1>A &amp; B</h1>",
        "What was played.",
        "<h2>Summary</h2>",
        '<td role="cell" data-head="split" class="words">moon</td>',
    ]
    parts += [
        '<td role="cell" data-head="AER" class="number">-3</td>',
        "Intervals.",
        "AER: a mean.",
        "<h2>moon</h2>",
        base64.b64encode(b"svg").decode(),
    ]
    parts += ["-3 [-4, -2]"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_a_long_table_of_contexts_starts_folded() -> None:
    assert "<details open>" in page_html(page())
    assert "<details><summary>Mean return per context (31)</summary>" in page_html(
        page(ReportTable(["g", "CQL"], [["1", "-3"]] * 31))
    )


def test_distance_is_shown_with_its_picture_where_there_is_one() -> None:
    table = ReportTable(["coordinate", "both"], [["g", "1"]], words=(0,))
    with_picture = page(
        distance=DistanceSection("Far.", Picture("distance.png", b"far", b"far svg", "Against distance"), table)
    )
    without = page(distance=DistanceSection("Far.", None, table))
    assert [picture.file for picture in with_picture.pictures] == ["return-moon.png", "distance.png"]
    assert "![Against distance](distance.png)" in page_markdown(with_picture)
    assert base64.b64encode(b"far svg").decode() in page_html(with_picture)
    assert [picture.file for picture in without.pictures] == ["return-moon.png"]
    for text in (page_markdown(without), page_html(without)):
        assert "Return against distance" in text and "Far." in text and "distance.png" not in text


def test_tables_have_captions_and_scoped_heads_and_text_is_escaped() -> None:
    table = ReportTable(["<g>", "CQL"], [["1", "-3"]], row_heads=(0,), caption="Returns & <more>.")
    text = page_html(page(table))
    assert "<caption><span>Returns &amp; &lt;more&gt;.</span></caption>" in text
    assert '<th scope="col" role="columnheader" class="number">&lt;g&gt;</th>' in text
    assert '<th scope="row" role="rowheader" data-head="&lt;g&gt;" class="number">1</th>' in text
    assert "Returns &amp; &lt;more&gt;." in page_markdown(page(table))
    assert all("scope=" in head for head in re.findall(r"<th\b[^>]*>", text))


def test_a_heading_stays_with_its_picture_on_paper() -> None:
    text = page_html(page())
    together = re.search(r'<div class="together">(.*?)</div>', text, re.DOTALL)
    assert together and "<h2>moon</h2>" in together[1] and "<figure>" in together[1]
    assert re.search(r"@media print.*\.together { break-inside: avoid; }", text, re.DOTALL)


def test_rows_of_another_split_are_set_apart() -> None:
    summary = ReportTable(["split", "method", "AER"], [["a", "x", "1"], ["a", "y", "2"], ["b", "x", "3"]], words=(0, 1))
    text = page_html(ReportPage("A", "What.", "Intervals.", (), None, summary, ()))
    assert re.findall(r'<tr role="row"( class="part")?>', text) == ["", "", "", ' class="part"']


def test_the_page_has_rules_for_print_dark_and_narrow_screens() -> None:
    text = page_html(page())
    for rule in ("@media print", "screen and (prefers-color-scheme: dark)", "screen and (max-width: 36rem)"):
        assert rule in text
