"""The report in a browser: no table is clipped at 1400 and 400 pixels and on paper. Needs Debian's `chromium`, else skipped."""

from __future__ import annotations

import html
import json
import re
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from offctx.evaluation.compare import compare
from offctx.evaluation.provenance import Provenance
from offctx.evaluation.report import ZeroShotReport

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH (Debian: apt install chromium)")

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
FLAGS += ("--disable-component-update", "--disable-sync", "--hide-scrollbars")
PAPER = 703  # pixels: A4 without its margins, 186 mm

# Reports what reaches out of the page, out of a container that does not scroll, or out of a cell.
LOOK = """
const found = {};
for (const frame of document.querySelectorAll("iframe")) {
  const page = frame.contentDocument, problems = [];
  for (const folded of page.querySelectorAll("details")) folded.open = true;
  if (page.documentElement.scrollWidth > frame.clientWidth) problems.push("the page is wider than its window");
  for (const box of page.querySelectorAll(".scroll")) {
    const scrolls = ["auto", "scroll"].includes(frame.contentWindow.getComputedStyle(box).overflowX);
    const table = box.querySelector("table"), name = box.getAttribute("aria-label");
    const wide = table.getBoundingClientRect().right > box.getBoundingClientRect().right + 1;
    if (wide || box.scrollWidth > box.clientWidth + 1) problems.push((scrolls ? "scrolling" : "clipped") + " table: " + name);
    for (const cell of table.querySelectorAll("tbody th, tbody td"))
      if (cell.scrollWidth > cell.clientWidth + 1) problems.push("clipped cell: " + cell.textContent);
  }
  for (const part of page.querySelectorAll("h1, h2, p, li, img, figcaption, summary"))
    if (part.getBoundingClientRect().right > frame.clientWidth + 1) problems.push("cut off: " + part.tagName);
  if (page.querySelectorAll(".scroll table").length == 0) problems.push("no table");
  found[frame.id] = problems;
}
document.getElementById("found").textContent = JSON.stringify(found);
"""


def start(folder: Path, name: str, *arguments: str) -> subprocess.Popen[str]:
    assert CHROMIUM is not None
    words = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / f'profile-{name}'}", *arguments]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def frame(page: str, name: str, width: int) -> str:
    return f'<iframe id="{name}" width="{width}" height="2000" style="border: 0" srcdoc="{html.escape(page)}"></iframe>'


def on_paper(page: str) -> str:
    """The page with its rules for print on the screen."""
    assert page.count("@media print") == 1
    return page.replace("@media print", "@media all")


def clipped(folder: Path, pages: dict[str, tuple[str, int]]) -> dict[str, list[str]]:
    """What is clipped in each page at its width."""
    frames = "".join(frame(page, name, width) for name, (page, width) in pages.items())
    script = f'<pre id="found"></pre><script>addEventListener("load", () => {{{LOOK}}})</script>'
    file = folder / "look.html"
    file.write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{frames}{script}")
    text, _ = start(folder, "look", "--dump-dom", "--window-size=1600,2000", file.as_uri()).communicate(timeout=60)
    match = re.search(r'<pre id="found">(.*?)</pre>', text, re.DOTALL)
    assert match, text[-500:]
    found: dict[str, list[str]] = json.loads(html.unescape(match[1]))
    return found


def wide_report(level: float, seed: int = 0) -> ZeroShotReport:
    """Long names, large numbers, two coordinates that vary, more contexts than are shown unfolded."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(1.0, 9.0), 2.0 ** np.arange(7)), axis=-1).reshape(-1, 2)
    contexts = {"train": grid[:1], "a_long_name_of_a_split": grid}
    returns = {split: level + 100 * rng.normal(size=(len(rows), 4)) for split, rows in contexts.items()}
    lengths = {split: np.ones(values.shape) for split, values in returns.items()}
    names, units = ("gravity_of_the_planet", "m"), ("m/s^2", "kg")
    return ZeroShotReport("x", "offctx/Wide-v0", names, units, grid[:1], contexts, returns, lengths, 0, "append")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of eight methods with five runs each, LDR and two null controls, from many files."""
    methods = [f"method-{k} with a name" for k in range(8)] + ["LDR", "context hidden"]
    reports: dict[str, Any] = {
        name: [wide_report(-10000.0 * (9 - k), 5 * k + seed) for seed in range(5)] for k, name in enumerate(methods)
    }
    reports["zero action"] = wide_report(-35000.0, 9)
    digest = "0123456789abcdef" * 4
    provenance = Provenance(
        date="2026-01-01",
        command=f"offctx evaluate {' '.join(f'{name}=runs/{name}/agent.d3' for name in methods)}",
        agents={name: {"file": f"runs/a-folder-with-a-long-name/{name}/agent.d3", "sha256": digest} for name in methods},
    )
    comparison = compare(
        reports, baseline="method-0 with a name", reference="method-7 with a name", replicates=50, provenance=provenance
    )
    return comparison.save(tmp_path_factory.mktemp("wide"))


def test_no_table_is_clipped(saved: Path, tmp_path: Path) -> None:
    page = (saved / "report.html").read_text()
    pages = {str(width): (page, width) for width in (400, 600, 719, 721, 800, 991, 993, 1000, 1186, 1400)}
    pages["paper"] = (on_paper(page), PAPER)
    assert clipped(tmp_path, pages) == {name: [] for name in pages}


def test_clipped_tables_are_found(saved: Path, tmp_path: Path) -> None:
    page = (saved / "report.html").read_text()
    hidden = page.replace("overflow-x: auto", "overflow-x: hidden").replace(".long {", "td { white-space: nowrap; } .long {", 1)
    unstacked = re.sub(r"max-width: (45|62|75)rem", "max-width: 1px", page).replace("overflow-x: auto", "overflow-x: visible")
    uncut = page.replace("@media print {", "@media print { th, td { white-space: nowrap; }")
    pages = {"hidden": (hidden, 1400), "unstacked": (unstacked, 400), "paper": (on_paper(uncut), PAPER)}
    found = clipped(tmp_path, pages)
    assert all(any("clipped table" in problem for problem in problems) for problems in found.values()), found
    assert "the page is wider than its window" in found["unstacked"]


def test_screenshots_and_paper(saved: Path, tmp_path: Path) -> None:
    page = (saved / "report.html").as_uri()
    narrow = tmp_path / "narrow.html"
    narrow.write_text(f'<body style="margin: 0">{frame((saved / "report.html").read_text(), "narrow", 400)}')
    shots = {"wide": ("1400,1000", page), "narrow": ("600,1000", narrow.as_uri())}
    running = [
        start(tmp_path, name, f"--window-size={size}", f"--screenshot={tmp_path / name}.png", address)
        for name, (size, address) in shots.items()
    ]
    running.append(start(tmp_path, "paper", "--no-pdf-header-footer", f"--print-to-pdf={tmp_path / 'report.pdf'}", page))
    for process in running:
        process.communicate(timeout=60)
        assert process.returncode == 0
    for name, (size, _) in shots.items():
        picture = (tmp_path / f"{name}.png").read_bytes()
        assert ",".join(map(str, struct.unpack(">II", picture[16:24]))) == size
        assert len(picture) > 10_000  # an empty page has far less
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")
