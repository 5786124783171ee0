"""The words, tables and pictures of written reports."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from offctx.evaluation.pages.files import page_files
from offctx.evaluation.pages.pictures import picture_names
from offctx.evaluation.report import Comparison, ZeroShotReport, compare

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
        assert "evaluation episodes only, not training seeds" in (tmp_path / name).read_text()


def test_pictures_are_png_and_embedded(tmp_path: Path, three: Callable[[], Comparison]) -> None:
    folder = three().save(tmp_path)
    page = (folder / "report.html").read_text()
    embedded = [base64.b64decode(data) for data in re.findall(r"data:image/png;base64,([^\"]+)", page)]
    saved = [(folder / f"return-{split}.png").read_bytes() for split in ("train", "test")]
    assert embedded == saved
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
    assert {len(bars) for bars in tables} == {5, 9}  # contexts: 2 + 2 columns; aggregates: 8


def test_file_names_are_safe_and_distinct() -> None:
    names = picture_names(["a/b", "a b", "A B", "..", "../../x", "ü", "train"])
    assert len({name.lower() for name in names.values()}) == len(names)
    assert all(re.fullmatch(r"return-[\w-]+\.png", name, re.ASCII) for name in names.values())
    assert names["train"] == "return-train.png"


def test_text_table_is_aligned(make: MakeReport, three: Callable[[], Comparison]) -> None:
    lines = str(three()).splitlines()
    header = next(line for line in lines if line.startswith("split"))
    body = lines[lines.index(header) + 2 : lines.index(header) + 8]
    at = header.index("AER")
    assert all(line[at - 1] == " " and line[at] == "-" for line in body)
    assert "CQL" in str(make()) and "offctx/PendulumGoal-v0" in str(make())
