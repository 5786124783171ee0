"""The words, tables and pictures of written reports."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from offctx.evaluation.compare import compare
from offctx.evaluation.pages.files import page_files
from offctx.evaluation.pages.page import report_page
from offctx.evaluation.pages.pictures import picture_names
from offctx.evaluation.plots.style import dark_svg
from offctx.evaluation.report import Comparison, ZeroShotReport

PNG = b"\x89PNG\r\n\x1a\n"
TRAIN = np.array([[9.0, 1.0], [10.0, 1.0], [11.0, 1.0]])
TEST = np.array([[4.0, 1.0], [15.0, 1.0]])
MakeReport = Callable[..., ZeroShotReport]


def written(comparison: Comparison) -> dict[str, str]:
    """The text files."""
    return {name: data.decode() for name, data in page_files(comparison).items() if not name.endswith(".png")}


def test_one_run_says_that_seeds_are_not_covered(tmp_path: Path, three: Callable[[], Comparison]) -> None:
    three().save(tmp_path)
    for name in ("report.md", "report.html"):
        assert "over episodes of one agent and say nothing about other training seeds" in (tmp_path / name).read_text()


def test_pictures_are_png_files_and_svg_in_the_page(tmp_path: Path, three: Callable[[], Comparison]) -> None:
    folder = three().save(tmp_path)
    page = (folder / "report.html").read_text()
    embedded = [base64.b64decode(data) for data in re.findall(r' src="data:image/svg\+xml;base64,([^"]+)"', page)]
    saved = [(folder / f"return-{split}.png").read_bytes() for split in ("train", "test")]
    assert embedded == [picture.svg for picture in report_page(three()).pictures]
    assert all(ElementTree.fromstring(data).tag == "{http://www.w3.org/2000/svg}svg" for data in embedded)
    assert all(data.startswith(PNG) for data in saved)
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_labels_are_escaped(make: MakeReport) -> None:
    label = "<script>x</script>|a_b & {c} $d$"
    found = make(
        env_id=label,
        context_names=("<i>g</i>", "m"),
        context_units=("<b>", '"'),
        contexts={"train": TRAIN, label: TEST},
        returns={"train": np.zeros((3, 6)), label: np.zeros((2, 6))},
        lengths={"train": np.ones((3, 6)), label: np.ones((2, 6))},
    )
    comparison = compare({label: found, "other": found}, replicates=50)
    page = _Tags()
    page.feed(written(comparison)["report.html"])
    assert not page.tags & {"script", "i", "b"}
    assert page.text.count(label) >= 5
    text = written(comparison)["report.md"]
    assert "<script" not in text and "<i>" not in text
    tables = [re.findall(r"(?<!\\)\|", line) for line in text.splitlines() if line.startswith("|")]
    assert {len(bars) for bars in tables} == {4, 9}  # contexts: 1 coordinate that varies and 2 methods; summary: 8


def test_file_names_are_safe_and_distinct() -> None:
    names = picture_names(["a/b", "a b", "A B", "..", "../../x", "ü", "train"])
    assert len({name.lower() for name in names.values()}) == len(names)
    assert all(re.fullmatch(r"return-[\w-]+\.png", name, re.ASCII) for name in names.values())
    assert names["train"] == "return-train.png"


def test_text_table_is_aligned(make: MakeReport, three: Callable[[], Comparison]) -> None:
    lines = str(three()).splitlines()
    header = next(line for line in lines if line.startswith("split") and "AER" in line)
    body = lines[lines.index(header) + 2 : lines.index(header) + 8]
    at = header.index("AER")
    assert all(line[at - 1] == " " and line[at] == "-" for line in body)
    assert "CQL" in str(make()) and "offctx/PendulumGoal-v0" in str(make())


def test_constant_coordinates_are_in_the_caption(three: Callable[[], Comparison]) -> None:
    text = written(three())["report.md"]
    assert "Mean return in each context of test, with 95 % intervals over episodes of one agent. Constant: m = 1 kg." in text
    assert "| g [m/s^2] | hidden | CSE | expert |" in text
    assert "g=15 |" in text and "m=1" not in text
    assert "Constant: m = 1 kg." in str(three())


def test_alternative_texts_say_the_finding(three: Callable[[], Comparison]) -> None:
    comparison = three()
    alt = report_page(comparison).splits[1].picture.alt
    assert "2 contexts of test (g from 4 to 15 m/s^2)" in alt
    order = ", ".join(f"{name} {comparison.aer(name, 'test')}" for name in ("expert", "CSE", "hidden"))
    assert f"Mean, from highest to lowest: {order}." in alt
    worst = next(row for row in comparison.rows if (row.method, row.split) == ("hidden", "test")).worst_return
    assert f"Lowest in one context: hidden {worst:.4g} at g = 15." in alt
    assert html.escape(alt) in written(comparison)["report.html"]


def test_pictures_of_a_dark_page_have_light_text(three: Callable[[], Comparison]) -> None:
    svg = report_page(three()).pictures[0].svg
    assert b"#222222" in svg and b"#222222" not in dark_svg(svg) and b"#e8e8e8" in dark_svg(svg).lower()
    assert base64.b64encode(dark_svg(svg)).decode() in written(three())["report.html"]
