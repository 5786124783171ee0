"""How the presets' defaults were chosen: every configuration that was tried, from pilots.json beside this file.

Pilots have other training contexts, evaluation contexts, seeds and start states than the cells that are reported. They ran
outside the frame, partly on code that is in no commit: they decide about defaults, and nothing is concluded from them.
"""

import json
from pathlib import Path
from typing import Any

from tools.reproduce.frame.markdown import paragraph, table

_FILE = Path(__file__).with_name("pilots.json")
_RETURNS = {"in": "in, cold", "out": "out, cold", "in_w": "in, warm", "out_w": "out, warm"}
_FACTS = ("name", "kind", "seed", "steps", *_RETURNS)
_TEXT = (
    "Defaults that are not the paper's were chosen by the runs below: DoubleIntegrator, TD3+BC, masses and start states drawn "
    "apart from those of the tables above, one or two seeds. Columns: AER on masses within and outside of the training range. "
    "Settings that are not named are the defaults of the time; some were dropped and are no settings any more."
)


def pilots() -> list[dict[str, Any]]:
    """Every run, in the order of time."""
    runs: list[dict[str, Any]] = json.loads(_FILE.read_text())
    return runs


def pilot_lines() -> list[str]:
    """All of them in Markdown, folded."""
    rows = [
        [
            run["name"],
            run["kind"],
            str(run["seed"]),
            str(run["steps"]),
            _settings(run),
            *(_number(run.get(k)) for k in _RETURNS),
        ]
        for run in pilots()
    ]
    head = ["run", "data", "seed", "updates", "settings", *_RETURNS.values()]
    lines = ["## How defaults were chosen", "", *paragraph(_TEXT)]
    return [*lines, f"<details><summary>{len(rows)} runs</summary>", "", *table(head, rows), "</details>", ""]


def _settings(run: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in run.items() if name not in _FACTS)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
