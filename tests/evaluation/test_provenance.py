"""Where the numbers come from: on the page and in report.json, as far as the caller says it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import offctx
from offctx.errors import EvaluationError
from offctx.evaluation.compare import compare
from offctx.evaluation.provenance import Provenance
from offctx.evaluation.report import Comparison, ZeroShotReport

KNOWN = Provenance(
    date="2026-01-02T03:04:05+00:00",
    command="offctx evaluate a.d3 --env 'x y'",
    versions={"offctx": "0.4.0", "torch": "2.6.0"},
    datasets={"a/b-v0": "f" * 64, "a/minari-v0": None},
    agents={"CSE": {"file": "out/cse.d3", "sha256": "e" * 64}},
)


def test_what_is_known_is_on_the_page_and_in_json(tmp_path: Path, make: Callable[..., ZeroShotReport]) -> None:
    folder = compare({"CSE": make()}, replicates=50, provenance=KNOWN).save(tmp_path / "compared")
    for name in ("report.md", "report.html"):
        text = (folder / name).read_text()
        for words in (KNOWN.date, "offctx evaluate a.d3", "offctx 0.4.0, torch 2.6.0", "f" * 64, "e" * 64, "out/cse.d3"):
            assert words is not None and words in text
        assert "a/minari-v0" in text and "without checksum" in text
    data = json.loads((folder / "report.json").read_text())["provenance"]
    assert data["date"] == KNOWN.date and data["command"] == KNOWN.command and data["versions"] == KNOWN.versions
    assert data["datasets"] == [{"id": "a/b-v0", "sha256": "f" * 64}, {"id": "a/minari-v0", "sha256": None}]
    assert data["agents"] == [{"label": "CSE", "file": "out/cse.d3", "sha256": "e" * 64}]
    make().save(tmp_path / "alone", provenance=KNOWN)
    assert json.loads((tmp_path / "alone" / "report.json").read_text())["provenance"] == data
    assert ZeroShotReport.load(tmp_path / "alone").to_dict() == make().to_dict()


def test_without_it_the_report_has_none(tmp_path: Path, three: Callable[[], Comparison]) -> None:
    folder = three().save(tmp_path)
    assert json.loads((folder / "report.json").read_text())["provenance"] is None
    assert "Provenance" not in (folder / "report.md").read_text() + (folder / "report.html").read_text()


def test_collected_are_versions_checksums_and_the_date(tmp_path: Path) -> None:
    agent = tmp_path / "cse.d3"
    agent.write_bytes(b"weights")
    found = Provenance.collect(command="make", agents={"CSE": agent}, datasets={"a/b-v0": None})
    assert found.agents == {"CSE": {"file": str(agent), "sha256": hashlib.sha256(b"weights").hexdigest()}}
    assert {"offctx", "python", "d3rlpy", "torch", "mujoco", "gymnasium", "numpy"} <= set(found.versions)
    assert found.date is not None and found.date.endswith("+00:00")
    again = Provenance.collect(command="make", agents={"CSE": agent}, datasets={"a/b-v0": None})
    assert dataclasses.replace(again, date=None) == dataclasses.replace(found, date=None)
    with pytest.raises(EvaluationError, match=r"agent at .*gone\.d3"):
        Provenance.collect(agents={"CSE": tmp_path / "gone.d3"})


def test_the_command_line_passes_what_it_knows(
    library_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from offctx import cli

    words = ["random", "--env", "offctx/PendulumGoal-v0", "--sweep", "g=1", "--episodes", "1", "--dataset", "test/pendulum-v0"]
    out = tmp_path / "report"
    monkeypatch.setattr(sys, "argv", ["offctx", "evaluate", *words, "--out", str(out), "--json", "-q"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    found = json.loads(capsys.readouterr().out)["provenance"]
    metadata = offctx.load_dataset("test/pendulum-v0").metadata
    assert metadata is not None
    assert found["datasets"] == [{"id": "test/pendulum-v0", "sha256": metadata.sha256}]
    assert found["command"].startswith("offctx evaluate random --env") and found["agents"] == []
    assert metadata.sha256 in (out / "report.html").read_text()
