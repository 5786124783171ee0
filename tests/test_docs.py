"""Every link between files of the documentation leads somewhere, and every room is on the map."""

import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from offctx.evaluation.statistics import Interval

ROOT = Path(__file__).parents[1]
INTERVAL = re.compile(r"-?[\d.]+ \[-?[\d.]+, -?[\d.]+\]")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "datasets" / "CARDS.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_room_is_on_the_map() -> None:
    rooms = {path.parent.name for path in (ROOT / "offctx").glob("*/__init__.py")}
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert {room for room in rooms if f"[{room}/](../offctx/{room})" not in text} == set()


def test_the_citation_names_the_version() -> None:
    (version,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()


@pytest.mark.parametrize("page", ["README.md", "docs/when-does-it-help.md"])
def test_every_interval_on_a_page_stands_in_a_report(page: str) -> None:
    """Each "estimate [low, high]" is quoted from a report, which keeps its numbers in a JSON file beside it."""
    reports = [path for path in (ROOT / "docs" / "results").glob("*.md") if path.with_suffix(".json").exists()]
    reported = {quote for path in reports for quote in INTERVAL.findall(" ".join(path.read_text().split()))}
    quoted = INTERVAL.findall(" ".join((ROOT / page).read_text().split()))
    assert len(quoted) > 5 and [quote for quote in quoted if quote not in reported] == []


def _numbers(record: object) -> Iterator[str]:
    """Every interval below a JSON value as a report writes it: those with ends, and those in the text of a claim."""
    if isinstance(record, str):
        yield record
    elif isinstance(record, dict):
        if {"estimate", "low", "high"} <= set(record) and record["low"] is not None:
            yield str(Interval(record["estimate"], record["low"], record["high"], record["confidence"], record["over"]))
        yield from (text for value in record.values() for text in _numbers(value))
    elif isinstance(record, list):
        yield from (text for value in record for text in _numbers(value))


@pytest.mark.parametrize("report", ["cse", "controls", "matters", "feedback"])
def test_every_interval_of_a_report_stands_in_its_json(report: str) -> None:
    folder = ROOT / "docs" / "results"
    shown = INTERVAL.findall(" ".join((folder / f"{report}.md").read_text().split()))
    stored = set(_numbers(json.loads((folder / f"{report}.json").read_text())))
    assert len(shown) > 20 and [text for text in shown if text not in stored] == []


def test_the_guide_trains_online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block of the section, with fewer steps; and its command."""
    from offctx.cli.app import run

    monkeypatch.chdir(tmp_path)
    section = (ROOT / "docs" / "guide.md").read_text().partition("## Online, in many contexts")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    exec(compile(block.replace("200_000", "300").replace("20_000", "200"), "guide.md", "exec"), {"__name__": "guide"})
    assert (tmp_path / "runs" / "sac-0" / "report" / "report.html").exists()
    (command,) = re.findall(r"`(offctx train-online .*?)`", section)
    words = shlex.split(command.replace("200000", "300").replace("20000", "200").replace("sac-0", "other"))
    monkeypatch.setattr(sys, "argv", [*words, "-q", "--epochs", "1"])
    assert run() in (0, None) and (tmp_path / "runs" / "other" / "agent.d3").exists()


def test_the_guide_makes_cards(library_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    section = (ROOT / "docs" / "guide.md").read_text().partition("## Cards for hubs")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    code = block.replace("offctx/PendulumGoal/random-v0", "test/pendulum-v0")
    exec(compile(code, "guide.md", "exec"), {"__name__": "guide"})
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["README.md", "croissant.json", "returns.png"]


@pytest.mark.filterwarnings("ignore")
def test_the_guide_selects_and_combines(datasets_path: Path) -> None:
    section = (ROOT / "docs" / "guide.md").read_text().partition("### Some of a dataset, and several as one")[2]
    blocks = re.findall(r"```python\n(.*?)```", section.partition("### Several processes")[0], flags=re.DOTALL)
    assert len(blocks) == 2  # the second one maps a dataset from files
    exec(compile("\n".join(["import offctx", *blocks]), "guide.md", "exec"), {"__name__": "guide"})
    assert {path.name for path in (datasets_path / "guide").glob("*-v0")} == {"whole-v0", "part0-v0", "part1-v0", "both-v0"}


def test_the_page_on_workers_collects(datasets_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import offctx
    from offctx.data.collection import parts

    monkeypatch.setattr(parts, "PART_TRANSITIONS", 400)
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "cluster.md").read_text(), flags=re.DOTALL)
    code = block.replace("10_000", "2").replace("n_jobs=-1", "n_jobs=1")
    exec(compile(code, "cluster.md", "exec"), {"__name__": "guide"})
    assert len(offctx.load_dataset("mine/Pendulum/random-v0")) == 1200
